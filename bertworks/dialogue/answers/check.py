"""Whether a text says what its acts say, and nothing that is not in the knowledge base.

The check reads the finished text, and knows nothing of how it was made.
"""

from __future__ import annotations

from collections.abc import Sequence

from bertworks.dialogue.acts import DONT_CARE, Act
from bertworks.dialogue.answers.words import read_values
from bertworks.dialogue.knowledge import Knowledge, normal, words

_OF_AN_ENTITY = ("offer", "no_other")


def faults(
    text: str, acts: Sequence[Act], knowledge: Knowledge, fixed: Sequence[tuple[str, ...]] = ()
) -> list[str]:
    """What is wrong with an answer; nothing where all is right.

    Args:
        text: As it would go out.
        acts: What it is to say, of one entity at most beside one that is gone.
        knowledge: As it is in this turn.
        fixed: Words that plain sentences have, whatever is spoken of. A value among them ("no", "it",
            "I") cannot be told from those words, and says nothing there; one that is missing is found
            all the same.

    Returns:
        A sentence for each value that is missing in the text, that is not the entity's own in the
        knowledge base, or that the text says without being told to.
    """
    found = _untrue(acts, knowledge)
    wanted = {_told(one.value): one.value for one in acts if one.value and one.value != DONT_CARE}
    reading = read_values(text, knowledge, wanted.values())
    said = {"", *(value for _, value in reading.values)}  # "": a value of signs alone
    found += [
        f"{value!r} is missing"
        for told, value in wanted.items()
        if told not in said or (not told and value not in text)
    ]
    for column, value in reading.values:
        if value not in wanted and not any(_within(words(value), one) for one in fixed):
            found.append(f"{value!r} is said, a {column}, and is not what is spoken of")
    if any(one.isdigit() for word in reading.rest for one in word):
        found.append("a number is said that is no value of the knowledge base")
    rest = text
    for value in wanted.values():  # which may have brackets of their own
        rest = rest.replace(value, "")
    if "{" in rest or "}" in rest:
        found.append("a place was not filled")
    return found


def _within(part: Sequence[str], whole: Sequence[str]) -> bool:
    return any(tuple(whole[at : at + len(part)]) == tuple(part) for at in range(len(whole)))


def _told(value: str) -> str:
    """A value as a reading has it."""
    return " ".join(words(value))


def _untrue(acts: Sequence[Act], knowledge: Knowledge) -> list[str]:
    """Acts that say what the knowledge base does not."""
    found, key, domain = [], "", knowledge.domain
    for act in acts:
        if act.intent in _OF_AN_ENTITY or (act.intent == "inform" and act.slot == domain.key):
            key = act.value
            if knowledge.entity(key) is None:
                found.append(f"there is no {domain.entity} {key!r}")
        elif act.intent in ("inform", "unknown"):
            true = knowledge.value(key, act.slot)
            if normal(true) != normal(act.value):
                found.append(f"{act.slot} of {key!r} is {true!r}, not {act.value!r}")
        elif act.intent in ("confirm", "no_offer"):
            known = act.value == DONT_CARE or knowledge.is_value(act.slot, act.value)
            found += [] if known else [f"no {domain.entity} has {act.value!r} as {act.slot}"]
    return found
