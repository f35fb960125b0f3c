"""The report's parts on quality: learning curves, scores, slices, samples, errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from bertworks import spec
from bertworks.contracts.history import Point
from bertworks.contracts.metrics import (
    CONFUSION,
    ERRORS,
    FLOOR,
    METRICS,
    REPORT,
    Metric,
    overall,
)
from bertworks.contracts.runs import RunRecord
from bertworks.evaluation import errors
from bertworks.evaluation.data import read_split
from bertworks.evaluation.predictions import Predictions, load
from bertworks.pages import evaluation as view
from bertworks.pages import html
from bertworks.pages.evaluation import answer, decimal, interval, spoken
from bertworks.storage.artifacts import Artifact
from bertworks.storage.history import read_history
from bertworks.tasks import form_of

Opened = dict[str, Artifact]

SAMPLES = 15
WORST = 15
TRAINED = {
    "pretrained": "Pretraining",
    "model": "Fine-tuning",
    "pruned": "Pruning and distillation",
}


def curves(run: RunRecord, opened: Opened) -> Markup:
    """Charts of history.json of each step that trained: one a metric, a curve a split."""
    parts = []
    for name, title in TRAINED.items():
        if name not in opened or not (opened[name] / "history.json").is_file():
            continue
        history = read_history(opened[name])
        charts = Markup("").join(
            Markup("<div>{}</div>").format(html.line_chart(series, "epoch", spoken(metric)))
            for metric, series in _series(history.points).items()
        )
        if charts:
            speed = history.tokens_per_second or 0
            note = f"{history.seconds or 0:.0f} s, {html.number(round(speed))} tokens/s"
            heading = Markup('<h3>{}</h3><p class="soft">{}</p>').format(title, note)
            parts.append(heading + Markup('<div class="pair">{}</div>').format(charts))
    return Markup("\n").join(parts)


def scores(run: RunRecord, opened: Opened) -> Markup:
    """Every metric over all test rows: floor, uncompressed model, bundle."""
    bundle, model = opened.get("bundle_metrics"), opened.get("model_metrics")
    last = bundle or model
    if last is None:
        return Markup("")
    known = [_overall(one) for one in (model, bundle)]
    floor = overall(FLOOR.read(last))
    rows = [
        [spoken(name), decimal(floor.get(name)), *(decimal(one.get(name)) for one in known),
         interval(entry)]
        for name, entry in _overall(last).items()
    ]  # fmt: skip
    count = next(iter(_overall(last).values())).rows if rows else 0
    headers = ["metric", "floor", "uncompressed model", "bundle", "95 % interval"]
    note = Markup('<p class="soft">{} test rows. The floor is a linear model on word counts.</p>')
    name = last.metadata["metric"]
    entries = {
        "floor": floor.get(name), "uncompressed": known[0].get(name), "bundle": known[1].get(name)
    }  # fmt: skip
    plot = intervals({title: entry for title, entry in entries.items() if entry}, spoken(name))
    return plot + html.table(headers, rows, (1, 2, 3, 4)) + note.format(html.number(count))


def intervals(entries: Mapping[str, Metric], title: str) -> Markup:
    """A dot with its 95 % interval for each entry, on one scale."""
    ends = [end for one in entries.values() for end in (one.low, one.value, one.high)]
    finite = [end for end in ends if end is not None]
    if not finite:
        return Markup("")
    low, high = min(finite), max(finite)
    margin = 0.08 * (high - low) or 0.01
    low, high = low - margin, high + margin

    def at(value: float) -> float:
        return round(112 + 268 * (value - low) / (high - low), 1)

    shapes = Markup("")
    for index, (name, one) in enumerate(entries.items()):
        y, color = 22 + 30 * index, f"var(--c{index})"
        if one.low is not None and one.high is not None:
            shapes += _LINE.format(at(one.low), at(one.high), y, color)
        shapes += _DOT.format(name, y, at(one.value), color, f"{one.value:.3f}")
    height = 10 + 30 * len(entries)
    drawing = Markup('<svg role="img" viewBox="0 0 400 {0}" width="400" height="{0}">{1}</svg>')
    return Markup("<h3>{}</h3>").format(title) + drawing.format(height, shapes)


_LINE = Markup(
    '<line x1="{0}" x2="{1}" y1="{2}" y2="{2}" stroke="{3}" stroke-width="6" opacity=".35" '
    'stroke-linecap="round"/>'
)
_DOT = Markup(
    '<text x="100" y="{1}" dy="4" text-anchor="end">{0}</text>'
    '<circle cx="{2}" cy="{1}" r="5.5" fill="{3}"/><text x="{2}" y="{1}" dy="-8" '
    'text-anchor="middle">{4}</text>'
)


def confusion(run: RunRecord, opened: Opened) -> Markup:
    """The confusion matrix of the last agent that was evaluated."""
    found = _last(opened)
    return _bare(view.confusion(CONFUSION.read(found))) if found else Markup("")


def slices(run: RunRecord, opened: Opened) -> Markup:
    """The slices of the last agent that was evaluated."""
    found = _last(opened)
    return _bare(view.slices(METRICS.read(found))) if found else Markup("")


def by_label(run: RunRecord, opened: Opened) -> Markup:
    """Precision, recall and F1 a label."""
    found = _last(opened)
    if found is None:
        return Markup("")
    tables = view.report(REPORT.read(found))
    box = Markup("<details><summary>Precision, recall, F1</summary>{}</details>")
    return box.format(tables) if tables else Markup("")


def worst(run: RunRecord, opened: Opened) -> Markup:
    """Where the last agent was surest and wrong."""
    found = _last(opened)
    return _bare(view.worst(ERRORS.read(found), WORST)) if found else Markup("")


def samples(run: RunRecord, opened: Opened) -> Markup:
    """Test rows as they come (by the hash of their content), with what the agent answers."""
    found, examples = _last(opened), opened.get("examples")
    if found is None or examples is None:
        return Markup("")
    task = spec.Task.model_validate(examples.json("info.json")["task"])
    rows = read_split(examples, "test")
    texts = dict(zip(rows["id"], form_of(task).shown(rows), strict=True))
    answers = load(found / "predictions.parquet", task, list(found.metadata["labels"]))
    if len(answers) and errors.both_spans(answers, 0):
        return _tagged_samples(answers, texts)
    table = []
    for row in range(min(SAMPLES, len(answers))):
        text = texts.get(answers.ids[row], "")
        truth = errors.readable(answers, answers.truth, row, text)
        given = errors.readable(answers, answers.prediction, row, text)
        table.append([html.cut(text, 300), answer(truth), answer(given), _mark(truth, given)])
    return html.table(["text", "truth", "prediction", ""], table)


def _tagged_samples(answers: Predictions, texts: dict[str, str]) -> Markup:
    """In tagging the entities are marked in their sentences."""
    rows = range(min(SAMPLES, len(answers)))
    found = [spans for row in rows if (spans := errors.both_spans(answers, row)) is not None]
    kinds = view.kinds_of(found)
    table = [
        [
            view.sentences(texts.get(answers.ids[row], ""), spans, kinds),
            _mark(spans.truth, spans.prediction),
        ]
        for row, spans in zip(rows, found, strict=True)
    ]
    return html.table(["text", ""], table)


def _mark(truth: Any, given: Any) -> Markup:
    if isinstance(truth, float):
        miss = abs(truth - given)
        return html.badge(f"{miss:.2f} off")
    same = json.dumps(truth) == json.dumps(given)
    return html.badge("right", "good") if same else html.badge("wrong", "bad")


def _series(points: Sequence[Point]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for point in points:
        curve = found.setdefault(point.name, {}).setdefault(point.split, [])
        curve.append((float(point.epoch), float(point.value)))
    # A curve of one point says nothing that a table does not.
    return {
        name: series
        for name, series in found.items()
        if max(len(curve) for curve in series.values()) > 1
    }


def _overall(metrics: Artifact | None) -> dict[str, Metric]:
    return {} if metrics is None else overall(METRICS.read(metrics))


def _last(opened: Opened) -> Artifact | None:
    return opened.get("bundle_metrics") or opened.get("model_metrics")


def _bare(part: Markup) -> Markup:
    """Without its own heading: the report has one."""
    _, end, rest = part.partition("</h2>")
    return Markup(rest) if end else part
