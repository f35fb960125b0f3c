"""What a model or a bundle says of itself: agent.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import BeforeValidator

from bertworks.contracts.bundle import EngineFile, Times, Tried
from bertworks.contracts.confidence import Calibration
from bertworks.contracts.files import OMIT, File
from bertworks.contracts.tokens import Tokens
from bertworks.spec import Clean, Serve, Task


def _each_once(labels: Any) -> Any:
    texts = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    if not texts or len(set(labels)) < len(labels):
        raise ValueError("labels must be texts, none twice")
    return labels


@dataclass(frozen=True)
class AgentRecord:
    """agent.json.

    Attributes:
        task: What the agent does.
        max_length: Tokens that are read at once.
        labels: In the order of the logits; empty for regression.
        clean: How it cleans every text before it reads it, as ingest cleaned the rows; null or left out
            (bundles of before it was recorded): not at all, as then. Rows of an examples artifact are
            not cleaned a second time.
        score: Regression: mean, std, min and max of the training scores; else null.
        base: URI of the encoder that it goes back to.
        parents: Name to digest of what it was made from.
        engine: What runs a bundle's graph.
        candidates: Of a bundle: every candidate that it was chosen from.
        serve: Of a bundle: the spec's serve, without deploy.
        columns: Of a bundle: what the spec's sources call the columns that `predict` reads.
        calibration: Of a bundle: how sure its answers are; left out (models, and bundles of format 1):
            scores are as the graph gives them, and nothing is held back.
        format: Of the file; before 2 there was no calibration.
    """

    task: Task
    max_length: int
    labels: Annotated[list[str], BeforeValidator(_each_once)] = field(default_factory=list)
    clean: Clean | None = None
    score: dict[str, float] | None = None
    base: str = ""
    parents: dict[str, str] = field(default_factory=dict)
    engine: EngineFile | None = field(default=None, metadata=OMIT)
    candidates: list[Tried] | None = field(default=None, metadata=OMIT)
    serve: Mapping[str, object] | None = field(default=None, metadata=OMIT)
    columns: dict[str, list[str]] | None = field(default=None, metadata=OMIT)
    calibration: Calibration | None = field(default=None, metadata=OMIT)
    format: int = 2

    @property
    def temperature(self) -> float:
        """What logits are divided by before they become scores."""
        return self.calibration.temperature if self.calibration else 1.0

    @property
    def port(self) -> int:
        """Where a bundle is served unless told otherwise."""
        port = (self.serve or {}).get("port")
        return port if isinstance(port, int) else Serve().port

    @classmethod
    def of(cls, tokens: Tokens, base: str, parents: Mapping[str, str]) -> AgentRecord:
        """What a model that learned from these rows says of itself."""
        return cls(
            tokens.task, tokens.max_length, tokens.labels, tokens.clean, tokens.score, base,
            dict(parents),
        )  # fmt: skip

    def reading(self, max_length: int) -> AgentRecord:
        """The same, of a model that reads so many tokens at once."""
        task = self.task.model_copy(update={"max_length": max_length})
        return replace(self, task=task, max_length=max_length)


def _completed(agent: Any) -> Any:
    """Before there were windows, all rows were cut; before there was timings.json, times stood here."""
    task = {"long_text": "cut", **agent["task"], "max_length": agent["max_length"]}
    candidates = agent.get("candidates")
    if candidates is not None:
        agent = {**agent, "candidates": [_times_apart(candidate) for candidate in candidates]}
    labels = agent.get("labels") or []
    return {**agent, "task": task, "labels": labels, "format": agent.get("format", 1)}


def _times_apart(candidate: Mapping[str, Any]) -> Mapping[str, Any]:
    times = {key: candidate[key] for key in Times.__dataclass_fields__ if key in candidate}
    kept = {key: value for key, value in candidate.items() if key not in times}
    return {**kept, "times": times} if times else kept


AGENT: File[AgentRecord] = File("agent.json", AgentRecord, version=2, migrate=_completed)
