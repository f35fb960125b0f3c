"""The one tokenizer of training and serving: WordPiece, BPE or Unigram from a `tokenizer.json`.

Imports nothing but `tokenizers`, so that a server starts at once. For every input string the ids
are those of transformers' fast tokenizer over the same file: truncation is "longest first", and a
mark that stands in the text as such ("[MASK]") is that mark. Which marks there are and where they
stand is the tokenizer's own affair (`marks`). `encode_batch` takes the few rows of a
request; for whole Arrow columns `chunks` is several times as fast, with the same ids.

Nothing here changes the tokenizer after it is loaded (truncation is done on the ids, not by
switching the backend's setting), so that any number of threads may share one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import tokenizers

from bertworks.errors import ArtifactError, DataError
from bertworks.text.beginnings import beginnings, kind_of
from bertworks.text.boundaries import Prefixes, boundary
from bertworks.text.marks import around, special_of, template_of

if TYPE_CHECKING:
    from bertworks.text.chunks import Chunks

FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
NO_WORD = -1

Encoded = tuple[list[int], list[int]]


class Tokenizer:
    """A tokenizer of one of the families that are read.

    Args:
        backend: The `tokenizers` object. Its own truncation and padding are switched off.
        name: Where it came from, for error messages.

    Attributes:
        special: Ids of its marks.
        template: Where they stand.

    Raises:
        ArtifactError: It lacks one of the marks, or puts them neither where BERT nor where RoBERTa does.
    """

    def __init__(self, backend: tokenizers.Tokenizer, name: str = FILE) -> None:
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        self.special = special_of(backend, name)
        self.template = template_of(backend, self.special, name)

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Loads a `tokenizer.json`, or the one in a folder.

        Raises:
            ArtifactError: There is none, it cannot be read, or its marks are of another family.
        """
        file = Path(path)
        file = file / FILE if file.is_dir() else file
        fix = "Give a folder in Hugging Face layout with a tokenizer.json."
        try:
            backend = tokenizers.Tokenizer.from_str(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ArtifactError(f"{file} does not exist.", fix) from None
        except Exception as error:  # the backend raises bare Exception for bad JSON
            raise ArtifactError(f"{file} cannot be read as a tokenizer: {error}.", fix) from error
        return cls(backend, str(file))

    @cached_property
    def vocab_size(self) -> int:
        """Number of ids: the largest one, plus one. The embedding needs as many rows."""
        return 1 + max(self._backend.get_vocab(with_added_tokens=True).values())

    @cached_property
    def chunks(self) -> Chunks:
        """Tokenizes whole Arrow columns (needs pyarrow), with the same ids as the methods here."""
        from bertworks.text.chunks import Chunks

        return Chunks(self._backend, self._words_backend)

    @cached_property
    def _words_backend(self) -> tokenizers.Tokenizer:
        return for_words(self._backend)

    @cached_property
    def _prefixes(self) -> Prefixes:
        """Tokenizes no more of a text than is wanted, and not too much of it at once."""
        return Prefixes(boundary(self._backend), self._pieces, self._pieces_of_words)

    @cached_property
    def _word_prefixes(self) -> Prefixes:
        """The same for lists of words, of which one may be a whole text."""
        backend = self._words_backend

        def pieces(words: list[str]) -> list[list[int]]:
            return [encoding.ids for encoding in self._encode(words, backend, word_ids=False)]

        return Prefixes(boundary(backend), pieces, self._pieces_of_words)

    @cached_property
    def _begins(self) -> list[bool]:
        return beginnings(self._backend)

    @cached_property
    def config(self) -> dict[str, object]:
        """What transformers reads beside the vocabulary: without it, any BERT is uncased to it."""
        normalizer = self._backend.normalizer
        if (
            isinstance(normalizer, tokenizers.normalizers.BertNormalizer)
            and self.template.seps == 1
        ):
            return {
                "tokenizer_class": "BertTokenizer",
                "do_lower_case": bool(normalizer.lowercase),
                "strip_accents": normalizer.strip_accents,
                "tokenize_chinese_chars": bool(normalizer.handle_chinese_chars),
            }
        marks = {f"{role}_token": self.token(one) for role, one in self.special._asdict().items()}
        types = ["token_type_ids"] if self.template.second_type else []
        inputs = ["input_ids", *types, "attention_mask"]
        # Reads tokenizer.json as it is.
        return {"tokenizer_class": "PreTrainedTokenizerFast", **marks, "model_input_names": inputs}

    def save(self, folder: str | Path) -> None:
        """Writes `tokenizer.json`, and the `tokenizer_config.json` that transformers wants."""
        config = json.dumps(self.config, indent=2, sort_keys=True) + "\n"
        (Path(folder) / FILE).write_text(self._backend.to_str(), encoding="utf-8")
        (Path(folder) / CONFIG_FILE).write_text(config, encoding="utf-8")

    def encode_batch(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        max_length: int = 512,
    ) -> list[Encoded]:
        """Ids and type ids of each text (or pair of texts), marks included, cut at `max_length`.

        Args:
            texts: The texts, or the first texts of the pairs.
            pairs: The second texts, as many as `texts`.
            max_length: Tokens a row at most. Of a pair, the longer text is cut first.

        Returns:
            For each row `(ids, type_ids)`, both of the same length. Of a long text no more is
            tokenized than is kept, with the same ids.

        Raises:
            DataError: A text is not a string, or there are not as many `pairs` as `texts`.
        """
        if pairs is None:
            found = self.pieces_batch(texts, max_length - 2)
            return [self.assemble(ids, None, max_length) for ids in found]
        if len(pairs) != len(texts):
            raise DataError(
                f"There must be as many second texts as first ones. "
                f"Received: {len(texts)} first, {len(pairs)} second.",
                "Give both texts of every pair.",
            )
        both = self.pieces_of_pairs(texts, pairs, max_length - self.template.marks)
        return [self.assemble(first, second, max_length) for first, second in both]

    def encode_words_batch(
        self, rows: Sequence[Sequence[str]], max_length: int = 512
    ) -> list[Encoded]:
        """Ids of each list of words, and the word that each piece belongs to.

        Words are read as those inside a text are: BPE over bytes reads each with a space before it. A
        word of which nothing is left after clean-up (a control character) has no piece.

        Returns:
            For each row `(ids, word_index)`, marks included, cut at `max_length`; the marks have
            word index -1.
        """
        return [
            self.mark_words(ids, words, max_length)
            for ids, words in self.pieces_of_words_batch(rows, max_length - 2)
        ]

    def pieces_batch(self, texts: Sequence[str], enough: int | None = None) -> list[list[int]]:
        """Ids of each text, without marks and uncut.

        Args:
            texts: The texts.
            enough: No more than is needed for as many ids is tokenized of each; None: all.
        """
        return self._prefixes.of_texts(_checked(texts), enough or sys.maxsize)

    def pieces_of_pairs(
        self, firsts: Sequence[str], seconds: Sequence[str], room: int
    ) -> list[tuple[list[int], list[int]]]:
        """Ids of each pair's texts, without marks and uncut, but no more than tells how to cut.

        Args:
            firsts: The first texts.
            seconds: The second texts, as many.
            room: Ids of both texts that will be kept. Where there are more, more are returned.
        """
        return self._prefixes.of_pairs(_checked(firsts), _checked(seconds), room)

    def pieces_of_words_batch(
        self, rows: Sequence[Sequence[str]], enough: int | None = None
    ) -> list[Encoded]:
        """Ids of each list of words without marks and uncut, and the word of each piece.

        Args:
            rows: Lists of words.
            enough: See `pieces_batch`.
        """
        return self._word_prefixes.of_words(rows, enough or sys.maxsize)

    def pieces_and_words_batch(self, texts: Sequence[str]) -> list[Encoded]:
        """Ids of each text without marks and uncut, and the word that each piece belongs to.

        A word is what stands between spaces and punctuation; a Chinese character is a word, or with
        another tokenizer than WordPiece a piece of Chinese characters.
        """
        encodings = self._encode(list(texts), self._backend, word_ids=True)
        if kind_of(self._backend) in ("wordpiece", None):
            return [(encoding.ids, _words(encoding)) for encoding in encodings]
        return [(encoding.ids, self._numbered(encoding.ids)) for encoding in encodings]

    def _numbered(self, ids: list[int]) -> list[int]:
        """The word of each piece of a text, by which pieces begin one."""
        numbers, word = [], NO_WORD
        for place, identifier in enumerate(ids):
            word += int(place == 0 or self._begins[identifier])
            numbers.append(word)
        return numbers

    def assemble(self, first: list[int], second: list[int] | None, max_length: int) -> Encoded:
        """Cuts one or two lists of pieces so that they fit, and puts the marks around them."""
        if second is None:
            return around(self.special, self.template, first[: max_length - 2], None)
        room = max_length - self.template.marks
        keep_first, keep_second = longest_first(len(first), len(second), room)
        return around(self.special, self.template, first[:keep_first], second[:keep_second])

    def around(self, first: list[int], second: list[int]) -> Encoded:
        """Two lists of pieces as they are, with the marks around them: ids, and token types."""
        return around(self.special, self.template, first, second)

    def mark_words(self, ids: list[int], words: list[int], max_length: int) -> Encoded:
        """Cuts a row's pieces and their word index so that they fit, and puts the marks around."""
        keep = max_length - 2
        marked = [self.special.cls, *ids[:keep], self.special.sep]
        return marked, [NO_WORD, *words[:keep], NO_WORD]

    def decode(self, ids: Sequence[int], *, keep_marks: bool = False) -> str:
        """Text of the ids; pieces are joined, the marks are left out unless `keep_marks`."""
        return str(self._backend.decode(list(ids), skip_special_tokens=not keep_marks))

    def token(self, identifier: int) -> str:
        """The vocabulary entry of an id, for example "##ing"."""
        return str(self._backend.id_to_token(identifier))

    def _pieces(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._encode(texts, self._backend, word_ids=False)]

    def _pieces_of_words(self, rows: list[list[str]]) -> list[Encoded]:
        encodings = self._encode(rows, self._words_backend, word_ids=True)
        return [(encoding.ids, _words(encoding)) for encoding in encodings]

    def _encode(
        self, rows: list[str] | list[list[str]], backend: tokenizers.Tokenizer, *, word_ids: bool
    ) -> list[tokenizers.Encoding]:
        """Runs a backend; the quick way leaves word ids out."""
        split = bool(rows) and not isinstance(rows[0], str)
        run = backend.encode_batch if word_ids else backend.encode_batch_fast
        try:
            encodings = run(rows, is_pretokenized=split, add_special_tokens=False)
        except TypeError:
            # Lone surrogates cannot be handed over; nor can anything that is not a string.
            encodings = run(
                [_repair(row) for row in rows], is_pretokenized=split, add_special_tokens=False
            )
        return list(encodings)


def for_words(backend: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """The tokenizer that reads words one by one as it reads those inside a text.

    BPE over bytes has pieces of their own for words after a space. With `add_prefix_space` it takes
    a word for one of these, without it for one that goes on; transformers refuses to split words
    without it. Other tokenizers read words so already.
    """
    before = backend.pre_tokenizer
    if not isinstance(before, tokenizers.pre_tokenizers.ByteLevel) or before.add_prefix_space:
        return backend
    changed = tokenizers.Tokenizer.from_str(backend.to_str())
    changed.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(
        add_prefix_space=True, use_regex=before.use_regex
    )
    return changed


def longest_first(first: int, second: int, limit: int) -> tuple[int, int]:
    """How many pieces of each text to keep so that both together have at most `limit`.

    The longer text is cut down to what the shorter one leaves, but not below half of the limit; of
    an odd limit, the longer text keeps the odd piece, and the second one where both are as long.
    The same rule as `tokenizers`' longest_first.
    """
    if first + second <= limit:
        return first, second
    shorter = min(first, second)
    if shorter <= limit // 2:
        kept_shorter, kept_longer = shorter, limit - shorter
    else:
        kept_shorter, kept_longer = limit // 2, limit - limit // 2
    return (kept_longer, kept_shorter) if first > second else (kept_shorter, kept_longer)


def _words(encoding: tokenizers.Encoding) -> list[int]:
    """The word of each piece; without marks, each piece has one."""
    return [NO_WORD if word is None else word for word in encoding.word_ids]


def _checked(texts: Sequence[str]) -> Sequence[str]:
    for text in texts:
        if not isinstance(text, str):
            _repair(text)
    return texts


def _repair(row: str | list[str]) -> str | list[str]:
    """Replaces lone surrogates by U+FFFD, which BERT's clean-up then drops."""
    if isinstance(row, list):
        return [str(_repair(word)) for word in row]
    if not isinstance(row, str):
        raise DataError(
            f"A text must be a string. Received: {type(row).__name__} {row!r:.80}",
            "Give every text as a string.",
        )
    return row.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
