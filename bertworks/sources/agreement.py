"""Rows of one content that do not agree: dropped, or brought to one label or score."""

from __future__ import annotations

from collections import Counter
from statistics import fmean, median
from typing import Any

from bertworks.sources.spill import Record
from bertworks.spec import Data


def target_of(row: Record) -> str:
    """What a row says of its content, as text."""
    target = next(row[name] for name in ("label", "labels", "score", "tags") if name in row)
    return target if isinstance(target, str) else str(target)


def agreed(group: list[Record], data: Data) -> dict[str, Any] | None:
    """The columns that rows which do not agree are given; None where they are to be dropped.

    Args:
        group: Rows of one content with different targets.
        data: `repeated_scores` for regression, else `conflicting_labels`.
    """
    if "score" in group[0]:
        if data.repeated_scores == "drop":
            return None
        scores = [row["score"] for row in group]
        return {"score": fmean(scores) if data.repeated_scores == "mean" else float(median(scores))}
    if data.conflicting_labels == "drop":
        return None
    counts = Counter(target_of(row) for row in group).most_common()
    if counts[0][1] * 2 <= len(group):
        return None
    row = next(row for row in group if target_of(row) == counts[0][0])
    return {name: row[name] for name in ("label", "labels", "tags") if name in row}
