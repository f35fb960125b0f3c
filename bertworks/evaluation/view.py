"""The evaluate step's page: scores beside the floor, confusion, slices, report, worst errors."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from bertworks import html
from bertworks.artifacts import Artifact
from bertworks.evaluation.measures import LOWER_IS_BETTER

Entries = list[dict[str, Any]]
MOST_LABELS = 30
"""Larger confusion matrices are left to confusion.json."""


def page(title: str, metrics: Artifact | Any) -> str:
    """The page of a metrics folder.

    Args:
        title: Its heading.
        metrics: Anything with `.json(name)` for the files of a metrics artifact.
    """
    latency = metrics.json("latency.json")
    parts = [
        Markup("<h2>Scores on the test split</h2>"),
        scores(metrics.json("metrics.json"), metrics.json("floor.json")),
        latency_line(latency),
        confusion(metrics.json("confusion.json")),
        slices(metrics.json("metrics.json")),
        report(metrics.json("report.json")),
        worst(metrics.json("errors.json")),
    ]
    style = Markup("<style>.short { white-space: nowrap; }</style>")
    return html.page(title, style + Markup("\n").join(parts))


def scores(entries: Entries, floor: Entries) -> Markup:
    """Every metric over all rows with its interval, and the floor's."""
    known = {one["name"]: one for one in floor}
    rows = []
    for one in _overall(entries):
        below = known.get(one["name"])
        gain: object = ""
        if below is not None:
            better = one["value"] - below["value"]
            kind = "good" if (better < 0) == (one["name"] in LOWER_IS_BETTER) else "bad"
            gain = html.badge(f"{better:+.3f}", kind if abs(better) >= 5e-4 else "plain")
        rows.append([spoken(one["name"]), decimal(one), interval(one), decimal(below), gain])
    headers = ["metric", "model", "95 % interval", "floor", "gain"]
    rows_used = next((one["rows"] for one in entries), 0)
    note = Markup('<p class="soft">{} rows. The floor is a linear model on word counts.</p>')
    return html.table(headers, rows, numeric_columns=(1, 3)) + note.format(html.number(rows_used))


def latency_line(latency: dict[str, Any]) -> Markup:
    """One line on speed and size."""
    return Markup(
        "<p>One row at a time: <b>{} ms</b> in the middle, <b>{} ms</b> at the 95th percentile. "
        "In batches: <b>{} rows/s</b>. Size: <b>{} MB</b>. Threads: {}.</p>"
    ).format(
        f"{latency['p50_ms']:.2f}",
        f"{latency['p95_ms']:.2f}",
        html.number(round(latency["rows_per_second"])),
        f"{latency['size_mb']:.1f}",
        latency["threads"],
    )


def confusion(table: dict[str, Any] | None) -> Markup:
    """The confusion matrix as a heat table."""
    if not table:
        return Markup("")
    heading = Markup("<h2>Confusion matrix</h2>")
    labels, matrix = table["labels"], table["matrix"]
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


def slices(entries: Entries) -> Markup:
    """A table a slicing column: rows, and each metric that was computed by slice."""
    parts: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    for one in entries:
        if one["slice"]:
            column, _, value = one["slice"].partition("=")
            parts.setdefault(column, {}).setdefault(value, {})[one["name"]] = one
    if not parts:
        return Markup("")
    found = Markup("<h2>Slices</h2>")
    for column, values in parts.items():
        names = list(dict.fromkeys(name for one in values.values() for name in one))
        rows = [
            [value, next(iter(by_name.values()))["rows"]]
            + [decimal(by_name.get(name)) for name in names]
            + [_bar(by_name.get(names[0]))]
            for value, by_name in values.items()
        ]
        headers = [column, "rows", *map(spoken, names), ""]
        found += html.table(headers, rows, numeric_columns=range(1, 2 + len(names)))
    return found


def report(tables: dict[str, Any]) -> Markup:
    """Precision, recall, F1 and support by label, and by entity type for tagging."""
    found = Markup("")
    headings = {"entities": "By entity type", "labels": "By label"}
    for key, heading in headings.items():
        if tables.get(key):
            rows = [
                [
                    label,
                    *(f"{one[name]:.3f}" for name in ("precision", "recall", "f1")),
                    one["support"],
                ]
                for label, one in tables[key].items()
            ]
            headers = ["", "precision", "recall", "F1", "support"]
            found += Markup("<h2>{}</h2>").format(heading) + html.table(headers, rows, range(1, 5))
    return found


def worst(errors: Entries, most: int = 50) -> Markup:
    """The worst errors."""
    if not errors:
        return Markup("")
    rows = [
        [html.cut(one["text"], 300), answer(one["truth"]), answer(one["prediction"]),
         f"{one['score']:.3f}"]
        for one in errors[:most]
    ]  # fmt: skip
    headers = ["text", "truth", "prediction", "how sure or how far"]
    return Markup("<h2>Worst errors</h2>") + html.table(headers, rows, [3])


def answer(value: Any) -> object:
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


def decimal(one: dict[str, Any] | None) -> str:
    """A metric's value with four decimals, a dash when it is not there."""
    return "–" if one is None else f"{one['value']:.4f}"


def interval(one: dict[str, Any]) -> str:
    """A metric's interval, a dash when there is none."""
    if one["low"] is None or one["high"] is None:
        return "–"
    return f"{one['low']:.4f} to {one['high']:.4f}"


def _overall(entries: Entries) -> Entries:
    return [one for one in entries if one["slice"] == ""]


def _bar(one: dict[str, Any] | None) -> Markup:
    if one is None or not 0 <= one["value"] <= 1:
        return Markup("")
    return Markup(
        '<svg viewBox="0 0 120 12" width="120" height="12" role="img">'
        '<rect width="120" height="12" rx="2" fill="var(--panel)"/>'
        '<rect width="{}" height="12" rx="2" fill="var(--c0)"/></svg>'
    ).format(round(120 * one["value"], 1))
