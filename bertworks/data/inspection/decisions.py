"""What was decided, why, and who may be asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bertworks.bounded_yaml import Key

T = TypeVar("T")
Ask = Callable[[str, Sequence[str]], str | None]
"""A question and the answers to choose from, the likelier first; None: nobody is there to answer."""


def nobody(question: str, answers: Sequence[str]) -> None:
    """Where nobody can be asked, or wants to be."""


def evenly(items: Sequence[T], most: int) -> Sequence[T]:
    """At most so many items, from all over a sequence: files are often sorted."""
    return items[:: max(1, -(-len(items) // most))]


@dataclass(frozen=True)
class Decision:
    """One thing that was decided.

    Attributes:
        subject: What about, in a word or two: "text", "task".
        value: What was decided.
        reason: Why, in a sentence without a point.
        key: Where in the spec it stands; () for its head.
        guessed: Whether another answer was likely, too, and nobody was asked.
    """

    subject: str
    value: str
    reason: str
    key: Key = ()
    guessed: bool = False

    def line(self) -> str:
        """It in one line, as a comment has it."""
        mark = "a guess: " if self.guessed else ""
        return f"{self.subject}: {self.value} - {mark}{self.reason}"


@dataclass
class Decisions:
    """All decisions in their order, and whom to ask.

    Attributes:
        ask: Is asked what cannot be decided.
        made: What was decided so far.
    """

    ask: Ask = nobody
    made: list[Decision] = field(default_factory=list)

    def add(
        self, subject: str, value: str, reason: str, key: Key = (), *, guessed: bool = False
    ) -> None:
        """Notes a decision."""
        self.made.append(Decision(subject, value, reason, key, guessed))

    def choose(self, question: str, answers: Sequence[str]) -> tuple[str, bool]:
        """An answer, and whether it is a guess: nobody was there, so that the first one holds."""
        answer = self.ask(question, answers)
        if answer is None or answer not in answers:
            return answers[0], True
        return answer, False
