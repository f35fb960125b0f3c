"""The evaluate step's page: scores beside the floor, confusion, slices, report, worst errors."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

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
from bertworks.pages import html
from bertworks.spec.task_kinds import lower_is_better
from bertworks.storage.artifacts import Artifact

_RANGE = re.compile(r"-?[\d.]+(e[+-]?\d+)?( to -?[\d.]+(e[+-]?\d+)?)?")
MOST_LABELS = 30
"""Larger confusion matrices are left to confusion.json."""
UNFOLDED = 20
"""Rows of a table that are shown at once; the others are there at a click."""


def page(title: str, metrics: Artifact | Path) -> str:
    """The page of a metrics folder.

    Args:
        title: Its heading.
        metrics: A metrics artifact, or its folder while it is written.
    """
    entries = METRICS.read(metrics)
    parts = [
        Markup("<h2>Scores on the test split</h2>"),
        scores(entries, FLOOR.read(metrics)),
        latency_line(LATENCY.read(metrics)),
        confusion(CONFUSION.read(metrics)),
        slices(entries),
        report(REPORT.read(metrics)),
        worst(ERRORS.read(metrics)),
    ]
    style = Markup("<style>.short { white-space: nowrap; }</style>")
    return html.page(title, style + Markup("\n").join(parts))


def scores(entries: Sequence[Metric], floor: Sequence[Metric]) -> Markup:
    """Every metric over all rows with its interval, and the floor's."""
    known = overall(floor)
    rows = []
    for one in overall(entries).values():
        below = known.get(one.name)
        gain: object = ""
        if below is not None:
            better = one.value - below.value
            kind = "good" if (better < 0) == lower_is_better(one.name) else "bad"
            gain = html.badge(f"{better:+.3f}", kind if abs(better) >= 5e-4 else "plain")
        rows.append([spoken(one.name), decimal(one), interval(one), decimal(below), gain])
    headers = ["metric", "model", "95 % interval", "floor", "gain"]
    rows_used = next((one.rows for one in entries), 0)
    note = Markup('<p class="soft">{} rows. The floor is a linear model on word counts.</p>')
    return html.table(headers, rows, numeric_columns=(1, 3)) + note.format(html.number(rows_used))


def latency_line(latency: Speed) -> Markup:
    """One line on speed and size."""
    return Markup(
        "<p>One row at a time: <b>{} ms</b> in the middle, <b>{} ms</b> at the 95th percentile. "
        "In batches: <b>{} rows/s</b>. Size: <b>{} MB</b>. Threads: {}.</p>"
    ).format(
        f"{latency.p50_ms:.2f}",
        f"{latency.p95_ms:.2f}",
        html.number(round(latency.rows_per_second)),
        f"{latency.size_mb:.1f}",
        latency.threads,
    )


def confusion(table: Confusion | None) -> Markup:
    """The confusion matrix as a heat table."""
    if table is None:
        return Markup("")
    heading = Markup("<h2>Confusion matrix</h2>")
    labels, matrix = table.labels, table.matrix
    if len(labels) <= MOST_LABELS:
        return heading + html.heat_table(labels, matrix)
    pairs = [
        (matrix[row][column], labels[row], labels[column])
        for row in range(len(labels))
        for column in range(len(labels))
        if row != column and matrix[row][column]
    ]
    pairs.sort(key=lambda pair: -pair[0])
    rows = [[true, predicted, count] for count, true, predicted in pairs[:20]]
    note = Markup('<p class="soft">{} labels; the most frequent confusions.</p>')
    return heading + note.format(len(labels)) + html.table(["true", "predicted", "rows"], rows, [2])


def slices(entries: Sequence[Metric]) -> Markup:
    """A table a slicing column: rows, and each metric that was computed by slice."""
    parts: dict[str, dict[str, dict[str, Metric]]] = {}
    for one in entries:
        if one.slice:
            column, _, value = one.slice.partition("=")
            parts.setdefault(column, {}).setdefault(value, {})[one.name] = one
    if not parts:
        return Markup("")
    found = Markup("<h2>Slices</h2>")
    for column, values in parts.items():
        names = list(dict.fromkeys(name for one in values.values() for name in one))
        rows = [
            [value, next(iter(by_name.values())).rows]
            + [decimal(by_name.get(name)) for name in names]
            + [_bar(by_name.get(names[0]))]
            for value, by_name in _worst_first(values, names[0])
        ]
        headers = [column, "rows", *map(spoken, names), ""]
        found += folded(headers, rows, range(1, 2 + len(names)))
    return found


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


