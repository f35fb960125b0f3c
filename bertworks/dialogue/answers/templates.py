"""Templates by what they say: "offer.area.food" is an offer that tells area and food.

A template's words are its author's; every value comes through a place in braces. One that holds a value
of the knowledge base in its own words is refused: it would be said of whatever is offered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bertworks.dialogue.answers.words import read_values
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge import Knowledge, words
from bertworks.errors import SpecError

DEFAULT: Mapping[str, tuple[str, ...]] = {
    "greet": ("Hello. How can I help you?",),
    "ask": ("Which {slot} would you like?",),
    "confirm": ("Did you say {value} for the {slot}?",),
    "confirm_any": ("So any {slot} will do, right?",),
    "offer": ("How about {value}?",),
    "fact": ("Its {slot} is {value}.",),
    "about": ("{value}:",),
    "unknown": ("I do not know its {slot}.",),
    "no_offer": ("I am sorry, there is none with {wishes}. What else would you take?",),
    "unlisted": ("I am sorry, I know of none with that {slot}. What else would you take?",),
    "no_other": ("There is no other one than {value}.",),
    "gone": ("I am sorry, {value} is not on my list any more.",),
    "again": ("I did not understand that. Could you say it again?",),
    "bye": ("Goodbye.",),
}
"""Plain English for any domain; a spec's own templates go before these."""

FIXED = tuple(
    words(part)
    for texts in DEFAULT.values()
    for text in texts
    for part in re.split(r"\{\w+\}", text)
)
"""The words of the plain sentences, apart where a value stands between."""
_PLACE = re.compile(r"\{([^{}]*)\}")
_GENERAL = {
    "ask": {"slot"}, "confirm": {"slot", "value"}, "confirm_any": {"slot"}, "offer": {"value"},
    "fact": {"slot", "value"}, "about": {"value"}, "unknown": {"slot"}, "no_offer": {"wishes"},
    "unlisted": {"slot"}, "no_other": {"value"}, "gone": {"value"}, "again": set(), "bye": set(),
    "greet": set(),
}  # fmt: skip
_COMBINED = ("offer", "fact", "about")
_OF_WISHES = ("ask", "confirm", "confirm_any", "unlisted")
"""What is said of a column by which the user chooses."""
_OF_FACTS = (*_COMBINED, "unknown")
"""What is said of any column but the key's; all else is said of none."""


