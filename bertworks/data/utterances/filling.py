"""Rows for understanding: utterances with values, words with tags, and what only the test rows have."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bertworks.data.formats.spans import Span, tagged
from bertworks.data.utterances.masked import Utterance
from bertworks.data.utterances.setting import Setting
from bertworks.text.words import split

Split = Literal["train", "validation", "test"]
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


class Filler:
    """Fills utterances with values.

    Args:
        setting: What is asked.
        values: Column to the values of the knowledge base, in its order.
    """

    def __init__(self, setting: Setting, values: Mapping[str, Sequence[str]]) -> None:
        self._setting = setting
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
        place = utterance.place(f"split {self._setting.seed}")
        if place < self._setting.test:
            return "test"
        return "validation" if place < self._setting.test + self._setting.validation else "train"

    def rows(self, utterances: Sequence[Utterance]) -> Iterator[tuple[Split, Filled]]:
        """Rows of all utterances, each text once.

        Test utterances with an open slot are filled once with values that no other row has, and
        otherwise, like all utterances, with values that training rows have.
        """
        texts: set[str] = set()
        for one in utterances:
            split_ = self.split_of(one)
            open_ = split_ == "test" and any(self.unseen.get(name) for name in one.columns)
            times = self._setting.fills if one.columns else 1
            for number in range(times + open_):
                row = self._row(one, fresh=open_ and number == times)
                if row.text.lower() not in texts:
                    texts.add(row.text.lower())
                    yield split_, row

    def _row(self, utterance: Utterance, fresh: bool) -> Filled:
        text, spans, unseen = "", [], False
        for part in utterance.parts:
            piece = part.text
            if part.slot and not piece:
                from_unseen = fresh and bool(self.unseen.get(part.slot))
                unseen = unseen or from_unseen
                piece = self._said(part.slot, from_unseen)
                text = _ARTICLE.sub(rf"\1{'n' * (piece[:1].lower() in 'aeiou')}\2", text)
            if part.slot:
                spans.append(Span(len(text), len(text) + len(piece), part.slot))
            text += piece
        tokens, tags = tagged(split(text), text, spans)
        has = any(not part.text and part.slot for part in utterance.parts)
        kind: Literal["seen", "unseen", "none"] = "none"
        if has:
            kind = "unseen" if unseen else "seen"
        return Filled(tokens, tags, utterance.intent, text, kind)

    def _said(self, column: str, unseen: bool) -> str:
        """A value of a column, now and then as people say it otherwise, or with capitals."""
        value = self._stream.choice((self.unseen if unseen else self.seen)[column])
        others = self._setting.variants.get(value, [])
        if others and self._stream.random() < 0.5:
            value = self._stream.choice(others)
        return value.title() if self._stream.random() < 0.3 else value
