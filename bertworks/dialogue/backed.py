"""A trained understanding, backed by the knowledge base's own values and by lists of words.

Training has few examples of what people say briefly ("lovely", "whatever"), and none of a value that the
knowledge base got yesterday. Lists of words know these, and little else.
"""

from __future__ import annotations

from collections.abc import Sequence

from bertworks.dialogue.acts import DONT_CARE, THIS, UNSURE, Heard
from bertworks.dialogue.knowledge import Knowledge, words
from bertworks.dialogue.state import State
from bertworks.dialogue.understanding import Keywords, Understanding


class Backed:
    """Understands turns by training; where that is unsure, or heard no more than a greeting, by lists.

    A turn that the trained agent tells to be out of scope, or makes nothing of, stays so unless it has a
    value of the knowledge base or asks for a column: these are what the dialogue is about.

    Args:
        trained: It.
        keywords: Backs it.
    """

    def __init__(self, trained: Understanding, keywords: Keywords) -> None:
        self._trained, self._keywords = trained, keywords
        self.name = f"{trained.name}, backed by {keywords.name}"

    def understand(self, text: str, state: State, knowledge: Knowledge) -> Sequence[Heard]:
        """See `Understanding.understand`."""
        heard = self._trained.understand(text, state, knowledge)
        if not text.strip():
            return heard
        known = self._keywords.understand(text, state, knowledge)
        if any(one.act.intent == "unclear" and one.confidence >= UNSURE for one in heard):
            return known if any(one.act.slot not in ("", THIS) for one in known) else heard
        if all(one.confidence < UNSURE or one.act.intent == "greet" for one in heard):
            return heard if known[0].act.intent == "unclear" else known
        return grounded(heard, known, knowledge)


def grounded(
    heard: Sequence[Heard], known: Sequence[Heard], knowledge: Knowledge
) -> tuple[Heard, ...]:
    """What was heard, its values mended by those of the knowledge base that stand in the text.

    Args:
        heard: By training.
        known: By lists of words, which take the longest value at each place.
        knowledge: As it is in this turn.

    Returns:
        A value that the knowledge base has not is replaced by the one of its slot that stands in the
        text; one that is part of a longer value of another slot is not said ("north" in "north
        american").
    """
    values = {
        one.act.slot: one
        for one in known
        if one.act.intent == "inform" and one.act.value not in ("", DONT_CARE)
    }
    said = {(one.act.slot, one.act.value) for one in values.values()}
    found: list[Heard] = []
    for one in heard:
        slot, value = one.act.slot, one.act.value
        plain = not value or value == DONT_CARE or one.act.intent == "deny"
        if plain or (slot, value) in said:
            found.append(one)
        elif any(_within(value, other.act.value) for other in values.values()):
            continue
        elif slot in values and not knowledge.is_value(slot, value):
            found.append(values[slot])
        else:
            found.append(one)
    heard_slots = {one.act.slot for one in found}
    found += [
        one
        for slot, one in values.items()
        if slot not in heard_slots and any(_within(was.act.value, one.act.value) for was in heard)
    ]
    return tuple(dict.fromkeys(found)) or tuple(heard)


def _within(value: str, longer: str) -> bool:
    """Whether a value's words stand in a longer one."""
    parts, whole = words(value), words(longer)
    return len(parts) < len(whole) and f" {' '.join(parts)} " in f" {' '.join(whole)} "
