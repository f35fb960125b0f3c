"""What the gates decided, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from bertworks.contracts.files import OMIT, File

Verdict = Literal["promoted", "kept", "refused"]


@dataclass(frozen=True)
class Rule:
    """One rule, and how it ended.

    Attributes:
        name: As in the spec's gates, for example "max_drop"; in a retraining also "beat_noise",
            "finds_new_labels" and "keeps_old_labels".
        limit: What it asks; null where it has no number.
        value: What was measured; null where nothing was.
        passed: Whether it is met, or could not be judged.
        judged: False where the machine was too busy to tell.
        note: What a person should know of it; may be "".
        metric: Where it is another than the decision's.
    """

    name: str
    limit: float | None
    value: float | None
    passed: bool
    judged: bool = True
    note: str = ""
    metric: str | None = field(default=None, metadata=OMIT)


@dataclass(frozen=True)
class Interval:
    """A difference and its 95 % interval.

    Attributes:
        value: The difference.
        low: Lower end; null without resamples.
        high: Upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Compared:
    """The champion that the bundle was compared with.

    Attributes:
        version: Its number in the store.
        digest: Of its bundle.
        value: Its value of the metric on this run's test rows; null where it does another task.
        difference: How much the bundle is above it on the same rows.
    """

    version: int
    digest: str
    value: float | None = None
    difference: Interval | None = None


@dataclass(frozen=True)
class Decision:
    """decision.json: whether a bundle may serve.

    Attributes:
        passed: Whether every rule is met.
        metric: Which metric the rules go by.
        rules: Every rule that was asked for.
        reasons: Why not, a sentence a rule that is not met.
        new_labels: Labels that the champion does not know.
        outcome: "promoted", "kept" (good, but not better than the champion) or "refused".
        challenger: The bundle's value of the metric.
        champion: What it was compared with, both measured on this run's test rows; null without one.
    """

    passed: bool
    metric: str
    rules: list[Rule]
    reasons: list[str]
    new_labels: list[str] = field(default_factory=list)
    outcome: Verdict = "promoted"
    challenger: float | None = None
    champion: Compared | None = None

    @property
    def broken(self) -> Iterator[Rule]:
        """The rules that are not met."""
        return (rule for rule in self.rules if not rule.passed)


def with_outcome(record: Any) -> Any:
    """Decisions of before there were retrainings have no outcome of their own."""
    return {"outcome": "promoted" if record["passed"] else "refused", **record}


DECISION: File[Decision] = File("decision.json", Decision, migrate=with_outcome)
