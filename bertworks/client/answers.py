"""What a server says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict, overload

from bertworks.errors import BertworksError


class Entity(TypedDict):
    """Words of one type: `start` and `end` are characters of the text, the end exclusive."""

    type: str
    text: str
    start: int
    end: int
    score: float


class Answer(TypedDict, total=False):
    """One row's answer; which of these are there depends on the agent's task and spec.

    Classification: label, score, scores; several labels: labels, scores; regression: score; tagging:
    tokens, tags, entities; understanding: intent, intent_score, and as tagging. All: truncated, whether
    the row's end was not read. Where the spec asked for
    it: confident, out_of_scope, set.
    """

    label: str
    score: float
    scores: dict[str, float]
    labels: list[str]
    tokens: list[str]
    tags: list[str]
    intent: str
    intent_score: float
    entities: list[Entity]
    truncated: bool
    confident: bool
    out_of_scope: bool
    set: list[str]


@dataclass(frozen=True)
class Asked(Sequence[Answer]):
    """The answers to some rows, in their order, and who gave them.

    Attributes:
        answers: One a row.
        request: The last request's id, for feedback and for who looks at the server's log.
        version: What answered.
        digest: Of the bundle that answered.
    """

    answers: tuple[Answer, ...]
    request: str = ""
    version: str = ""
    digest: str = ""

    @overload
    def __getitem__(self, place: int) -> Answer: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Answer]: ...
    def __getitem__(self, place: int | slice) -> Answer | Sequence[Answer]:
        return self.answers[place]

    def __len__(self) -> int:
        return len(self.answers)

    def __iter__(self) -> Iterator[Answer]:
        return iter(self.answers)


class ServerRefused(BertworksError):
    """The server did not answer, or cannot be reached.

    Attributes:
        status: HTTP status; 0 where there was no answer at all.
    """

    exit_code = 8

    def __init__(self, message: str, fix: str = "", *, status: int = 0) -> None:
        super().__init__(message, fix)
        self.status = status
