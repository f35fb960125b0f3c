"""A vocabulary cut down to what one corpus and its scripts need, with the same pieces for its texts.

Of two vocabularies, one within the other, the smaller one splits a text as the larger one does when it
holds every piece that the larger one would use: WordPiece takes the longest piece that fits, Unigram the
likeliest way through the text, and neither finds a better one among fewer pieces. (Unigram's price of an
unknown character hangs on the unlikeliest piece, so that one is always kept. A word that WordPiece gave
up on with the larger vocabulary it may know with the smaller one.)
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

import tokenizers

from bertworks.spec.bases import TRIMMED

MODELS = ("Unigram", "WordPiece")
SCRIPT_SHARE = 0.01
"""A script with this share of the letters, or more, is one that texts to come will use."""
UNSPACED = frozenset(
    ("CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
)
"""Scripts that write no spaces between words."""
BATCH = 1_000
_SPACE, _CONTINUES = "▁", "##"
_BYTE = 6  # "<0x0A>"


def kind_of(content: Mapping[str, Any]) -> str:
    """The kind of a tokenizer.json's model: WordPiece, BPE, Unigram."""
    return str(content["model"].get("type", ""))


def size_of(content: Mapping[str, Any]) -> int:
    """Entries of a tokenizer.json's vocabulary, with the marks that stand behind it."""
    numbers = [entry["id"] for entry in content.get("added_tokens") or []]
    return max(len(_entries(content)), 1 + max(numbers, default=-1))


def needed_ids(
    content: Mapping[str, Any], texts: Iterable[str], filled: int = TRIMMED
) -> list[int]:
    """The ids to keep, rising.

    All marks and bytes; the pieces of the texts; all single characters of the texts' scripts; and, up to
    `filled` entries, the other pieces of those scripts, the vocabulary's first ones first: it is in the
    order of their use.

    Args:
        content: A tokenizer.json, whose model is one of `MODELS`.
        texts: What the encoder will be trained on.
        filled: See above.
    """
    entries = _entries(content)
    kept = {entry["id"] for entry in content.get("added_tokens") or []}
    kept |= {number for number, piece in enumerate(entries) if _always(piece)}
    model = content["model"]
    if kind_of(content) == "Unigram":
        kept.add(min(range(len(entries)), key=lambda number: model["vocab"][number][1]))
        kept |= {model["unk_id"]} - {None}
    else:
        kept.add(entries.index(model["unk_token"]))
    backend = _plain_backend(content)
    letters: Counter[str] = Counter()
    for batch in _batched(texts):
        for text in batch:
            letters.update(backend.normalizer.normalize_str(text) if backend.normalizer else text)
        for encoding in backend.encode_batch_fast(batch, add_special_tokens=False):
            kept.update(encoding.ids)
    common = common_scripts(letters)
    for number, piece in enumerate(entries):
        if len(_bare(piece)) == 1 and script_of(_bare(piece)) in common:
            kept.add(number)
    for number, piece in enumerate(entries):
        if len(kept) >= filled:
            break
        if piece and {script_of(one) for one in _bare(piece)} <= common:
            kept.add(number)
    return sorted(kept)


def common_scripts(letters: Mapping[str, int]) -> set[str]:
    """The scripts of characters that are common, and "" for those of none: digits, marks, signs."""
    counts: Counter[str] = Counter()
    for one, count in letters.items():
        counts[script_of(one)] += count
    total = sum(count for script, count in counts.items() if script)
    return {""} | {one for one, count in counts.items() if one and count >= SCRIPT_SHARE * total}


@cache
def script_of(character: str) -> str:
    """The first word of a letter's name in Unicode: LATIN, CJK, CYRILLIC; "" for what is no letter."""
    if unicodedata.category(character)[0] not in "LM":
        return ""
    return unicodedata.name(character, "").partition(" ")[0]


