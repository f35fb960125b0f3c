"""The evaluate step's page: scores beside the floor, confusion, slices, report, worst errors."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bertworks.contracts.confidence import CONFIDENCE
from bertworks.contracts.latency import LATENCY, Speed
from bertworks.contracts.metrics import (
    CONFUSION,
    ERRORS,
    FLOOR,
    METRICS,
    REPORT,
    Confusion,
    LabelReport,
    LabelScores,
    Metric,
    Span,
    Spans,
    WrongRow,
    overall,
)
from bertworks.pages.charts import HeatTable, heat_table
from bertworks.pages.confidence import ConfidencePart, confidence
from bertworks.pages.parts import (
    Badge,
    BadgeKind,
    Bar,
    MarkedSentence,
    MarkedWord,
    Short,
    Table,
    marked,
)
from bertworks.pages.text import cut, number, spoken
from bertworks.pages.views import View
from bertworks.spec.task_kinds import lower_is_better
from bertworks.storage.artifacts import Artifact

_RANGE = re.compile(r"-?[\d.]+(e[+-]?\d+)?( to -?[\d.]+(e[+-]?\d+)?)?")
MOST_LABELS = 30
"""Larger confusion matrices are left to confusion.json."""
UNFOLDED = 20
"""Rows of a table that are shown at once; the others are there at a click."""


@dataclass(frozen=True)
class EvaluationPage(View):
    """All that was measured; None where there is nothing to show."""

    template = "evaluation.html.j2"

    title: str
    scores: ScoreTable
    speed: SpeedLine
    sure: ConfidencePart | None
    confusion: HeatTable | MostConfused | None
    slices: SliceTables | None
    by_label: LabelTables | None
    worst: Table | None


class ScoreView(View):
    """A part that a macro of scores.html.j2 shows."""

    template = "scores.html.j2"


@dataclass(frozen=True)
class ScoreTable(ScoreView):
    """A table of metrics, and how many rows they are of."""

    macro = "scores"

    table: Table
    rows: str


@dataclass(frozen=True)
class SpeedLine(ScoreView):
    """Speed and size as they are written."""

    macro = "speed"

    median: str
    p95: str
    rows_per_second: str
    size: str
    threads: int


@dataclass(frozen=True)
class MostConfused(ScoreView):
    """What stands for a confusion matrix of too many labels."""

    macro = "most_confused"

    labels: int
    pairs: Table


@dataclass(frozen=True)
class SliceTables(ScoreView):
    """A table a slicing column."""

    macro = "slices"

    tables: Sequence[Table]


@dataclass(frozen=True)
class LabelTables(ScoreView):
    """Tables by label, each with its heading."""

    macro = "by_label"

    tables: Mapping[str, Table]


def page(title: str, metrics: Artifact | Path) -> str:
    """The page of a metrics folder.

    Args:
        title: Its heading.
        metrics: A metrics artifact, or its folder while it is written.
    """
    entries = METRICS.read(metrics)
    view = EvaluationPage(
        title=title,
        scores=scores(entries, FLOOR.read(metrics)),
        speed=speed_line(LATENCY.read(metrics)),
        sure=sure(metrics),
        confusion=confusion(CONFUSION.read(metrics)),
        slices=slices(entries),
        by_label=report(REPORT.read(metrics)),
        worst=worst(ERRORS.read(metrics)),
    )
    return str(view)


def sure(metrics: Artifact | Path) -> ConfidencePart | None:
    """How sure the answers are; None for a model, and for bundles of before it was measured."""
    if not (metrics / CONFIDENCE.name).is_file():
        return None
    return confidence(CONFIDENCE.read(metrics))


def scores(entries: Sequence[Metric], floor: Sequence[Metric]) -> ScoreTable:
    """Every metric over all rows with its interval, and the floor's."""
    known = overall(floor)
    rows = []
    for one in overall(entries).values():
        below = known.get(one.name)
        gain: object = ""
        if below is not None:
            better = one.value - below.value
            kind: BadgeKind = "good" if (better < 0) == lower_is_better(one.name) else "bad"
            gain = Badge(f"{better:+.3f}", kind if abs(better) >= 5e-4 else "plain")
        rows.append([spoken(one.name), decimal(one), interval(one), decimal(below), gain])
    headers = ["metric", "model", "95 % interval", "floor", "gain"]
    rows_used = next((one.rows for one in entries), 0)
    return ScoreTable(Table(headers, rows, (1, 3)), number(rows_used))


def speed_line(latency: Speed) -> SpeedLine:
    """One line on speed and size."""
    return SpeedLine(
        median=f"{latency.p50_ms:.2f}",
        p95=f"{latency.p95_ms:.2f}",
        rows_per_second=number(round(latency.rows_per_second)),
        size=f"{latency.size_mb:.1f}",
        threads=latency.threads,
    )


def confusion(table: Confusion | None) -> HeatTable | MostConfused | None:
    """The confusion matrix as a heat table; of many labels the most frequent confusions."""
    if table is None:
        return None
    labels, matrix = table.labels, table.matrix
    if len(labels) <= MOST_LABELS:
        return heat_table(labels, matrix)
    pairs = [
        (matrix[row][column], labels[row], labels[column])
        for row in range(len(labels))
        for column in range(len(labels))
        if row != column and matrix[row][column]
    ]
    pairs.sort(key=lambda pair: -pair[0])
    rows = [[true, predicted, count] for count, true, predicted in pairs[:20]]
    return MostConfused(len(labels), Table(["true", "predicted", "rows"], rows, [2]))


