"""How a language says things: words for intents, and those that tell how a value beside them is meant.

All that depends on English stands here. A spec replaces the lists key by key (`dialogue.words`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge import Knowledge, clauses, normal, words

_EITHER = tuple(
    f"{which} {will}"
    for which, does, are in (("either", "s", "is"), ("either one", "s", "is"), ("both", "", "are"))
    for will in (
        *(f"{be} {fine}" for be in (are, "would be") for fine in ("fine", "ok", "okay", "good")),
        f"work{does}", "will do", "would do",
    )
)  # fmt: skip
INTENTS: Mapping[str, tuple[str, ...]] = {
    "affirm": ("yes", "yeah", "yep", "right", "correct", "sure", "ok", "okay", "exactly"),
    "negate": (
        "no", "nope", "wrong", "not that", "not that one", "don't want it", "don't like it",
        "do not want it", "do not like it", "don't want that", "don't like that",
    ),
    "another": (
        "another", "another one", "another {entity}", "anything else", "something else",
        "something different", "somewhere else", "others", "any others", "any more", "any other one",
        "other ones", "other places", "other {entity}s", "any other {entity}s", "any other {entity}",
        "what else", "other options", "more options", "other suggestions", "more suggestions",
        "show me more", "are there more", "different one", "different {entity}", "next", "next one",
    ),
    "greet": ("hello", "hi", "hey", "good morning", "good evening"),
    "bye": ("bye", "goodbye", "thank you", "thanks", "that is all", "that's all", "cheers"),
    "dontcare": (
        "any", "anything", "anywhere", "do not care", "don't care", "doesn't matter",
        "does not matter", "don't mind", "do not mind", "no preference", "whatever", "either way",
        *_EITHER,
    ),
}  # fmt: skip
"""What says an intent in English; {entity} is what the dialogue calls one. `dontcare` goes with the
slots beside it."""

CUES: Mapping[str, tuple[str, ...]] = {
    "not": (
        "not", "no", "no more", "not actually", "not really", "other than", "anything but",
        "anywhere but", "everything but", "all but", "except", "excluding", "neither", "don't want",
        "do not want", "don't like", "do not like",
    ),
    "without": (
        "don't", "dont", "do not", "doesn't", "does not", "didn't", "did not", "won't", "wouldn't",
        "would not", "shouldn't", "should not", "can't", "cannot", "can not", "never", "without",
        "avoid", "hate", "dislike", "rather not", "apart from", "aside from", "with the exception of",
        "instead of", "rather than",
        "don't think I want", "do not think I want",
    ),
    "non": ("non",),
    "nothing": ("nothing", "nowhere"),
    "is_not": (
        "is not", "isn't", "are not", "aren't", "was not", "wasn't", "won't do", "will not do",
        "doesn't work", "does not work", "is out",
    ),
    "less": (
        "less", "fewer", "lower", "too", "not too", "not so", "not as", "not that", "not quite so",
        "nothing too", "less than",
    ),
    "more": ("more", "higher", "more than"),
    "least": ("least", "lowest"),
    "most": ("most", "highest"),
    "correct": (
        "wait", "no wait", "I mean", "no I mean", "I meant", "no I meant", "I said", "no I said",
        "actually", "no actually", "or rather", "make it", "make that", "scratch that",
        "on second thought", "sorry no", "no sorry",
    ),
    "or": ("or", "nor"),
    "and": ("and",),
    "but": (
        "but", "I want", "I would like", "I'd like", "I need", "I prefer", "give me", "let's",
        "how about", "what about", "if not", "please find", "look for",
    ),
    "about": (
        "is it", "isn't it", "is that", "isn't that", "is this", "are they", "aren't they", "does it",
        "doesn't it", "do they", "don't they", "is the place", "is that place", "is the {entity}",
        "is that {entity}", "does the {entity}", "does that {entity}",
    ),
    "plain": (
        "why not", "or not", "no matter", "not sure", "isn't there", "aren't there", "is there no",
        "is there not", "don't you", "do you not", "can't you", "couldn't you", "why don't we",
        "is it possible", "is it ok", "is it okay", "not only", "at least", "at most", "either",
        "wouldn't say no", "would not say no", "won't say no", "couldn't say no", "can't say no",
        "cannot say no", "never say no", "don't mind", "do not mind", "wouldn't mind",
        "would not mind", "not against", "nothing against", "don't have anything against", "not opposed",
        "not averse", "no objection", "no objections", "no problem with",
        "don't hate", "do not hate", "don't dislike", "do not dislike", "wouldn't object",
        "would not object", "can't resist", "cannot resist", "not without", "can't do without",
        "nothing wrong with",
    ),
    "filler": (
        "a", "an", "the", "is", "are", "was", "am", "be", "do", "does", "can", "could", "would", "will",
        "you", "your", "we", "i", "me", "my", "it", "its", "this", "that", "there", "here", "please",
        "to", "of", "in", "on", "at", "for", "with", "what", "which", "some", "have", "get", "one",
        "ones", "maybe", "just", "also", "so", "well", "want", "need", "like", "find", "show", "tell",
        "suggest", "recommend", "looking", "something", "{entity}", "then",
    ),
}  # fmt: skip
"""What tells in English how a value beside it is meant.

