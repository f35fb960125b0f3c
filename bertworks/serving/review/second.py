"""A second agent's opinion of a text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from bertworks.errors import SpecError
from bertworks.serving.review.rules import texts_of
from bertworks.serving.review.verdict import Verdict, strictest
from bertworks.spec.review import SecondAgent

Ask = Callable[[Sequence[str]], Awaitable[Sequence[Mapping[str, Any]]]]
"""Texts to answers, one each."""


class SecondOpinion:
    """Holds or flags answers by what another agent says of their texts.

    Args:
        settings: Which of its labels count.
        ask: Has it answer.
        labels: Those that it knows.

    Raises:
        SpecError: A label that is to count is none of its.
    """

    def __init__(self, settings: SecondAgent, ask: Ask, labels: Sequence[str]) -> None:
        unknown = sorted({*settings.hold, *settings.flag} - set(labels))
        if unknown:
            raise SpecError(
                f"serve.review.agent names labels that {settings.bundle} does not know: "
                f"{', '.join(unknown)}.",
                f"Its labels are {', '.join(labels) or 'none'}; take it out or name some of them.",
            )
        self._settings, self._ask = settings, ask

    async def judge(self, rows: Sequence[Any]) -> list[Verdict | None]:
        """The verdict on each row: the strictest of those on its texts."""
        texts = [texts_of(row) for row in rows]
        answers = iter(await self._ask([text for of_row in texts for text in of_row]))
        return [strictest(self._of(next(answers)) for _ in of_row) for of_row in texts]

    def _of(self, answer: Mapping[str, Any]) -> Verdict | None:
        scores: Mapping[str, float] = answer["scores"]
        given = [answer["label"]] if "label" in answer else list(scores)
        counts = [label for label in given if scores[label] >= self._settings.minimum]
        for action, labels in (("hold", self._settings.hold), ("flag", self._settings.flag)):
            found = next((label for label in counts if label in labels), None)
            if found is not None:
                return Verdict(action, f"agent:{found}")  # type: ignore[arg-type]
        return None
