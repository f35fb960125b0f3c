"""Where a text may be cut so that its parts' pieces are the whole's, one after the other.

BERT's tokenizer works on single characters (clean-up, decomposition, lower-casing) and on single
words (WordPiece). So before a space, a punctuation mark or an ideograph a text can be cut, unless
that character is inside a mark such as [MASK], which is looked for first. BPE over bytes and Unigram
take a space and the word behind it together: before a space between two words a text can be cut.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Iterator, Sequence

import tokenizers

from bertworks.text.beginnings import kind_of, steps_of
from bertworks.text.scripts import CHINESE

CHARACTERS_A_PIECE = 8
"""Of the part that is taken first; English has four to five, so that one part is mostly enough."""
SHORTEST_PART = 64
TOGETHER = 1 << 18
"""Characters that the backend gets at once: it needs some 200 bytes for each."""

# What BERT's tokenizer takes for Chinese: Unicode's CJK blocks, without kana and Hangul.
_IDEOGRAPHS = f"{CHINESE}\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f"

# Joined with what follows them, a space too, to one character for Unigram's clean-up (Unicode's class
# Prepend, UAX #29).
_PREPENDED = (
    "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\U000110bd\U000110cd\U000111c2\U000111c3"
    "\U000113d1\U0001193f\U00011941\U00011a3a\U00011a84-\U00011a89\U00011d46\U00011f02"
)
_BETWEEN_WORDS = re.compile(rf"(?<=[^\s{_PREPENDED}]) (?=\S)")
# Where spaces count themselves, those count too that other characters become when they are cleaned up:
# letters of common scripts, digits and ASCII's marks become none.
_PLAIN = (
    "!-~\u00c0-\u024f\u0386-\u03ff\u0400-\u0481\u048a-\u0556\u0561-\u0587\u05d0-\u05ea\u0620-\u064a"
    "\u0904-\u0939\u3041-\u3096\u30a1-\u30fa\u3400-\u9fff\uac00-\ud7a3"
)
_BETWEEN_PLAIN_WORDS = re.compile(f"(?<=[{_PLAIN}]) (?=[{_PLAIN}])")

Encode = Callable[[list[str]], list[list[int]]]
"""Texts to their pieces."""
EncodeWords = Callable[[list[list[str]]], list[tuple[list[int], list[int]]]]
"""Lists of words to their pieces, and the word of each piece."""


def spaces_part(backend: tokenizers.Tokenizer) -> bool:
    """Whether texts may be cut at spaces: the parts are BERT's, and the marks are plain."""
    added = backend.get_added_tokens_decoder().values()
    return (
        isinstance(backend.normalizer, tokenizers.normalizers.BertNormalizer)
        and isinstance(backend.pre_tokenizer, tokenizers.pre_tokenizers.BertPreTokenizer)
        and isinstance(backend.model, tokenizers.models.WordPiece)
        and not any(
            # The space before a mark has no piece, whether or not the mark takes it (lstrip).
            token.rstrip or token.single_word or token.normalized
            or " " in token.content
            or token.content.startswith(backend.model.continuing_subword_prefix)
            for token in added
        )
    )  # fmt: skip


def boundary(backend: tokenizers.Tokenizer) -> re.Pattern[str] | None:
    """Matches the characters before which any text may be cut; None: it must be taken whole."""
    if not spaces_part(backend):
        return _words_boundary(backend)
    inside = "".join(token.content for token in backend.get_added_tokens_decoder().values())
    characters = " \t\n\r" + string.punctuation
    parts = "".join(re.escape(one) for one in characters if one not in inside)
    if backend.normalizer.handle_chinese_chars and not re.search(f"[{_IDEOGRAPHS}]", inside):
        parts += _IDEOGRAPHS
    return re.compile(f"[{parts}]") if parts else None


def _words_boundary(backend: tokenizers.Tokenizer) -> re.Pattern[str] | None:
    """Matches the spaces before which a text may be cut, where words are tokenized with their space."""
    added = backend.get_added_tokens_decoder().values()
    if any(token.rstrip or token.single_word or re.search(r"\s", token.content) for token in added):
        return None
    steps, kind = steps_of(backend), kind_of(backend)
    names = [step["type"] for step in steps]
    if kind == "bytes":
        plain = backend.normalizer is None and names == ["ByteLevel"] and steps[0]["use_regex"]
        return _BETWEEN_WORDS if plain else None
    if kind != "spaces" or not _known_clean_up(backend.normalizer):
        return None
    if steps[-1]["prepend_scheme"] != "always" or not steps[-1]["split"]:
        return None
    if names == ["WhitespaceSplit", "Metaspace"]:
        return _BETWEEN_WORDS
    return _BETWEEN_PLAIN_WORDS if names == ["Metaspace"] else None


def _known_clean_up(normalizer: tokenizers.normalizers.Normalizer | None) -> bool:
    """Whether a normalizer does what SentencePiece's does: single characters, and runs of spaces."""
    if normalizer is None:
        return True
    told = json.loads(normalizer.__getstate__())
    steps = told["normalizers"] if told["type"] == "Sequence" else [told]
    return all(
        step["type"] == "Precompiled"
        or (step["type"] == "Replace" and step["pattern"] == {"Regex": " {2,}"})
        for step in steps
    )