def folded(
    headers: Sequence[object], rows: Sequence[Sequence[object]], numeric_columns: Sequence[int] = ()
) -> Markup:
    """A table of the first `UNFOLDED` rows, and the others folded below it."""
    table = html.table(headers, rows[:UNFOLDED], numeric_columns)
    if len(rows) <= UNFOLDED:
        return table
    rest = html.table(headers, rows[UNFOLDED:], numeric_columns)
    more = f"{len(rows) - UNFOLDED} more, of {len(rows)}"
    return table + Markup("<details><summary>{}</summary>{}</details>").format(more, rest)


def report(tables: LabelReport) -> Markup:
    """Precision, recall, F1 and support by label, and by entity type for tagging."""
    found = Markup("")
    parts = {"By entity type": tables.entities, "By label": tables.labels}
    for heading, table in parts.items():
        if table:
            rows = [
                [
                    label,
                    *(f"{value:.3f}" for value in (one.precision, one.recall, one.f1)),
                    one.support,
                ]
                for label, one in sorted(table.items(), key=_lowest_f1)
            ]
            headers = ["", "precision", "recall", "F1", "support"]
            found += Markup("<h2>{}</h2>").format(heading) + folded(headers, rows, range(1, 5))
    return found


def _lowest_f1(entry: tuple[str, LabelScores]) -> tuple[float, int]:
    return entry[1].f1, -entry[1].support


def worst(errors: Sequence[WrongRow], most: int = 50) -> Markup:
    """The worst errors; in tagging with both their answers marked in the sentence."""
    if not errors:
        return Markup("")
    shown = errors[:most]
    heading = Markup("<h2>Worst errors</h2>")
    spans = [one.spans for one in shown if one.spans is not None]
    if len(spans) == len(shown):
        kinds = kinds_of(spans)
        marked = [
            [sentences(one.text, both, kinds), f"{one.score:.3f}"]
            for one, both in zip(shown, spans, strict=True)
        ]
        return heading + html.table(["text", "how sure"], marked, [1])
    rows = [
        [html.cut(one.text, 300), answer(one.truth), answer(one.prediction), f"{one.score:.3f}"]
        for one in shown
    ]  # fmt: skip
    headers = ["text", "truth", "prediction", "how sure or how far"]
    return heading + html.table(headers, rows, [3])


def kinds_of(many: Iterable[Spans]) -> list[str]:
    """The kinds of entities in several rows, in the order of the alphabet."""
    return sorted({span[0] for both in many for span in (*both.truth, *both.prediction)})


def sentences(text: str, spans: Spans, kinds: Sequence[str]) -> Markup:
    """A sentence with its entities marked: once where the answer is right, else truth and answer."""
    words = text.split(" ")
    if spans.truth == spans.prediction:
        return _marked(words, spans.truth, kinds)
    line = Markup('<div><span class="soft">{}:</span> {}</div>')
    return Markup("").join(
        line.format(who, _marked(words, found, kinds))
        for who, found in (("truth", spans.truth), ("prediction", spans.prediction))
    )


def _marked(words: list[str], spans: Sequence[Span], kinds: Sequence[str]) -> Markup:
    """Of a text that was cut, the entities that are still in it."""
    inside = [(kind, start, end) for kind, start, end in spans if end <= len(words)]
    return html.marked(words, inside, kinds)


def answer(value: object) -> object:
    """A truth or prediction as a cell: lists are joined, none is a dash."""
    if isinstance(value, list):
        value = "; ".join(map(str, value)) or "–"
    if isinstance(value, str) and len(value) <= 24:
        return Markup('<span class="short">{}</span>').format(html.visible(value))
    return value


def spoken(name: str) -> str:
    """The name of a metric as people write it."""
    known = {
        "macro_f1": "macro F1", "micro_f1": "micro F1", "mcc": "MCC", "roc_auc": "ROC-AUC",
        "entity_f1": "entity F1", "token_f1": "token F1 (O included)", "mae": "MAE",
        "rmse": "RMSE", "pearson": "Pearson", "spearman": "Spearman",
        "entity_macro_f1": "entity macro F1", "token_macro_f1": "token macro F1",
    }  # fmt: skip
    return known.get(name, name.replace("_", " "))


def decimal(one: Metric | None) -> str:
    """A metric's value with four decimals, a dash when it is not there."""
    return "–" if one is None else f"{one.value:.4f}"


def interval(one: Metric) -> str:
    """A metric's interval, a dash when there is none."""
    if one.low is None or one.high is None:
        return "–"
    return f"{one.low:.4f} to {one.high:.4f}"


def _bar(one: Metric | None) -> Markup:
    if one is None or not 0 <= one.value <= 1:
        return Markup("")
    return Markup(
        '<svg viewBox="0 0 120 12" width="120" height="12" role="img">'
        '<rect width="120" height="12" rx="2" fill="var(--panel)"/>'
        '<rect width="{}" height="12" rx="2" fill="var(--c0)"/></svg>'
    ).format(round(120 * one.value, 1))