def slices(entries: Sequence[Metric]) -> SliceTables | None:
    """A table a slicing column: rows, and each metric that was computed by slice."""
    parts: dict[str, dict[str, dict[str, Metric]]] = {}
    for one in entries:
        if one.slice:
            column, _, value = one.slice.partition("=")
            parts.setdefault(column, {}).setdefault(value, {})[one.name] = one
    tables = []
    for column, values in parts.items():
        names = list(dict.fromkeys(name for one in values.values() for name in one))
        rows = [
            [value, next(iter(by_name.values())).rows]
            + [decimal(by_name.get(name)) for name in names]
            + [_bar(by_name.get(names[0]))]
            for value, by_name in _worst_first(values, names[0])
        ]
        headers = [column, "rows", *map(spoken, names), ""]
        tables.append(Table(headers, rows, range(1, 2 + len(names)), UNFOLDED))
    return SliceTables(tables) if tables else None


def _worst_first(
    values: Mapping[str, dict[str, Metric]], name: str
) -> list[tuple[str, dict[str, Metric]]]:
    """By a metric, of two that are as bad the one with more rows; ranges of numbers stay in order."""
    parts = list(values.items())
    if any(" to " in value for value in values) and all(map(_RANGE.fullmatch, values)):
        return parts
    sign = -1.0 if lower_is_better(name) else 1.0

    def badness(part: tuple[str, dict[str, Metric]]) -> tuple[float, int]:
        one = part[1].get(name)
        return (math.inf, 0) if one is None else (sign * one.value, -one.rows)

    return sorted(parts, key=badness)


def report(tables: LabelReport) -> LabelTables | None:
    """Precision, recall, F1 and support by label, and by entity type for tagging."""
    parts = {"By entity type": tables.entities, "By label": tables.labels}
    found = {heading: _by_label(table) for heading, table in parts.items() if table}
    return LabelTables(found) if found else None


def _by_label(table: Mapping[str, LabelScores]) -> Table:
    rows = [
        [label, *(f"{value:.3f}" for value in (one.precision, one.recall, one.f1)), one.support]
        for label, one in sorted(table.items(), key=_lowest_f1)
    ]
    headers = ["", "precision", "recall", "F1", "support"]
    return Table(headers, rows, range(1, 5), UNFOLDED)


def _lowest_f1(entry: tuple[str, LabelScores]) -> tuple[float, int]:
    return entry[1].f1, -entry[1].support


def worst(errors: Sequence[WrongRow], most: int = 50) -> Table | None:
    """The worst errors; in tagging with both their answers marked in the sentence."""
    if not errors:
        return None
    shown = errors[:most]
    spans = [one.spans for one in shown if one.spans is not None]
    if len(spans) == len(shown):
        kinds = kinds_of(spans)
        found = [
            [sentences(one.text, both, kinds), f"{one.score:.3f}"]
            for one, both in zip(shown, spans, strict=True)
        ]
        return Table(["text", "how sure"], found, [1])
    rows = [
        [cut(one.text, 300), answer(one.truth), answer(one.prediction), f"{one.score:.3f}"]
        for one in shown
    ]  # fmt: skip
    return Table(["text", "truth", "prediction", "how sure or how far"], rows, [3])


def kinds_of(many: Iterable[Spans]) -> list[str]:
    """The kinds of entities in several rows, in the order of the alphabet."""
    return sorted({span[0] for both in many for span in (*both.truth, *both.prediction)})


def sentences(text: str, spans: Spans, kinds: Sequence[str]) -> MarkedSentence:
    """A sentence with its entities marked: once where the answer is right, else truth and answer."""
    words = text.split(" ")
    if spans.truth == spans.prediction:
        return MarkedSentence([("", _marked(words, spans.truth, kinds))])
    both = (("truth", spans.truth), ("prediction", spans.prediction))
    return MarkedSentence([(name, _marked(words, found, kinds)) for name, found in both])


def _marked(words: list[str], spans: Sequence[Span], kinds: Sequence[str]) -> list[MarkedWord]:
    """Of a text that was cut, the entities that are still in it."""
    inside = [(kind, start, end) for kind, start, end in spans if end <= len(words)]
    return marked(words, inside, kinds)


def answer(value: object) -> object:
    """A truth or prediction as a cell: lists are joined, none is a dash."""
    if isinstance(value, list):
        value = "; ".join(map(str, value)) or "–"
    return Short(value) if isinstance(value, str) and len(value) <= 24 else value


def decimal(one: Metric | None) -> str:
    """A metric's value with four decimals, a dash when it is not there."""
    return "–" if one is None else f"{one.value:.4f}"


def interval(one: Metric) -> str:
    """A metric's interval, a dash when there is none."""
    if one.low is None or one.high is None:
        return "–"
    return f"{one.low:.4f} to {one.high:.4f}"


def _bar(one: Metric | None) -> Bar | str:
    """The metric as a share of 1; empty where it is no share."""
    return "" if one is None or not 0 <= one.value <= 1 else Bar.of(one.value, 120)