@dataclass(frozen=True)
class Template:
    """One text with places.

    Attributes:
        form: What it says, "offer.area.food".
        text: "{name} is in the {area} and serves {food} food."
    """

    form: str
    text: str

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with its places filled.

        Args:
            values: Place to value, for each of its places.
        """
        return _PLACE.sub(lambda found: values[found[1]], self.text)


class Templates:
    """All templates of a dialogue.

    Args:
        own: Form to texts, before those of `DEFAULT`.
        domain: The dialogue's slots.
        knowledge: Whose values must not stand in a template's own words; None: not looked at.

    Raises:
        SpecError: An unknown form, one that is never said, two for the same, a place that its form has
            no value for, a value that has no place, or a value of the knowledge base in a template's own
            words.
    """

    def __init__(
        self,
        own: Mapping[str, Sequence[str]],
        domain: Domain,
        knowledge: Knowledge | None = None,
    ) -> None:
        self._domain = domain
        self._of: dict[str, tuple[Template, ...]] = {}
        forms: dict[str, str] = {}
        for form, texts in own.items():
            head, slots = self._form(form)
            name = ".".join([head, *sorted(slots)])
            if (other := forms.setdefault(name, form)) != form:
                raise SpecError(
                    f"answers.{form} and answers.{other} say the same, and one of them never would be.",
                    f"Write all texts as a list under answers.{other}.",
                )
            if not texts or not all(one.strip() for one in texts):
                raise SpecError(f"answers.{form} has no text.", "Give one, or leave it out.")
            self._of[name] = tuple(
                self._checked(Template(name, text), form, head, slots, knowledge) for text in texts
            )
        self._default = {
            form: tuple(Template(form, text) for text in texts) for form, texts in DEFAULT.items()
        }

    def _form(self, form: str) -> tuple[str, list[str]]:
        head, *slots = form.split(".")
        if head not in _GENERAL:
            raise SpecError(
                f"answers.{form}: there is nothing called {head!r} to say.",
                f"Begin with one of {', '.join(_GENERAL)}.",
            )
        known = (*self._domain.columns,)
        if wrong := [one for one in slots if one not in known]:
            raise SpecError(
                f"answers.{form}: {wrong[0]!r} is no slot.", f"Use one of {', '.join(known)}."
            )
        said_of = self._said_of(head)
        if idle := [one for one in slots if one not in said_of]:
            raise SpecError(
                f"answers.{form}: {head} is never said of {idle[0]}, so that this text never would be.",
                f"Say it of {', '.join(said_of)}, or in general: answers.{head}." if said_of
                else f"It is said of no column: write answers.{head}.",
            )  # fmt: skip
        if twice := [one for one in slots if slots.count(one) > 1]:
            raise SpecError(
                f"answers.{form}: it names {twice[0]} twice, so that this text never would be said.",
                f"Write answers.{'.'.join([head, *dict.fromkeys(slots)])}.",
            )
        if len(slots) > 1 and head not in _COMBINED:
            raise SpecError(
                f"answers.{form}: {head} speaks of one slot. Received: {len(slots)}.",
                f"Write one for each: answers.{head}.{slots[0]}.",
            )
        return head, slots

    def _said_of(self, head: str) -> tuple[str, ...]:
        """The slots of which there is something of that kind to say."""
        if head in _OF_WISHES:
            return self._domain.informable
        return self._domain.told if head in _OF_FACTS else ()

    def _checked(
        self,
        template: Template,
        form: str,
        head: str,
        slots: Sequence[str],
        knowledge: Knowledge | None,
    ) -> Template:
        """The template, where it says what its form says and no more."""
        places = set(_PLACE.findall(template.text))
        wanted = self._places(head, slots)
        if places != wanted:
            lacking, spare = sorted(wanted - places), sorted(places - wanted)
            what = "lacks {" + "}, {".join(lacking) + "}" if lacking else ""
            what += " and " if lacking and spare else ""
            what += "has no value for {" + "}, {".join(spare) + "}" if spare else ""
            raise SpecError(
                f"answers.{form}: the template {what}. Received: {template.text!r:.120}",
                f"Use {{{'}, {'.join(sorted(wanted))}}}, each of them." if wanted
                else "Take the braces out.",
            )  # fmt: skip
        rest = _PLACE.sub(" \x00 ", template.text)
        if knowledge is not None and (said := read_values(rest, knowledge).values):
            slot, value = said[0]
            raise SpecError(
                f"answers.{form}: the template says {value!r}, which is a {slot} of the knowledge "
                f"base, whatever is spoken of. Received: {template.text!r:.120}",
                f"Write {{{slot}}} in its place, or other words.",
            )
        if any(one.isdigit() for one in rest):
            raise SpecError(
                f"answers.{form}: the template says a number. Received: {template.text!r:.120}",
                "Numbers come from the knowledge base, through a place in braces; write others out.",
            )
        return template

    def _places(self, head: str, slots: Sequence[str]) -> set[str]:
        if not slots:
            return _GENERAL[head]
        if head == "offer":
            return {self._domain.key, *slots}
        if head in ("fact", "about"):
            return {*slots, *([self._domain.key] if head == "about" else [])}
        return {"value"} if "value" in _GENERAL[head] else set()

    def find(self, head: str, slots: Sequence[str]) -> tuple[Template, ...]:
        """The templates that say just this; none where there are none.

        Args:
            head: "offer".
            slots: What is told with it.
        """
        name = ".".join([head, *sorted(slots)])
        return self._of.get(name) or (self._default.get(name, ()) if not slots else ())

    def plain(self, head: str) -> tuple[Template, ...]:
        """`DEFAULT`'s."""
        return self._default[head]
