"""The one tokenizer of training and serving: WordPiece from a `tokenizer.json`.

Imports nothing but `tokenizers`, so that a server starts at once. For every input string the ids
are those of transformers' fast tokenizer over the same file: truncation is "longest first", and a
mark that stands in the text as such ("[MASK]") is that mark. `encode_batch` takes the few rows of a
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
from typing import TYPE_CHECKING, NamedTuple

import tokenizers

from bertworks.errors import ArtifactError, DataError
from bertworks.text.boundaries import Prefixes, boundary

if TYPE_CHECKING:
    from bertworks.text.chunks import Chunks

FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
NO_WORD = -1

Encoded = tuple[list[int], list[int]]


class Special(NamedTuple):
    """Ids of the five marks."""

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int


class Tokenizer:
    """A BERT tokenizer.

    Args:
        backend: The `tokenizers` object. Its own truncation and padding are switched off.
        name: Where it came from, for error messages.

    Raises:
        ArtifactError: It lacks one of the marks, or does not put them where BERT does.
    """

    def __init__(self, backend: tokenizers.Tokenizer, name: str = FILE) -> None:
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        ids = {mark: backend.token_to_id(mark) for mark in MARKS}
        missing = [mark for mark, identifier in ids.items() if identifier is None]
        fix = "Use a BERT checkpoint (WordPiece, with [CLS] and [SEP] around the text)."
        if missing:
            raise ArtifactError(f"{name} lacks the marks {', '.join(missing)}.", fix)
        self.special = Special(
            *(identifier for identifier in ids.values() if identifier is not None)
        )
        probe = backend.encode("a", "b")
        pieces = self.pieces_batch(["a", "b"])
        if (probe.ids, probe.type_ids) != self.assemble(pieces[0], pieces[1], 512):
            raise ArtifactError(
                f"{name} does not put its marks as BERT does: [CLS] first [SEP] second [SEP].", fix
            )

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Loads a `tokenizer.json`, or the one in a folder.

        Raises:
            ArtifactError: There is none, it cannot be read, or it is not BERT's.
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

        return Chunks(self._backend)

    @cached_property
    def _prefixes(self) -> Prefixes:
        """Tokenizes no more of a text than is wanted, and not too much of it at once."""
        return Prefixes(boundary(self._backend), self._pieces, self._pieces_of_words)

    @cached_property
    def config(self) -> dict[str, object]:
        """What transformers reads beside the vocabulary: without it, any BERT is uncased to it."""
        normalizer = self._backend.normalizer
        return {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": bool(getattr(normalizer, "lowercase", False)),
            "strip_accents": getattr(normalizer, "strip_accents", None),
            "tokenize_chinese_chars": bool(getattr(normalizer, "handle_chinese_chars", False)),
        }

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
        both = self.pieces_of_pairs(texts, pairs, max_length - 3)
        return [self.assemble(first, second, max_length) for first, second in both]

    def encode_words_batch(
        self, rows: Sequence[Sequence[str]], max_length: int = 512
    ) -> list[Encoded]:
        """Ids of each list of words, and the word that each piece belongs to.

        A word of which nothing is left after clean-up (a control character) has no piece.

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
        return self._prefixes.of_words(rows, enough or sys.maxsize)

    def pieces_and_words_batch(self, texts: Sequence[str]) -> list[Encoded]:
        """Ids of each text without marks and uncut, and the word that each piece belongs to.

        A word is what stands between spaces and punctuation; a Chinese character is a word.
        """
        encodings = self._encode(list(texts), word_ids=True)
        return [(encoding.ids, _words(encoding)) for encoding in encodings]

    def assemble(self, first: list[int], second: list[int] | None, max_length: int) -> Encoded:
        """Cuts one or two lists of pieces so that they fit, and puts the marks around them."""
        cls, sep = self.special.cls, self.special.sep
        if second is None:
            first = first[: max_length - 2]
            return [cls, *first, sep], [0] * (len(first) + 2)
        keep_first, keep_second = longest_first(len(first), len(second), max_length - 3)
        first, second = first[:keep_first], second[:keep_second]
        types = [0] * (len(first) + 2) + [1] * (len(second) + 1)
        return [cls, *first, sep, *second, sep], types

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
        return [encoding.ids for encoding in self._encode(texts, word_ids=False)]

    def _pieces_of_words(self, rows: list[list[str]]) -> list[Encoded]:
        encodings = self._encode(rows, word_ids=True)
        return [(encoding.ids, _words(encoding)) for encoding in encodings]

    def _encode(
        self, rows: list[str] | list[list[str]], *, word_ids: bool
    ) -> list[tokenizers.Encoding]:
        """Runs the backend; the quick way leaves word ids out."""
        split = bool(rows) and not isinstance(rows[0], str)
        run = self._backend.encode_batch if word_ids else self._backend.encode_batch_fast
        try:
            encodings = run(rows, is_pretokenized=split, add_special_tokens=False)
        except TypeError:
            # Lone surrogates cannot be handed over; nor can anything that is not a string.
            encodings = run(
                [_repair(row) for row in rows], is_pretokenized=split, add_special_tokens=False
            )
        return list(encodings)


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
    """Replaces lone surrogates by U+FFFD, which the clean-up then drops."""
    if isinstance(row, list):
        return [str(_repair(word)) for word in row]
    if not isinstance(row, str):
        raise DataError(
            f"A text must be a string. Received: {type(row).__name__} {row!r:.80}",
            "Give every text as a string.",
        )
    return row.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
