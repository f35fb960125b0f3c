"""From acts to a text that passed its check."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bertworks.dialogue.acts import DONT_CARE, Act
from bertworks.dialogue.answers.check import faults
from bertworks.dialogue.answers.templates import FIXED, Template, Templates
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge import Knowledge
from bertworks.text.scripts import CHINESE

_FACTS = ("inform", "unknown")
_WIDE = re.compile(rf"[{CHINESE}\u3000-\u303f\uff01-\uff5e]$")
"""Ends with a Chinese character or a full-width sign."""


@dataclass(frozen=True)
class Said:
    """An answer.

    Attributes:
        text: What goes out.
        forms: The templates that it is made of, "offer.area.food".
        refused: What the check found in a text that was left for plainer words; empty mostly.
    """

    text: str
    forms: tuple[str, ...]
    refused: tuple[str, ...] = ()


@dataclass
class _Draft:
    """A text in the making."""

    parts: list[str] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)


def joined(sentences: Sequence[str]) -> str:
    """Pieces one behind the other: with a space, but in Chinese and behind full-width signs.

    >>> joined(["Rice & Bowl:", "Its phone is 01223."]), joined(["福满楼：", "电话是01223。"])
    ('Rice & Bowl: Its phone is 01223.', '福满楼：电话是01223。')
    """
    return "".join(
        one if place == 0 or _WIDE.search(sentences[place - 1]) else f" {one}"
        for place, one in enumerate(sentences)
    )


def _listed(pieces: Sequence[str]) -> str:
    """Pieces apart by commas, as their language has them."""
    return ("、" if all(_WIDE.search(one[:1]) for one in pieces) else ", ").join(pieces)


class Answers:
    """Says acts.

    Args:
        templates: How.
        domain: The dialogue's slots.
        labels: Slot to what it is called in a sentence; its own name by default.
    """

    def __init__(
        self, templates: Templates, domain: Domain, labels: Mapping[str, str] | None = None
    ) -> None:
        self._templates, self._domain = templates, domain
        self._labels = {**{one: one for one in domain.columns}, **(labels or {})}

    def say(self, acts: Sequence[Act], knowledge: Knowledge, number: int = 0) -> Said:
        """The text of acts.

        Args:
            acts: What is said.
            knowledge: As it is in this turn.
            number: Which of several templates is used, for variety; the same gives the same text.

        Raises:
            ValueError: The acts themselves say what the knowledge base does not: no text can be right.
        """
        own = self._draft(acts, number, plain=False)
        wrong = faults(own.text, acts, knowledge, FIXED)
        if not wrong:
            return own
        plain = self._draft(acts, number, plain=True)
        if worse := faults(plain.text, acts, knowledge, FIXED):
            raise ValueError(f"nothing true can be said of {' '.join(map(str, acts))}: {worse[0]}")
        return Said(plain.text, plain.forms, tuple(wrong))

    def _draft(self, acts: Sequence[Act], number: int, *, plain: bool) -> Said:
        draft, rest = _Draft(), list(acts)
        while rest:
            act = rest.pop(0)
            if act.intent == "no_offer":
                wishes = [act, *(one for one in rest if one.intent == "no_offer")]
                rest = [one for one in rest if one.intent != "no_offer"]
                words = _listed([joined([self._labels[one.slot], one.value]) for one in wishes])
                self._put(draft, "no_offer", (), {"wishes": words}, number, plain)
            elif act.intent in ("offer", "inform"):
                facts = []
                while rest and rest[0].intent in _FACTS and rest[0].slot != self._domain.key:
                    facts.append(rest.pop(0))
                self._entity(draft, act, facts, number, plain)
            else:
                head = "confirm_any" if act.value == DONT_CARE else act.intent
                self._one(draft, head, act, number, plain)
        return Said(joined(draft.parts), tuple(draft.forms))

    def _entity(
        self, draft: _Draft, act: Act, facts: Sequence[Act], number: int, plain: bool
    ) -> None:
        """An entity and what is told of it, in one sentence where there is a template for that."""
        head = "offer" if act.intent == "offer" else "about"
        known = [one for one in facts if one.intent == "inform"]
        values = {self._domain.key: act.value, **{one.slot: one.value for one in known}}
        slots = [one.slot for one in known]
        if not plain and slots and self._templates.find(head, slots):
            self._put(draft, head, slots, values, number, plain)
        else:
            self._put(draft, head, (), {**values, "value": act.value}, number, plain)
            if not plain and len(slots) > 1 and self._templates.find("fact", slots):
                self._put(draft, "fact", slots, values, number, plain)
            else:
                for one in known:
                    self._one(draft, "fact", one, number, plain)
        for one in facts:
            if one.intent == "unknown":
                self._one(draft, "unknown", one, number, plain)

    def _one(self, draft: _Draft, head: str, act: Act, number: int, plain: bool) -> None:
        slots = [act.slot] if act.slot and act.slot != self._domain.key else []
        values = {"slot": self._labels.get(act.slot, act.slot), "value": act.value}
        if not plain and slots and self._templates.find(head, slots):
            self._put(draft, head, slots, {**values, act.slot: act.value}, number, plain)
        else:
            self._put(draft, head, (), values, number, plain)

    def _put(
        self,
        draft: _Draft,
        head: str,
        slots: Sequence[str],
        values: Mapping[str, str],
        number: int,
        plain: bool,
    ) -> None:
        choices: Sequence[Template] = (
            self._templates.plain(head) if plain else self._templates.find(head, slots)
        )
        template = choices[number % len(choices)]
        draft.parts.append(template.fill(values))
        draft.forms.append(template.form)
