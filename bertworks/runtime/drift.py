"""What is asked of an agent, counted in the buckets of its reference.json, and how far that has moved.

The measure is the Jensen-Shannon divergence (Lin 1991) of a window of rows from the reference. What
chance makes of it depends on the number of rows, and on words of one row coming together; both were
measured when the bundle was made, by samples of whole rows. A window has drifted where it is beyond what
one sample in 10,000 is, and by more than a limit that says what matters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bertworks.contracts.reference import Chance, Reference
from bertworks.data.divergence import raw_divergence

Counts = npt.NDArray[np.int64]

LENGTH_EDGES = (4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 1024)
"""Upper ends of the length buckets, in tokens; the last bucket is open."""
LIMITS = {"tokens": 0.01, "lengths": 0.02, "unknown": 0.005, "labels": 0.02}
"""Bits, above chance, from which a drift matters, unless a spec says otherwise; `make bench-drift`."""
FEWEST_ROWS = 50
"""Rows below which nothing is called a drift."""


@dataclass(frozen=True)
class Finding:
    """How far one measure has moved.

    Attributes:
        measure: tokens, lengths, unknown or labels.
        bits: The divergence less what chance explains, at least 0.
        limit: What it must exceed to count, in the same bits.
        rows: Of the window.
    """

    measure: str
    bits: float
    limit: float
    rows: int

    @property
    def drifted(self) -> bool:
        """Whether it is more than chance and more than the limit."""
        return self.bits > self.limit


class Buckets:
    """Sorts rows and answers into a reference's buckets.

    Args:
        reference: Of the bundle.
    """

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        most = max([*reference.tokens, *reference.marks, reference.unknown, 0]) + 1
        self._column = np.full(most, len(reference.tokens), np.int64)
        self._column[reference.tokens] = np.arange(len(reference.tokens))
        self._mark = np.zeros(most, bool)
        self._mark[reference.marks] = True
        self._label = {name: place for place, name in enumerate(reference.labels)}
        answers = len(reference.labels) or len(reference.edges)
        self.sizes = {
            "tokens": len(reference.tokens) + 1,
            "lengths": len(LENGTH_EDGES) + 1,
            "unknown": 2,
            "labels": answers + 1,
        }

    def tokens(self, ids: Sequence[int] | npt.NDArray[Any]) -> dict[str, Counts]:
        """The buckets of a row's token ids, one entry an occurrence."""
        given = np.asarray(ids, np.int64)
        inside = given < len(self._column)
        words = ~(inside & self._mark[np.where(inside, given, 0)])
        columns = np.where(
            inside, self._column[np.where(inside, given, 0)], self.sizes["tokens"] - 1
        )
        return {
            "tokens": columns[words],
            "unknown": (given[words] == self._reference.unknown).astype(np.int64),
            "lengths": np.array([np.searchsorted(LENGTH_EDGES, len(given))]),
        }

    def answer(self, answer: Mapping[str, Any]) -> Counts:
        """The buckets of an answer's labels, entities or score."""
        if self._reference.labels:
            names = names_of(answer)
            return np.array([self._label.get(one, len(self._label)) for one in names], np.int64)
        return np.array([np.searchsorted(self._reference.edges, answer.get("score", 0.0), "right")])


class Window:
    """Counts of rows that were asked.

    Args:
        reference: Of the bundle.
        limits: Bits by measure, instead of `LIMITS`.
    """

    def __init__(self, reference: Reference, limits: Mapping[str, float] | None = None) -> None:
        self._reference, self._limits = reference, {**LIMITS, **(limits or {})}
        self._buckets = Buckets(reference)
        self.clear()

    def clear(self) -> None:
        """Begins anew."""
        self.rows = 0
        self._counts = {
            name: np.zeros(size, np.int64) for name, size in self._buckets.sizes.items()
        }

    def add(self, ids: Sequence[int], answer: Mapping[str, Any]) -> None:
        """Counts a row and its answer."""
        self.rows += 1
        for name, places in self._buckets.tokens(ids).items():
            np.add.at(self._counts[name], places, 1)
        np.add.at(self._counts["labels"], self._buckets.answer(answer), 1)

    def findings(self) -> list[Finding]:
        """How far each measure has moved; none where there are too few rows to tell."""
        if self.rows < FEWEST_ROWS:
            return []
        found = []
        for name, expected in self._reference.expected.items():
            sides = np.array([expected.counts, self._counts[name]], np.float64)
            if not sides.sum(1).all():
                continue
            mean, high = at(expected.chance, self.rows)
            bits = max(raw_divergence(sides) - mean, 0.0)
            limit = max(self._limits[name], high - mean)
            found.append(Finding(name, bits, limit, self.rows))
        return found


def at(chance: Chance, rows: int) -> tuple[float, float]:
    """Mean and high value of chance for so many rows: between the measured sizes by a power of it."""
    sizes = np.log(chance.rows)
    below = min(rows / chance.rows[0], 1.0)  # fewer rows: chance grows as one over them
    values = [
        float(np.exp(np.interp(np.log(rows), sizes, np.log(np.maximum(one, 1e-12)))) / below)
        for one in (chance.mean, chance.high)
    ]
    return min(values[0], 1.0), min(values[1], 1.0)


def names_of(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """What an answer says, as it is counted: its label, its labels, or its intent and tags' types."""
    if "label" in answer:
        return (str(answer["label"]),)
    if "labels" in answer:
        return tuple(map(str, answer["labels"])) or ("",)
    tags = [tag.partition("-")[2] or tag for tag in answer.get("tags", ()) if tag != "O"]
    intent = (f"intent {answer['intent']}",) if "intent" in answer else ()
    return (*intent, *tags) or ("",)
