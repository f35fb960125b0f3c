"""Which rows go into the next batch: those that cost least a token, the most urgent among them.

A batch is padded to its longest row, and padding is computed like anything else; so rows of like length
are put together. What a batch costs was measured (MiniLM-L6, int8, one thread, 1 to 32 rows of 8 to 96
tokens): about as much as its rows times its longest, and `FIXED` tokens more, however many rows it has.
Rows of unlike length are therefore better computed one after the other, and many more at once gain
nothing. The row whose turn it is always goes along, so that no length waits for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

from bertworks.runtime.inference import ROWS, SQUARES

FIXED = 16
"""What a batch costs beside its tokens, in tokens: starting the graph, and Python around it."""

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
    """Places of the rows of the next batch: of all neighbours by length, those that cost least a token.

    Args:
        lengths: Tokens of the rows that wait, in the order of their turns.
        most_rows: Rows of a batch, at most.
        most_tokens: Tokens of a batch, padding counted, at most.

    Returns:
        Places in `lengths`; the first row's is always among them.
    """
    window = range(min(len(lengths), LOOK_AHEAD * most_rows))
    order = sorted(window, key=lambda place: lengths[place])
    sizes = [lengths[place] for place in order]
    own = order.index(0)
    best, chosen = float("inf"), (own, own + 1)
    longer = 0  # Tokens of the rows from the first one's to the longest.
    for high in range(own, min(own + most_rows, len(order))):
        longest, longer = sizes[high], longer + sizes[high]
        tokens = longer - sizes[own]
        for low in range(own, max(high - most_rows, -1), -1):
            tokens += sizes[low]
            rows = high - low + 1
            if not fits(rows, longest, most_rows, most_tokens):
                break
            cost = (FIXED + rows * longest) / tokens
            if cost <= best:
                best, chosen = cost, (low, high + 1)
    return order[slice(*chosen)]