not, without: it is not wanted; `not` alone says no, `without` alone says nothing. is_not: likewise, and
of a value before it. non: likewise, of the word behind it alone. less, more, least, most: compared,
where the slot's values have an order. correct: what follows replaces what was said. or, and: go on with
what is said of a value. but: begins a clause, as signs do. about: asks, after an offer, whether it has
the value; without its last word, before a name, of that entity ("is Golden Lantern cheap"). plain:
words of the lists above that tell nothing; those that also say "don't care" do so where a value follows
("I don't mind chinese"). nothing: not wanted, but in a question. filler: single words of no weight.
"""

_SHORT = 7


def degrees(word: str) -> Iterator[tuple[str, str]]:
    """The English comparative and superlative of a word: ("more", "cheaper"), ("most", "cheapest").

    >>> [form for _, form in degrees("pricey")]
    ['pricier', 'priciest']
    """
    if len(word) > _SHORT or not word.isalpha():
        return
    stem = word
    if word.endswith("ey"):
        stem = word[:-2] + "i"
    elif word.endswith("y"):
        stem = word[:-1] + "i"
    elif word.endswith("e"):
        stem = word[:-1]
    elif len(word) == 3 and word[1] in "aeiou" and word[2] not in "aeiouwxy":  # "big", "bigger"
        stem = word + word[-1]
    yield "more", stem + "er"
    yield "most", stem + "est"


@dataclass(frozen=True, slots=True)
class Part:
    """Words of a text that are known.

    Attributes:
        kind: "value", "slot", "intent" or "cue".
        name: The slot, the intent, or a key of `CUES`.
        value: Of a value: it, as it is compared.
        degree: Of a value: "more" or "most" where it is compared ("cheaper"); else "".
        words: The words.
        start: Place of the first one in the text.
        sign: What parts it from the part before: "", "," or ".".
    """

    kind: str
    name: str
    value: str = ""
    degree: str = ""
    words: tuple[str, ...] = ()
    start: int = 0
    sign: str = ""

    @property
    def end(self) -> int:
        """One past the last word."""
        return self.start + len(self.words)


@dataclass(frozen=True)
class Reading:
    """A text read for what is known.

    Attributes:
        parts: From left to right, each word once and in the longest phrase.
        weight: How many of their words have weight: all but fillers.
        others: How many other words have.
        signs: See `knowledge.clauses`.
        asking: Places of the last of the words that begin a clause as a question: "is", "does the".
    """

    parts: tuple[Part, ...]
    weight: int
    others: int
    signs: Mapping[int, str]
    asking: frozenset[int] = frozenset()

    @property
    def known(self) -> bool:
        """Whether most words are known: the text says little else."""
        return self.weight > self.others

    def asks(self, part: Part) -> bool:
        """Whether the clause that a part stands in ends as a question."""
        behind = [place for place in self.signs if place >= part.end]
        return bool(behind) and self.signs[min(behind)] == "?"

    def asks_of(self, name: Part) -> bool:
        """Whether an entity's name stands in a question: "is it ... ?", or behind a word that asks."""
        ends = [place for place, sign in self.signs.items() if place >= name.end and sign != ","]
        return name.start - 1 in self.asking or (bool(ends) and self.signs[min(ends)] == "?")