def trimmed(content: Mapping[str, Any], kept: list[int]) -> dict[str, Any]:
    """The tokenizer.json with those ids alone, numbered anew in their order.

    Args:
        content: A tokenizer.json; left as it is.
        kept: Old ids, rising.
    """
    found: dict[str, Any] = json.loads(json.dumps(content))
    places = {old: new for new, old in enumerate(kept)}
    model, entries = found["model"], _entries(content)
    if kind_of(content) == "Unigram":
        model["vocab"] = [content["model"]["vocab"][old] for old in kept if old < len(entries)]
        if model.get("unk_id") is not None:
            model["unk_id"] = places[model["unk_id"]]
    else:
        model["vocab"] = {entries[old]: new for old, new in places.items() if old < len(entries)}
    for entry in found.get("added_tokens") or []:
        entry["id"] = places[entry["id"]]
    _renumber(found.get("post_processor"), places)
    found["truncation"] = found["padding"] = None
    return found


@dataclass(frozen=True)
class Splitting:
    """How a trimmed vocabulary splits words beside the whole one.

    Attributes:
        words: Occurrences of words. Scripts without spaces between words (Chinese, Japanese, Thai) have
            clauses there: as many words are counted as the whole vocabulary makes pieces of them.
        unknown: Those that are no longer known; what was unknown before does not count.
        longer: Those that are split into more pieces.
    """

    words: int
    unknown: int
    longer: int


def split_longer(
    before: Mapping[str, Any], after: Mapping[str, Any], words: Mapping[str, int]
) -> Splitting:
    """Compares two vocabularies, the smaller within the larger, on held-out text.

    Args:
        before: The whole tokenizer.json.
        after: The trimmed one.
        words: Words by how often they stand there.
    """
    names = sorted(words)
    wide, narrow = _plain_backend(before), _plain_backend(after)
    unknown_before, unknown_after = _unknown(before), _unknown(after)
    pieces, kept = _entries(before), {*_entries(after)}
    total = unknown = longer = 0
    for batch in _batched(names):
        pairs = zip(
            batch,
            wide.encode_batch_fast(batch, add_special_tokens=False),
            narrow.encode_batch_fast(batch, add_special_tokens=False),
            strict=True,
        )
        for word, old, new in pairs:
            parts = len(old.ids) if any(script_of(one) in UNSPACED for one in word) else 1
            total += parts * words[word]
            if unknown_after in new.ids and unknown_before not in old.ids:
                unknown += words[word] * min(new.ids.count(unknown_after), parts)
            elif len(new.ids) > len(old.ids):
                gone = sum(pieces[number] not in kept for number in old.ids)
                longer += words[word] * (min(gone, parts) or 1)
    return Splitting(total, unknown, longer)


def _unknown(content: Mapping[str, Any]) -> int | None:
    model = content["model"]
    if kind_of(content) == "Unigram":
        return model.get("unk_id")
    return model["vocab"].get(model["unk_token"])


def _entries(content: Mapping[str, Any]) -> list[str]:
    """Pieces by id."""
    vocabulary = content["model"]["vocab"]
    if kind_of(content) == "Unigram":
        return [piece for piece, _ in vocabulary]
    found = [""] * (1 + max(vocabulary.values()))
    for piece, number in vocabulary.items():
        found[number] = piece
    return found


def _plain_backend(content: Mapping[str, Any]) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer.from_str(json.dumps(content))
    backend.no_truncation()
    backend.no_padding()
    return backend


def _always(piece: str) -> bool:
    """Bytes, and signs that are no letters."""
    is_byte = len(piece) == _BYTE and piece.startswith("<0x") and piece.endswith(">")
    return is_byte or (len(_bare(piece)) == 1 and not script_of(_bare(piece)))


def _bare(piece: str) -> str:
    """A piece without the sign that says where it stands in a word."""
    if piece != _SPACE:
        piece = piece.removeprefix(_SPACE)
    return piece if piece == _CONTINUES else piece.removeprefix(_CONTINUES)


def _renumber(processor: Any, places: Mapping[int, int]) -> None:
    """Ids in a post-processor, in their place."""
    if not isinstance(processor, dict):
        return
    for inner in processor.get("processors") or []:
        _renumber(inner, places)
    for mark in ("sep", "cls"):
        if isinstance(processor.get(mark), list):
            processor[mark][1] = places[processor[mark][1]]
    special = processor.get("special_tokens")
    for one in (special or {}).values():
        one["ids"] = [places[number] for number in one["ids"]]


def _batched(texts: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(texts)
    while batch := list(islice(rest, BATCH)):
        yield batch