class _Reading:
    """A text, how far it was read, and its pieces so far."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0
        self.pieces: list[int] = []

    @property
    def done(self) -> bool:
        return self.place == len(self.text)


class Prefixes:
    """Pieces of texts, tokenized part by part until there are enough.

    Args:
        cut: Before which characters a part may end; None: texts are taken whole.
        encode: Tokenizes texts.
        encode_words: Tokenizes lists of words.
    """

    def __init__(
        self, cut: re.Pattern[str] | None, encode: Encode, encode_words: EncodeWords
    ) -> None:
        self._cut, self._encode, self._encode_words = cut, encode, encode_words

    def of_texts(self, texts: Sequence[str], enough: int) -> list[list[int]]:
        """The first pieces of each text: `enough` or more, or all."""
        readings = [_Reading(text) for text in texts]
        self._read(readings, enough)
        return [reading.pieces for reading in readings]

    def of_pairs(
        self, firsts: Sequence[str], seconds: Sequence[str], limit: int
    ) -> list[tuple[list[int], list[int]]]:
        """The first pieces of each pair's texts, so many that `longest_first` cuts them alike.

        Together they have more than `limit` where all of them do.

        Where both texts are long and the limit is odd, the longer one keeps the odd piece: they
        are read on until one knows which that is.
        """
        pairs = [
            (_Reading(first), _Reading(second))
            for first, second in zip(firsts, seconds, strict=True)
        ]
        self._read([reading for pair in pairs for reading in pair], limit + 1)
        if limit % 2:
            for first, second in pairs:
                self._compare(first, second, limit)
        return [(first.pieces, second.pieces) for first, second in pairs]

    def of_words(
        self, rows: Sequence[Sequence[str]], enough: int
    ) -> list[tuple[list[int], list[int]]]:
        """The first pieces of each list of words, `enough` or more or all, and their words."""
        found: list[tuple[list[int], list[int]]] = [([], []) for _ in rows]
        places = [0] * len(rows)
        unfinished = list(range(len(rows)))
        while unfinished:
            parts: list[list[str]] = []
            for row in unfinished:
                part = _some_words(rows[row], places[row], enough - len(found[row][0]))
                parts.append(part)
            for taken in _groups([sum(map(len, part)) for part in parts]):
                answers = self._words([parts[one] for one in taken], enough)
                for one, (pieces, index) in zip(taken, answers, strict=True):
                    row = unfinished[one]
                    found[row][0].extend(pieces)
                    found[row][1].extend(word + places[row] for word in index)
            for row, part in zip(unfinished, parts, strict=True):
                places[row] += len(part)
            unfinished = [
                row
                for row in unfinished
                if len(found[row][0]) < enough and places[row] < len(rows[row])
            ]
        return found

    def _words(self, parts: list[list[str]], enough: int) -> list[tuple[list[int], list[int]]]:
        """Pieces of lists of words; a word that is a text of its own is not taken whole."""
        longest = _size(enough)
        if all(len(part) != 1 or len(part[0]) <= longest for part in parts):
            return self._encode_words(parts)
        answers = []
        for part in parts:
            if len(part) == 1 and len(part[0]) > longest:
                (pieces,) = self.of_texts(part, enough)
                answers.append((pieces, [0] * len(pieces)))
            else:
                answers += self._encode_words([part])
        return answers

    def _read(self, readings: list[_Reading], enough: int) -> None:
        """Reads on until each text has enough pieces or ends."""
        while True:
            open_ = [one for one in readings if len(one.pieces) < enough and not one.done]
            if not open_:
                return
            ends = [self._end(one, enough - len(one.pieces)) for one in open_]
            sizes = [end - one.place for one, end in zip(open_, ends, strict=True)]
            for taken in _groups(sizes):
                parts = [open_[one].text[open_[one].place : ends[one]] for one in taken]
                for one, pieces in zip(taken, self._encode(parts), strict=True):
                    open_[one].pieces += pieces
                    open_[one].place = ends[one]

    def _compare(self, first: _Reading, second: _Reading, limit: int) -> None:
        """Reads on until it is known which of two long texts has more pieces."""
        while min(len(first.pieces), len(second.pieces)) > limit // 2:
            more = len(first.pieces) - len(second.pieces)
            if (first.done and (second.done or more <= 0)) or (second.done and more > 0):
                return
            behind = second if first.done or (more > 0 and not second.done) else first
            self._read([behind], len(behind.pieces) + limit)

    def _end(self, reading: _Reading, wanted: int) -> int:
        """Where the part that is read next ends."""
        end = reading.place + _size(wanted)
        if end >= len(reading.text) or self._cut is None:
            return len(reading.text)
        found = self._cut.search(reading.text, end)
        return found.start() if found else len(reading.text)


def _size(wanted: int) -> int:
    """Characters that are likely to have as many pieces."""
    return min(max(CHARACTERS_A_PIECE * wanted, SHORTEST_PART), TOGETHER)


def _some_words(words: Sequence[str], place: int, wanted: int) -> list[str]:
    """The next words, of some characters in all; at least one."""
    left = _size(wanted)
    end = place
    while end < len(words) and (end == place or left > len(words[end])):
        left -= len(words[end]) + 1
        end += 1
    return list(words[place:end])


def _groups(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Neighbours that have few enough characters together to be tokenized at once."""
    group: list[int] = []
    total = 0
    for place, size in enumerate(sizes):
        if group and total + size > TOGETHER:
            yield group
            group, total = [], 0
        group.append(place)
        total += size
    if group:
        yield group
