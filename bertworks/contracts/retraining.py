"""What a retraining found, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from bertworks.contracts.decision import Compared, Interval, Verdict
from bertworks.contracts.files import OMIT, File

Ending = Literal["unchanged", "promoted", "kept", "refused", "cancelled", "failed"]


@dataclass(frozen=True)
class Drift:
    """How far one side of the data has moved.

    Attributes:
        name: "text" or "labels".
        value: Divergence in bits, 0 (same) to 1, less what chance gives on average.
        limit: More than this is a change.
        by_chance: Whether one in a hundred shuffles of the same rows gives as much.
    """

    name: str
    value: float
    limit: float
    by_chance: bool

    @property
    def is_change(self) -> bool:
        """Whether it is above the limit, and not by chance."""
        return self.value > self.limit and not self.by_chance


@dataclass(frozen=True)
class Version:
    """A version of the model store.

    Attributes:
        version: Its number.
        digest: Of its bundle.
    """

    version: int
    digest: str


@dataclass(frozen=True)
class Counts:
    """A challenger's rows in numbers.

    Attributes:
        new: New to the champion.
        relabelled: Of these, known with another label.
        waiting: New, but their label has too few training rows yet.
        rehearsed: Old, trained on again.
        left_out: Old, not trained on again.
        train: In the challenger's train split.
        validation: In its validation split.
        test: In its test split, where the champion is judged too.
    """

    new: int = 0
    relabelled: int = 0
    waiting: int = 0
    rehearsed: int = 0
    left_out: int = 0
    train: int = 0
    validation: int = 0
    test: int = 0


@dataclass(frozen=True)
class Comparison:
    """comparison.json: what is new, and whether it is worth a training.

    Attributes:
        changed: Whether to train a challenger.
        reason: Why, in one sentence.
        new: Rows that decide: new since the champion, or since its last challenger.
        rows: What a challenger would be trained on and measured with.
        new_labels: Labels that the champion does not know.
        drift: How far the new rows have moved.
        champion: Which version serves; null without one.
        tried: The last challenger that did not replace it, or null.
        warm_start: Whether training starts from the champion's weights.
        notes: What a person should know about what the champion left.
        made_of: Of a dialogue: place of a source, a file or a spec to what tells its content, taken
            before any of it was read.
    """

    changed: bool
    reason: str
    new: int
    rows: Counts
    new_labels: list[str] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)
    champion: Version | None = None
    tried: Version | None = None
    warm_start: bool = False
    notes: list[str] = field(default_factory=list)
    made_of: dict[str, str] | None = field(default=None, metadata=OMIT)


@dataclass(frozen=True)
class Challenge:
    """What became of a challenger, as the register step notes it.

    Attributes:
        outcome: "promoted", "kept" or "refused".
        version: Its number in the store.
        metric: What it was judged by.
        reasons: Why it did not replace the champion.
        challenger: Its value of the metric.
        champion: What it was compared with.
        digest: Of its bundle.
    """

    outcome: Verdict
    version: int
    metric: str
    reasons: list[str]
    challenger: float | None = None
    champion: Compared | None = None
    digest: str = ""


@dataclass(frozen=True)
class Outcome:
    """outcome.json: how a retraining ended.

    Attributes:
        agent: Its name.
        run: The run's id.
        time: When it ended, ISO 8601, UTC.
        outcome: "unchanged", "promoted", "kept", "refused", "cancelled" or "failed".
        text: All of it in one sentence, as chat systems show it.
        reason: Why it ended so.
        step: Which step failed; null where none did.
        champion: The version that was compared with; null without one.
        challenger: The version that was made; null where none was.
        metric: What they were judged by.
        challenger_value: The challenger's value.
        champion_value: The champion's, on the same rows.
        difference: How much the challenger is above the champion.
        rows: The challenger's rows.
        new_rows: Rows that decided.
        new_labels: Labels that the champion does not know.
        drift: How far the new rows have moved.
        format: Of the file.
    """

    agent: str
    run: str
    time: str
    outcome: Ending
    text: str
    reason: str = ""
    step: str | None = None
    champion: int | None = None
    challenger: int | None = None
    metric: str | None = None
    challenger_value: float | None = None
    champion_value: float | None = None
    difference: Interval | None = None
    rows: Counts | None = None
    new_rows: int | None = None
    new_labels: list[str] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)
    format: int = 1


def _named(outcome: Any) -> Any:
    """The agent's name stands first in the text too."""
    return {"agent": outcome["text"].partition(":")[0], **outcome}


COMPARISON: File[Comparison] = File("comparison.json", Comparison)
CHALLENGE: File[Challenge] = File("register.json", Challenge)
OUTCOME: File[Outcome] = File("outcome.json", Outcome, migrate=_named)
