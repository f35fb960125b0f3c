"""What an evaluation measured: scores, confusions, tables by label, the worst errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bertworks.contracts.files import OMIT, File
from bertworks.errors import SpecError


@dataclass(frozen=True)
class Metric:
    """One metric over all rows, or over a slice of them.

    Attributes:
        name: For example "macro_f1".
        value: As measured.
        low: Lower end of the 95 % bootstrap interval; null without one.
        high: Its upper end.
        slice: "" for all rows, else column and value, for example "length=5 to 17".
        rows: How many rows it is of.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    slice: str = ""
    rows: int = 0


@dataclass(frozen=True)
class Confusion:
    """How often which label was taken for which.

    Attributes:
        labels: Of rows and columns.
        matrix: Counts, shape (labels, labels); rows are true labels.
    """

    labels: list[str]
    matrix: list[list[int]]


@dataclass(frozen=True)
class LabelScores:
    """How well one label is found; also of the rows "micro average", "macro average" and so on.

    Attributes:
        precision: Of the rows that were given it, the share that have it.
        recall: Of the rows that have it, the share that were given it.
        f1: The harmonic mean of both.
        support: Rows that have it.
    """

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class LabelReport:
    """Precision, recall, F1 and support.

    Attributes:
        labels: By label (tagging: by tag; understanding: by intent); empty for regression.
        entities: Tagging: by type of entity.
    """

    labels: dict[str, LabelScores] = field(default_factory=dict)
    entities: dict[str, LabelScores] = field(default_factory=dict)


Span = tuple[str, int, int]
"""An entity: its type, its first word, and one past its last."""


@dataclass(frozen=True)
class Spans:
    """The entities of a row; words are what stands between spaces in the text.

    Attributes:
        truth: Those that are there.
        prediction: Those that were answered.
    """

    truth: list[Span]
    prediction: list[Span]


@dataclass(frozen=True)
class WrongRow:
    """A row that was answered wrongly.

    Attributes:
        id: The row's.
        text: Cut at 500 characters, and then ends in "…".
        truth: Its label, labels, score or entities.
        prediction: What was answered.
        score: The probability given to the wrong answer (tagging: to the surest wrong tag); for
            regression the distance from the truth.
        spans: Tagging: both answers as entities.
    """

    id: str
    text: str
    truth: str | float | list[str]
    prediction: str | float | list[str]
    score: float
    spans: Spans | None = field(default=None, metadata=OMIT)


METRICS: File[list[Metric]] = File("metrics.json", list[Metric])
FLOOR: File[list[Metric]] = File("floor.json", list[Metric])
CONFUSION: File[Confusion | None] = File("confusion.json", Confusion | None)
REPORT: File[LabelReport] = File("report.json", LabelReport)
ERRORS: File[list[WrongRow]] = File("errors.json", list[WrongRow])


def overall(metrics: Sequence[Metric]) -> dict[str, Metric]:
    """Those over all rows, by name."""
    return {one.name: one for one in metrics if one.slice == ""}


def value_of(metrics: Sequence[Metric], name: str) -> float:
    """The value of a metric over all rows.

    Raises:
        SpecError: The metric was not measured.
    """
    known = overall(metrics)
    if name not in known:
        raise SpecError(
            f"There is no metric {name!r} for this task.",
            f"Choose one of: {', '.join(sorted(known))}.",
        )
    return known[name].value
