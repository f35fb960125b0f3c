"""Frames: a turn's intent and its slots. Needs the standard library alone.

A frame is learned as the row's labels in order: first its intent, which is answered at the first token,
then an IOB2 tag for each word. Intents are marked, so that none is taken for a tag.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bertworks.tasks.tagging.entities import spans

MARK = "intent:"


def marked(intent: str) -> str:
    """An intent as a label among the tags."""
    return MARK + intent


def is_intent(label: str) -> bool:
    """Whether a label is an intent; else it is a tag."""
    return label.startswith(MARK)


def unmarked(label: str) -> str:
    """An intent's own name; a tag as it is."""
    return label.removeprefix(MARK)


@dataclass(frozen=True)
class Slot:
    """A value that stands in a turn.

    Attributes:
        name: What it is a value of.
        value: As it stands in the text.
        words: Its first word, and one past its last.
        start: Its first character in the text.
        end: One past its last.
        score: The least of its words' probabilities.
    """

    name: str
    value: str
    words: tuple[int, int]
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Frame:
    """What was understood of a turn.

    Attributes:
        intent: What is wanted.
        score: Its probability.
        slots: In the order of the text.
        out_of_scope: Whether the turn is like none that was learned from; None: the agent does not tell.
        confident: Whether intent and slots are sure enough; None likewise.
    """

    intent: str
    score: float
    slots: tuple[Slot, ...] = ()
    out_of_scope: bool | None = None
    confident: bool | None = None


def frame_of(answer: Mapping[str, Any]) -> Frame:
    """The frame in an agent's answer (`bertworks.runtime.agent.Agent.predict`), for who acts on it."""
    found = tuple(
        Slot(one["type"], one["text"], (first, end), one["start"], one["end"], one["score"])
        for one, (_, first, end) in zip(answer["entities"], spans(answer["tags"]), strict=True)
    )
    return Frame(
        answer["intent"], answer["intent_score"], found, answer.get("out_of_scope"),
        answer.get("confident"),
    )  # fmt: skip


def slots_of(frame: Sequence[str]) -> Sequence[str]:
    """The tags of a frame, one a word."""
    return frame[1:]
