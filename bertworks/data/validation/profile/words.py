"""Splits text into words without a tokenizer, for lengths, vocabularies and shingles."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# Scripts written without spaces: each character counts as a word, as in BERT's own tokenizer.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_NOT_WORD = r"[^\p{L}\p{N}\p{M}]+"


@dataclass(frozen=True)
class Words:
    """The words of a batch of texts.

    Attributes:
        lengths: int64 (rows,): words a row.
        hashes: uint64 (words,): a stable hash of each word, row after row.
        counts: How often each word occurs in the batch.
    """

    lengths: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    counts: Counter[str]


def split_words(text: pa.StringArray) -> Words:
    """Lower-cases and splits at everything that is no letter, digit or mark."""
    plain = pc.replace_substring_regex(pc.utf8_lower(text), _NOT_WORD, " ")
    if pc.any(pc.match_substring_regex(plain, _UNSPACED)).as_py():
        plain = pc.replace_substring_regex(plain, f"({_UNSPACED})", r" \1 ")
    plain = pc.ascii_trim_whitespace(plain)
    lists = pc.ascii_split_whitespace(plain)
    # Splitting an empty text gives one empty word.
    lengths = np.where(
        pc.binary_length(plain).to_numpy(zero_copy_only=False) > 0,
        pc.list_value_length(lists).to_numpy(zero_copy_only=False),
        0,
    ).astype(np.int64)
    words = lists.flatten()
    words = words.filter(pc.greater(pc.binary_length(words), 0)).dictionary_encode()
    codes = words.indices.to_numpy(zero_copy_only=False)
    vocabulary = words.dictionary.to_pylist()
    hashes = stable_hashes(vocabulary)[codes]
    counts = np.bincount(codes, minlength=len(vocabulary)).tolist()
    return Words(lengths, hashes, Counter(dict(zip(vocabulary, counts, strict=True))))


def stable_hashes(values: Iterable[str]) -> npt.NDArray[np.uint64]:
    """A 64-bit hash a value, the same in every process."""
    digests = b"".join(
        hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for value in values
    )
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


class TopValues:
    """Counts values in bounded memory.

    Exact up to `capacity` different values; past it, the counters are lowered together and those at
    zero dropped (Misra and Gries 1982, "Finding repeated elements"), so that frequent values keep
    counts that are too low by at most the sum of what was lowered.
    """

    def __init__(self, capacity: int = 50_000) -> None:
        self.capacity = capacity
        self.counts: Counter[str] = Counter()

    def add(self, counts: Counter[str]) -> None:
        """Adds a batch's counts."""
        self.counts.update(counts)
        if len(self.counts) > self.capacity:
            lowered = sorted(self.counts.values(), reverse=True)[self.capacity // 2]
            self.counts = Counter({v: n - lowered for v, n in self.counts.items() if n > lowered})

    def most_common(self, number: int) -> list[tuple[str, int]]:
        """The values with the largest counts, ties in the order of the values."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:number]
