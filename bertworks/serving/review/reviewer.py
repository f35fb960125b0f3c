"""Looks at answers before they go out, and counts what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from bertworks.serving.review.hiding import without_personal_data
from bertworks.serving.review.rules import ConfidenceRule, LabelRule, TextRules
from bertworks.serving.review.second import SecondOpinion
from bertworks.serving.review.verdict import Verdict, strictest
from bertworks.spec.review import Review

if TYPE_CHECKING:
    from prometheus_client import Counter

FIELDS = {"held": "BOOL", "flagged": "BOOL", "reason": "BYTES"}
"""What each answer of a reviewed model carries, and the datatypes of the V2 protocol."""
STILL_TOLD = ("truncated",)
"""What a held answer still says beside FIELDS: nothing that tells what the answer was."""


class Reviewer:
    """The review of one model's answers.

    Args:
        settings: The rules.
        model: The model's name, for the counts.
        second: The second agent; None: there is none.
        two_texts: Whether its rows are two texts each; else a list is one text's words.
    """

    def __init__(
        self,
        settings: Review,
        model: str = "",
        second: SecondOpinion | None = None,
        *,
        two_texts: bool = False,
    ) -> None:
        self._two_texts = two_texts
        self._settings, self._model, self._second = settings, model, second
        self._labels, self._confidence = LabelRule(settings), ConfidenceRule(settings)
        self._texts = TextRules(settings)
        self._counts = _counts()
        for outcome in ("passed", "flagged", "held"):  # so that each is 0 from the start
            self._counts.labels(model, outcome, "")

    @property
    def fields(self) -> list[str]:
        """What answers carry of FIELDS."""
        return list(FIELDS) if self._settings.decides else []

    async def verdicts(
        self, rows: Sequence[Any], answers: Sequence[Mapping[str, Any]]
    ) -> list[Verdict | None]:
        """What becomes of each answer; None: it goes out as it is.

        Args:
            rows: What was asked.
            answers: One each.
        """
        if self._two_texts:
            rows = [row if isinstance(row, str) else tuple(row) for row in rows]
        by_text = await self._by_text(rows)
        second = await self._second.judge(rows) if self._second else [None] * len(rows)
        found = [
            strictest([self._labels.judge(answer), self._confidence.judge(answer), *texts, other])
            for answer, texts, other in zip(answers, by_text, second, strict=True)
        ]
        for verdict in found:
            outcome = {"hold": "held", "flag": "flagged"}[verdict.action] if verdict else "passed"
            self._counts.labels(self._model, outcome, verdict.reason if verdict else "").inc()
        return found

    def applied(
        self,
        rows: Sequence[Any],
        answers: Sequence[Mapping[str, Any]],
        verdicts: Sequence[Verdict | None],
    ) -> list[Mapping[str, Any]]:
        """The answers as they go out."""
        told = [
            self._told(answer, verdict) for answer, verdict in zip(answers, verdicts, strict=True)
        ]
        if not self._settings.mask_answers:
            return told
        return [without_personal_data(one, row) for one, row in zip(told, rows, strict=True)]

    async def _by_text(self, rows: Sequence[Any]) -> list[list[Verdict]]:
        if not self._settings.texts:
            return [[] for _ in rows]
        # Off the event loop: others are served meanwhile.
        return await asyncio.to_thread(lambda: [self._texts.judge(row) for row in rows])

    def _told(self, answer: Mapping[str, Any], verdict: Verdict | None) -> Mapping[str, Any]:
        if not self._settings.decides:
            return answer
        said: dict[str, Any] = {"held": False, "flagged": False, "reason": ""}
        if verdict is None:
            return {**answer, **said}
        said["reason"] = verdict.reason
        if verdict.action == "flag":
            return {**answer, **said, "flagged": True}
        kept = {name: answer[name] for name in STILL_TOLD if name in answer}
        return {**kept, **said, "held": True}


@cache
def _counts() -> Counter:
    """Registered once a process: Prometheus refuses a name twice."""
    from prometheus_client import Counter

    return Counter(
        "bertworks_reviewed",
        "Answers by what became of them: passed, flagged, held; and by the rule that said so.",
        ["model_name", "outcome", "rule"],
    )
