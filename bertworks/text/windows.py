"""Long texts read in overlapping windows, and the windows' answers put together again.

A text of more tokens than `task.max_length` is cut there, or with `task.long_text: windows` read in
windows of that length, each at least a quarter over the next one. They are spread evenly, so that all
are full, and there are `task.max_windows` at most: what stands behind is cut. Where they stand follows
from the text's length alone, so that training, evaluation and serving read alike.

In tagging a piece is answered by the window in which it has the most context on its shorter side; for
other tasks the logits of the windows are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bertworks.spec import Task

OVERLAP = 4  # the part of a window that it shares with the next one: one in so many
MARKS = 2  # [CLS] and [SEP]

Ids = Sequence[int] | npt.NDArray[np.integer[Any]]


def most_tokens(task: Task) -> int:
    """Tokens of a text that are read at most, marks included (of a pair, of both texts)."""
    if task.long_text != "windows":
        return task.max_length
    room = task.max_length - MARKS
    return task.max_length + (task.max_windows - 1) * (room - room // OVERLAP)


@dataclass(frozen=True)
class Window:
    """Pieces `start` to `end` of a text, of which `first` to `last` are answered by this window."""

    start: int
    end: int
    first: int
    last: int


def windows(pieces: int, max_length: int) -> list[Window]:
    """The windows of a text of so many pieces; one, of all of them, when they fit into one."""
    room = max_length - MARKS
    if pieces <= room:
        return [Window(0, pieces, 0, pieces)]
    step = room - room // OVERLAP
    count = 1 - (room - pieces) // step
    starts = [place * (pieces - room) // (count - 1) for place in range(count)]
    middles = [(here + room + after) // 2 for here, after in zip(starts, starts[1:], strict=False)]
    bounds = zip([0, *middles], [*middles, pieces], strict=True)
    return [
        Window(start, start + room, first, last)
        for start, (first, last) in zip(starts, bounds, strict=True)
    ]


def split(rows: Sequence[Ids], max_length: int) -> tuple[list[Ids], list[int]]:
    """Cuts token ids into windows, with the row's own marks around each.

    Args:
        rows: Token ids of each text, marks included.
        max_length: Tokens a window, marks included.

    Returns:
        The token ids of all windows, and how many windows each row has.
    """
    found: list[Ids] = []
    counts = []
    for ids in rows:
        if len(ids) <= max_length:
            found.append(ids)
            counts.append(1)
            continue
        parts = windows(len(ids) - MARKS, max_length)
        found += [window_ids(ids, part) for part in parts]
        counts.append(len(parts))
    return found, counts


def window_ids(ids: Ids, window: Window) -> list[int]:
    """A window's token ids, marks included."""
    whole = list(ids)
    return [whole[0], *whole[window.start + 1 : window.end + 1], whole[-1]]


def combine(
    logits: Sequence[npt.NDArray[Any]], lengths: Sequence[int], max_length: int
) -> list[npt.NDArray[Any]]:
    """The rows' answers from those of their windows.

    Args:
        logits: One array a window, in order: (outputs,), or (its tokens, outputs) in tagging.
        lengths: Tokens of each row, marks included.
        max_length: Tokens a window, marks included.

    Returns:
        One array a row: (outputs,), or (its tokens, outputs).
    """
    found, at = [], 0
    for length in lengths:
        if length <= max_length:
            found.append(logits[at])
            at += 1
            continue
        parts = windows(length - MARKS, max_length)
        found.append(_joined(logits[at : at + len(parts)], parts))
        at += len(parts)
    return found


def _joined(logits: Sequence[npt.NDArray[Any]], parts: list[Window]) -> npt.NDArray[Any]:
    if logits[0].ndim == 1:
        mean = np.mean(np.stack(logits), axis=0, dtype=np.float64)
        return np.asarray(mean, logits[0].dtype)
    own = [
        answer[1 + part.first - part.start : 1 + part.last - part.start]
        for answer, part in zip(logits, parts, strict=True)
    ]
    return np.concatenate([logits[0][:1], *own, logits[-1][-1:]])
