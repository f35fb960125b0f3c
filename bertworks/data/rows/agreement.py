"""Rows of one content that do not agree: dropped, or brought to one label or score."""

from __future__ import annotations

from bertworks.contracts.examples import Example
from bertworks.spec import Data
from bertworks.tasks.target import Target


def agreed(group: list[Example], target: Target, data: Data) -> Example | None:
    """The column that rows which do not agree are given; None where they are to be dropped.

    Args:
        group: Rows of one content with different targets.
        target: What they hold.
        data: `repeated_scores` for numbers, else `conflicting_labels`.
    """
    if target.unites:
        return target.united(group)
    how = data.repeated_scores if target.numeric else data.conflicting_labels
    settled = None if how == "drop" else target.settled(group, how)
    return None if settled is None else {target.column: settled}
