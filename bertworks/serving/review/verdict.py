"""What becomes of an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bertworks.spec.review import Action


@dataclass(frozen=True)
class Verdict:
    """An answer that is held or flagged.

    Attributes:
        action: "hold" or "flag".
        reason: Which rule: `label`, `confidence`, `text:NAME` or `agent:LABEL`; never a part of the
            text.
    """

    action: Action
    reason: str


def strictest(verdicts: Iterable[Verdict | None]) -> Verdict | None:
    """The first that holds, else the first that flags; None: the answer goes out as it is."""
    given = [one for one in verdicts if one is not None]
    holding = [one for one in given if one.action == "hold"]
    return next(iter(holding or given), None)
