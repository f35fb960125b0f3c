"""How sure a bundle's answers are: calibration, what is held back, the risk-coverage curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bertworks.contracts.confidence import MeasuredConfidence, OutOfScope, SplitConfidence
from bertworks.pages.charts import LineChart, line_chart
from bertworks.pages.parts import Table
from bertworks.pages.text import number
from bertworks.pages.views import View

Value = Callable[[SplitConfidence], float | None]
ROWS: dict[str, Value] = {
    "calibration error before": lambda one: one.error_before,
    "calibration error": lambda one: one.error,
    "calibration error by chance alone": lambda one: one.chance,
    "right, of all": lambda one: one.accuracy,
    "confident": lambda one: one.coverage,
    "right, of the confident": lambda one: one.confident_accuracy,
    "taken for out of scope": lambda one: one.refused,
    "true label in the set": lambda one: one.set_coverage,
    "labels in a set": lambda one: one.set_size,
}


@dataclass(frozen=True)
class ConfidencePart(View):
    """A row a measure and a column a split; what became of texts out of scope, where there are any."""

    template = "confidence.html.j2"

    temperature: str
    table: Table
    outside: OutsideLine | None
    curve: LineChart


@dataclass(frozen=True)
class OutsideLine:
    """How well texts that are out of scope were told, and by source where there are several."""

    rows: str
    recall: str
    auroc: str
    sources: Table | None


def confidence(found: MeasuredConfidence) -> ConfidencePart:
    """The part of a page."""
    names = list(found.splits)
    rows: list[list[object]] = [["rows", *(number(one.rows) for one in found.splits.values())]]
    for title, value_of in ROWS.items():
        values = [value_of(one) for one in found.splits.values()]
        if any(value is not None for value in values):
            rows.append([title, *("–" if one is None else f"{one:.4f}" for one in values)])
    curves = {
        name: [(kept.coverage, kept.accuracy) for kept in one.curve]
        for name, one in found.splits.items()
    }
    return ConfidencePart(
        temperature=f"{found.temperature:.3f}",
        table=Table(["", *names], rows, range(1, 1 + len(names))),
        outside=_outside(found.out_of_scope),
        curve=line_chart(curves, "share of the rows answered, the surest first", "right"),
    )


def _outside(found: OutOfScope | None) -> OutsideLine | None:
    if found is None:
        return None
    rows = [[one.uri, number(one.rows), f"{one.recall:.4f}"] for one in found.sources]
    table = Table(["out of scope", "texts", "told"], rows, [1, 2]) if len(rows) > 1 else None
    return OutsideLine(number(found.rows), f"{found.recall:.4f}", f"{found.auroc:.4f}", table)
