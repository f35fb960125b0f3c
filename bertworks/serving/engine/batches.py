"""Which rows go into the next batch: as many tokens as pay, of like length, the most urgent first.

A batch is padded to its longest row, and padding is computed like anything else; so a batch's size is
its rows times its longest, and rows of like length are put together. The row whose turn it is always
goes along, so that no length waits for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

from bertworks.runtime.inference import ROWS, SQUARES

TOKENS = 2048
"""Tokens of a batch, padding counted, at most, but for a single row: more gain nothing, and whoever
waits waits for longer."""

LOOK_AHEAD = 4
"""So many full batches' rows are looked at for rows of like length."""


def fits(rows: int, longest: int, most_rows: int = ROWS, most_tokens: int = TOKENS) -> bool:
    """Whether a batch of `rows`, padded to `longest` tokens, is as small as pays and memory allows."""
    return rows == 1 or (
        rows <= most_rows and rows * longest <= most_tokens and rows * longest**2 <= SQUARES
    )


def choose(lengths: Sequence[int], most_rows: int = ROWS, most_tokens: int = TOKENS) -> list[int]:
    """Places of the rows of the next batch.

    Args:
        lengths: Tokens of the rows that wait, in the order of their turns.
        most_rows: Rows of a batch, at most.
        most_tokens: Tokens of a batch, padding counted, at most.

    Returns:
        Places in `lengths`; the first row's is always among them.
    """
    window = range(min(len(lengths), LOOK_AHEAD * most_rows))
    order = sorted(window, key=lambda place: lengths[place])
    low = high = order.index(0)  # The first row's neighbours by length, on both sides.
    while high - low + 1 < most_rows:
        own, longest = lengths[0], lengths[order[high]]
        shorter = own - lengths[order[low - 1]] if low else None
        longer = lengths[order[high + 1]] - own if high + 1 < len(order) else None
        rows = high - low + 2
        if longer is not None and (shorter is None or longer <= shorter):
            if not fits(rows, lengths[order[high + 1]], most_rows, most_tokens):
                longer = None
            else:
                high += 1
                continue
        if shorter is None or not fits(rows, longest, most_rows, most_tokens):
            break
        low -= 1
    return order[low : high + 1]
