"""Rows for understanding: utterances with values, words with tags, and what only the test rows have."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bertworks.data.formats.spans import Span, tagged
from bertworks.data.utterances.masked import Part, Utterance
from bertworks.data.utterances.setting import Setting
from bertworks.text.words import split

Split = Literal["train", "validation", "test"]
ENOUGH = 4
"""Utterances that say the same things, of which at least one is held back for the test rows."""
_ENDS = " .!?…。！？～"
_ARTICLE = re.compile(r"\b([Aa])n?(\s+)$")


@dataclass(frozen=True)
class Filled:
    """A row.

    Attributes:
        tokens: Words, as an agent cuts texts.
        tags: IOB2, one a word.
        label: The intent.
        text: As a person would write it.
        values: "unseen" where one of its values stands in no training row, "seen" where all do, "none"
            without any.
    """

    tokens: list[str]
    tags: list[str]
    label: str
    text: str
    values: Literal["seen", "unseen", "none"]


def filled(utterance: Utterance, value: Callable[[str], str]) -> tuple[str, list[Span]]:
    """An utterance as a person would write it, and where its slots stand.

    Args:
        utterance: With masks.
        value: Column to the value that is filled in; asked once a mask, from left to right.
    """
    text, spans = "", []
    for part in utterance.parts:
        piece = part.text
        if part.slot and not piece:
            piece = value(part.slot)
            text = _ARTICLE.sub(rf"\1{'n' * (piece[:1].lower() in 'aeiou')}\2", text)
        if part.slot:
            spans.append(Span(len(text), len(text) + len(piece), part.slot))
        text += piece
    return text, spans


def as_said(value: str, variants: Mapping[str, Sequence[str]], stream: random.Random) -> str:
    """A value, now and then as people say it otherwise, or with capitals."""
    others = variants.get(value, ())
    if others and stream.random() < 0.5:
        value = stream.choice(others)
    return value.title() if stream.random() < 0.3 else value


class Filler:
    """Fills utterances with values.

    Args:
        setting: What is asked.
        values: Column to the values of the knowledge base, in its order.
        utterances: All that are filled.
    """

    def __init__(
        self,
        setting: Setting,
        values: Mapping[str, Sequence[str]],
        utterances: Iterable[Utterance],
    ) -> None:
        self._setting = setting
        self._tested = self._of_each_kind(utterances) if setting.test else set()
        self._stream = random.Random(f"values {setting.seed}")
        self.seen: dict[str, list[str]] = {}
        self.unseen: dict[str, list[str]] = {}
        for column in sorted(values):
            every = sorted(set(values[column]))
            self._stream.shuffle(every)
            held = (
                round(len(every) * setting.unseen_values) if len(every) > setting.open_from else 0
            )
            self.unseen[column], self.seen[column] = every[:held], every[held:]

    def split_of(self, utterance: Utterance) -> Split:
        """Where an utterance goes: patterns that differ in case or punctuation go together."""
        place = self._place(utterance)
        if place < self._setting.test or place in self._tested:
            return "test"
        return "validation" if place < self._setting.test + self._setting.validation else "train"

    def _place(self, utterance: Utterance) -> float:
        return utterance.place(f"split {self._setting.seed}")

    def _of_each_kind(self, utterances: Iterable[Utterance]) -> set[float]:
        """Places of utterances that are tested so that nothing that people say is trained on alone.

        Simulated users say what is held back: of what few utterances say, chance may hold back none.
        """
        kinds: dict[tuple[str, frozenset[str]], set[float]] = {}
        for one in utterances:
            kinds.setdefault((one.intent, one.slots), set()).add(self._place(one))
        return {min(places) for places in kinds.values() if len(places) >= ENOUGH}

    def rows(self, utterances: Sequence[Utterance]) -> Iterator[tuple[Split, Filled]]:
        """Rows of all utterances, each text once.

        Test utterances with an open slot are filled once with values that no other row has, and
        otherwise, like all utterances, with values that training rows have. Intents with few training
        rows get more behind them.
        """
        texts: set[str] = set()
        counts: Counter[str] = Counter()
        for one in utterances:
            split_ = self.split_of(one)
            open_ = split_ == "test" and any(self.unseen.get(name) for name in one.columns)
            times = self._setting.fills if one.columns else 1
            for number in range(times + open_):
                row = self._row(one, fresh=open_ and number == times)
                if row.text.lower() not in texts:
                    texts.add(row.text.lower())
                    counts[row.label] += split_ == "train"
                    yield split_, row
        for one in self._dressed(utterances):
            if counts[one.intent] >= self._setting.least:
                continue
            row = self._row(one, fresh=False)
            if row.text.lower() not in texts:
                texts.add(row.text.lower())
                counts[row.label] += 1
                yield "train", row

    def _dressed(self, utterances: Sequence[Utterance]) -> Iterator[Utterance]:
        """Training utterances with words before and behind them, in an order of their own."""
        setting = self._setting
        words = [(one, two) for one in ("", *setting.before) for two in ("", *setting.after)]
        training = [one for one in utterances if self.split_of(one) == "train"]
        every = [(one, *more) for one in training for more in words[1:]]
        self._stream.shuffle(every)
        for one, before, after in every:
            body, last = one.parts[:-1], one.parts[-1]
            if after and not last.slot:
                last = Part(last.text.rstrip(_ENDS))
            parts = (Part(before), *body, last, Part(after))
            yield Utterance(one.intent, tuple(part for part in parts if part.text or part.slot))

    def _row(self, utterance: Utterance, fresh: bool) -> Filled:
        unseen = False

        def value(column: str) -> str:
            nonlocal unseen
            from_unseen = fresh and bool(self.unseen.get(column))
            unseen = unseen or from_unseen
            known = (self.unseen if from_unseen else self.seen)[column]
            return as_said(self._stream.choice(known), self._setting.variants, self._stream)

        text, spans = filled(utterance, value)
        tokens, tags = tagged(split(text), text, spans)
        kind: Literal["seen", "unseen", "none"] = "none"
        if utterance.columns:
            kind = "unseen" if unseen else "seen"
        return Filled(tokens, tags, utterance.intent, text, kind)