class Wording:
    """The phrases of a dialogue.

    Args:
        domain: The dialogue's slots.
        slots: Slot to words that ask for it, or say which slot a "don't care" is of: "phone number".
        values: Slot to value to other words for it: {"area": {"centre": ["center", "downtown"]}}.
        own: Replaces lists of `INTENTS` and `CUES` key by key.
        orders: Informable slot to its values from the least to the most, where they have an order.
    """

    def __init__(
        self,
        domain: Domain,
        slots: Mapping[str, Sequence[str]] | None = None,
        values: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
        own: Mapping[str, Sequence[str]] | None = None,
        orders: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.domain = domain
        self._orders = {slot: tuple(map(normal, order)) for slot, order in (orders or {}).items()}
        self._lists: dict[tuple[str, ...], Part] = {}
        lists = {**INTENTS, **CUES, **(own or {})}
        self._filler = {
            one.replace("{entity}", domain.entity).casefold() for one in lists.pop("filler")
        }
        self.concedes = {words(one) for one in lists["dontcare"]} & {
            words(one) for one in lists["plain"]
        }
        """What says "don't care" by itself, and nothing of a value behind it: "I don't mind chinese"."""
        self._asking = {words(one)[:-1] for one in lists["about"]} - {()}
        for name, phrases in lists.items():
            for phrase in phrases:
                if name == "plain" and words(phrase) in self.concedes:
                    continue
                kind = "cue" if name in CUES else "intent"
                self._put(phrase.replace("{entity}", domain.entity), Part(kind, name))
        self.answers = {words(one) for one in lists["negate"]} & {
            words(one) for one in lists["not"]
        }
        """What says no by itself, and of a value beside it: "no" and "no chinese"."""
        for slot in domain.columns:
            for phrase in (slot, *(slots or {}).get(slot, ())):
                self._put(phrase, Part("slot", slot))
        for slot, others in (values or {}).items():
            for value, phrases in others.items():
                for phrase in phrases:
                    self._put(phrase, Part("value", slot, normal(value)))
        self._compare(values or {})
        self._of: tuple[str, dict[tuple[str, ...], Part], int] = ("", {}, 0)

    def _put(self, phrase: str, part: Part) -> None:
        if parts := words(phrase):
            self._lists[parts] = part

    def _compare(self, values: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        """Puts "cheaper" and "cheapest" beside "cheap", where that is not in a list already."""
        for slot, order in self._orders.items():
            others = {normal(one): phrases for one, phrases in values.get(slot, {}).items()}
            for value in order:
                for phrase in (value, *others.get(value, ())):
                    for degree, form in degrees(normal(phrase)):
                        self._lists.setdefault((form,), Part("value", slot, value, degree))

    def order(self, slot: str, knowledge: Knowledge) -> tuple[str, ...]:
        """A slot's values from the least to the most; none where they have no order.

        That of the spec; else numbers have one by themselves.
        """
        if slot in self._orders:
            return tuple(one for one in self._orders[slot] if knowledge.is_value(slot, one))
        try:
            return tuple(sorted(map(normal, knowledge.values(slot)), key=float))
        except ValueError:
            return ()

    def counts(self, slot: str) -> bool:
        """Whether a slot's order, if it has one, is that of numbers."""
        return slot not in self._orders

    def read(
        self, text: str, knowledge: Knowledge, more: Mapping[tuple[str, ...], Part] | None = None
    ) -> Reading:
        """What is recognized, from left to right, each word once and in the longest phrase.

        Args:
            text: As it was said.
            knowledge: Its values are known, too.
            more: Words to a part that is known in this text alone.
        """
        if self._of[0] != knowledge.digest:
            self._of = self._with_values(knowledge)
        _, known, longest = self._of
        longest = max([longest, *map(len, more or ())])
        said, signs = clauses(text)
        parts: list[Part] = []
        place = end = others = 0
        while place < len(said):
            for length in range(min(longest, len(said) - place), 0, -1):
                phrase = said[place : place + length]
                part = known.get(phrase) or (more or {}).get(phrase)
                if part is not None:
                    between = {signs.get(at, "") for at in range(max(end, 1), place + 1)}
                    sign = next((one for one in "?.," if one in between), "")
                    parts.append(
                        Part(part.kind, part.name, part.value, part.degree, phrase, place, sign)
                    )
                    place = end = place + length
                    break
            else:
                others += said[place] not in self._filler
                place += 1
        weight = sum(word not in self._filler for part in parts for word in part.words)
        asking = frozenset(
            start + len(opening) - 1
            for start in {0, *signs}
            for opening in self._asking
            if said[start : start + len(opening)] == opening
        )
        return Reading(tuple(parts), weight, others, signs, asking)

    def _with_values(self, knowledge: Knowledge) -> tuple[str, dict[tuple[str, ...], Part], int]:
        known: dict[tuple[str, ...], Part] = {}
        for slot in (self.domain.key, *self.domain.informable):
            for value in knowledge.values(slot):
                if parts := words(value):
                    known[parts] = Part("value", slot, normal(value))
        known |= self._lists  # A restaurant called "any" is found by no list.
        return knowledge.digest, known, max(map(len, known))
