"""Turns that were not understood, and turns that spoiled a dialogue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bertworks.dialogue.knowledge import normal
from bertworks.dialogue.logs import Kept
from bertworks.dialogue.matching import QUOTE
from bertworks.dialogue.satisfaction import repeats
from bertworks.dialogue.understanding import says_something

Why = Literal["not understood", "said again", "unsure", "ended badly"]

UNSURE = 0.5
"""An act with less confidence than this was understood doubtfully."""
_BARE = ("affirm", "negate", "bye", "greet", "another")


@dataclass
class Failing:
    """A text that the agent did not do well by.

    Attributes:
        text: As it was first said.
        context: What the agent had answered before it.
        why: The worst that is known of it.
        dialogues: In how many it was said so.
        sure: The least confidence that it was understood with.
    """

    text: str
    context: str
    why: Why
    dialogues: int = 1
    sure: float = 1.0


_WORST: dict[Why, int] = {"not understood": 0, "said again": 1, "unsure": 2, "ended badly": 3}


def failing(dialogues: Iterable[Kept]) -> list[Failing]:
    """The texts of dialogues that were not understood, or not well, the most frequent first.

    Of a dialogue that ended badly all turns are taken that say more than yes or no: any of them may
    have been misunderstood.
    """
    found: dict[str, Failing] = {}
    for dialogue in dialogues:
        seen = set()
        for one in _of(dialogue):
            key = normal(one.text)
            known = found.setdefault(key, one)
            if known is not one and key not in seen:
                known.dialogues += 1
                known.sure = min(known.sure, one.sure)
            known.why = min(known.why, one.why, key=_WORST.__getitem__)
            seen.add(key)
    return sorted(found.values(), key=lambda one: (-one.dialogues, _WORST[one.why], one.sure))


def _of(dialogue: Kept) -> Iterable[Failing]:
    again = repeats(dialogue.traces)
    badly = dialogue.success < 0.5
    for trace, repeated in zip(dialogue.traces, again, strict=True):
        if not says_something(trace.text or ""):
            continue
        intents = {one.act.intent for one in trace.understood}
        sure = min((one.confidence for one in trace.understood), default=0.0)
        why: Why | None = None
        # A document answered it, unless what follows says otherwise.
        quoted = trace.choice.action == QUOTE
        if intents == {"unclear"} and (not quoted or repeated or badly):
            why = "not understood"
        elif quoted:
            continue
        elif repeated:
            why = "said again"
        elif sure < UNSURE:
            why = "unsure"
        elif badly and not intents <= {*_BARE}:
            why = "ended badly"
        if why is not None:
            yield Failing(trace.text or "", trace.state.answer, why, 1, sure)
