"""Masked utterances: those that can be used as they are filed, and why the others cannot.

Generators of language take any sentence of an act; who learns to understand needs more: an utterance in
which a value stands that was not masked, or that asks for what its act does not name, would teach that
such words mean nothing. So these are left out, each with its reason.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bertworks.data.utterances.setting import Setting
from bertworks.errors import DataError
from bertworks.text.scripts import CHINESE

MENTION = "mention."
"""Begins the slots of words that name a column without a value."""
_MASK = re.compile(r"#(?:\w+-)*(\w+)#")
_LETTER = rf"[^\W{CHINESE}]"
BEGIN, END = rf"(?<!{_LETTER})", rf"(?!{_LETTER})"
"""Where a word begins and ends; between Chinese characters, which have no gaps, anywhere."""
_GAPS = re.compile(r"\s+")
# What tokenizers of the corpora put apart: "I ' m", "do n't", "town .", "there ?".
_APART = (
    (re.compile(r"\s+'\s*(m|s|d|ll|re|ve|t)\b", re.I), r"'\1"),
    (re.compile(r"\s+n't\b", re.I), "n't"),
    (re.compile(r"\s+([.,;:!?)])"), r"\1"),
)


class Part(NamedTuple):
    """A stretch of an utterance: plain text (`slot` is ""), words of a slot, or a value to fill in.

    Attributes:
        text: As it stands; "" for a value.
        slot: Name of the slot.
    """

    text: str
    slot: str = ""


@dataclass(frozen=True)
class Utterance:
    """A masked utterance that can be used.

    Attributes:
        intent: What it is filed under.
        parts: In order.
    """

    intent: str
    parts: tuple[Part, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose values are to be filled in."""
        return tuple(part.slot for part in self.parts if part.slot and not part.text)

    @property
    def slots(self) -> frozenset[str]:
        """What it tells or asks for: columns and mentions."""
        return frozenset(part.slot for part in self.parts if part.slot)

    @property
    def pattern(self) -> str:
        """The utterance with its masks, by which it is told from others."""
        return "".join(part.text or f"#{part.slot}#" for part in self.parts)

    def place(self, salt: str) -> float:
        """A number from 0 to 1 that follows from the pattern, whatever its case and punctuation."""
        plain = re.sub(r"[\W_]+", " ", self.pattern.lower()).strip()
        digest = hashlib.sha256(f"{salt}\n{plain}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64


class Utterances:
    """Reads the utterances of a template file.

    Args:
        setting: What is asked.
        values: Column to the values of the knowledge base.

    Attributes:
        left_out: Reason to number of utterances.
    """

    def __init__(self, setting: Setting, values: Mapping[str, Sequence[str]]) -> None:
        self._setting = setting
        self._masks = {name.upper(): column for name, column in setting.slots.items()}
        self._values = values
        self._foreign = re.compile(setting.foreign, re.I) if setting.foreign else None
        spoken = [*(one for column in values.values() for one in column)]
        spoken += [one for others in setting.variants.values() for one in others]
        self._unmasked = _any_of(spoken)
        self._misfiled = {
            intent: re.compile(pattern, re.I) for intent, pattern in setting.misfiled.items()
        }
        self._mentions = re.compile(
            "|".join(
                rf"{BEGIN}(?P<{column}>{pattern}){END}"
                for column, pattern in setting.mentions.items()
            )
            or r"(?!)",
            re.I,
        )
        self.left_out: Counter[str] = Counter()

    def labelled(self, filed: Mapping[str, Any]) -> list[Utterance]:
        """The utterances of the intents that are asked for, each pattern once.

        Args:
            filed: Act to slots to masked utterances.

        Raises:
            DataError: An act that is asked for is not there, or the file is of another form.
        """
        found: dict[tuple[str, str], Utterance] = {}
        for act, slots, text in _filed(filed, self._setting.intents):
            made = self._read(self._setting.intents[act], slots, text)
            if isinstance(made, str):
                self.left_out[made] += 1
                continue
            key = made.intent, made.pattern.lower()
            self.left_out["repeated"] += key in found
            found.setdefault(key, made)
        for intent, texts in self._setting.own.items():
            for text in texts:
                own = Utterance(intent, tuple(self._parts(intent, text, None)))
                if unknown := set(own.columns) - set(self._values):
                    raise DataError(
                        f"`own.{intent}` has a mask of no column: {', '.join(sorted(unknown))} in "
                        f"{text!r:.80}.",
                        f"Masks are {', '.join(f'#{one.upper()}#' for one in self._values)}.",
                    )
                found.setdefault((intent, own.pattern.lower()), own)
        intents: dict[str, set[str]] = {}
        for one in found.values():
            intents.setdefault(one.pattern.lower(), set()).add(one.intent)
        clear = [one for one in found.values() if len(intents[one.pattern.lower()]) == 1]
        self.left_out["filed under several intents"] += len(found) - len(clear)
        return self._at_most(clear)

    def outside(self, filed: Mapping[str, Any]) -> Iterator[str]:
        """Texts of other domains without masks, each once."""
        seen = set()
        for _, _, text in _filed(filed, self._setting.outside):
            plain = tidied(text)
            if "#" not in plain and plain and plain.lower() not in seen:
                seen.add(plain.lower())
                yield plain

    def _read(self, intent: str, slots: str, text: str) -> Utterance | str:
        """An utterance, or why it cannot be used."""
        if self._foreign is not None and self._foreign.search(text):
            return "of another domain"
        if intent in self._misfiled and self._misfiled[intent].search(text):
            return "filed under the wrong act"
        masks = {name.upper() for name in _MASK.findall(text)}
        if masks - set(self._masks):
            return "a slot that is not asked for"
        asked = None
        if intent in self._setting.requests:
            given = {name.upper() for name in slots.split(";") if name and name != "none"}
            if given - set(self._masks):
                return "a slot that is not asked for"
            asked = {self._masks[name] for name in given}
        parts = tuple(self._parts(intent, text, asked))
        if not any(part.text.strip() or part.slot for part in parts):
            return "empty"
        plain = " # ".join(part.text for part in parts if not part.slot)
        if self._unmasked.search(plain):
            return "a value that is not masked"
        mentioned = {
            part.slot.removeprefix(MENTION) for part in parts if part.slot.startswith(MENTION)
        }
        if asked is not None and mentioned != asked:
            return "words for other slots than it is filed under"
        return Utterance(intent, parts)

    def _parts(self, intent: str, text: str, asked: set[str] | None) -> Iterator[Part]:
        """The parts of a text; mentions count where the intent asks, or only ever asks, for them."""
        counted = set(self._setting.mentions)
        tells = intent in self._setting.intents.values() and intent not in self._setting.requests
        if asked is None and (tells or intent not in self._setting.own):
            counted = set(self._setting.also_mentioned)
        pieces = _MASK.split(tidied(text))
        for place, piece in enumerate(pieces):
            if place % 2:
                yield Part("", self._masks.get(piece.upper(), piece.lower()))
                continue
            at = 0
            for mention in self._mentions.finditer(piece):
                column = mention.lastgroup or ""
                if column in counted:
                    yield Part(piece[at : mention.start()])
                    yield Part(mention.group(), MENTION + column)
                    at = mention.end()
            yield Part(piece[at:])

    def _at_most(self, found: Iterable[Utterance]) -> list[Utterance]:
        """Of each intent no more than asked, those with the smallest hashes."""
        kept: list[Utterance] = []
        counts: Counter[str] = Counter()
        for one in sorted(found, key=lambda one: (one.place("most"), one.pattern)):
            counts[one.intent] += 1
            if counts[one.intent] <= self._setting.most:
                kept.append(one)
        self.left_out["more than `most` of an intent"] += counts.total() - len(kept)
        return kept


def tidied(text: str) -> str:
    """A text as people write it: what was put apart for machines together again."""
    text = _GAPS.sub(" ", text).strip()
    for pattern, together in _APART:
        text = pattern.sub(together, text)
    return text


def _any_of(words: Sequence[str]) -> re.Pattern[str]:
    longest = sorted({word for word in words if word}, key=len, reverse=True)
    return re.compile(
        f"{BEGIN}(?:{'|'.join(map(re.escape, longest))}){END}" if longest else "(?!)", re.I
    )


def _filed(filed: Mapping[str, Any], acts: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    for act in acts:
        slots = filed.get(act)
        if not isinstance(slots, dict):
            raise DataError(
                f"The templates have no act {act!r}; they have {', '.join(list(filed)[:20])}.",
                "Correct `intents` or `outside` in the setting.",
            )
        for name, texts in slots.items():
            if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
                raise DataError(
                    f"The templates' {act!r}, {name!r} must be a list of texts. "
                    f"Received: {type(texts).__name__}",
                    "Give a file of act to slots to texts.",
                )
            yield from ((act, name, text) for text in texts)
