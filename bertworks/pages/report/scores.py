"""The report's parts on quality: learning curves, scores, slices, samples, errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bertworks.contracts.examples import EXAMPLES
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
from bertworks.pages.charts import Intervals, LineChart, Whisker, line_chart
from bertworks.pages.evaluation import answer, decimal, interval
from bertworks.pages.parts import Badge, Table
from bertworks.pages.text import cut, number, spoken
from bertworks.pages.views import View
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


@dataclass(frozen=True)
class TrainingCurves:
    """How one training went."""

    title: str
    seconds: str
    tokens_per_second: str
    charts: Sequence[LineChart]


@dataclass(frozen=True)
class CurvesPart(View):
    """The trainings of a run."""

    template = "report/curves.html.j2"

    trainings: Sequence[TrainingCurves]


@dataclass(frozen=True)
class ScoresPart(View):
    """The run's metric with its intervals (None without), all metrics, and of how many rows."""

    template = "report/scores.html.j2"

    intervals: Intervals | None
    table: Table
    rows: str


@dataclass(frozen=True)
class LabelsPart(View):
    """Precision, recall and F1 a label, folded."""

    template = "report/labels.html.j2"

    by_label: view.LabelTables


def curves(run: RunRecord, opened: Opened) -> View | None:
    """Charts of history.json of each step that trained: one a metric, a curve a split."""
    trainings = []
    for name, title in TRAINED.items():
        if name not in opened or not (opened[name] / "history.json").is_file():
            continue
        history = read_history(opened[name])
        charts = [
            line_chart(series, "epoch", spoken(metric))
            for metric, series in _series(history.points).items()
        ]
        if charts:
            speed = number(round(history.tokens_per_second or 0))
            trainings.append(TrainingCurves(title, f"{history.seconds or 0:.0f}", speed, charts))
    return CurvesPart(trainings) if trainings else None


def scores(run: RunRecord, opened: Opened) -> View | None:
    """Every metric over all test rows: floor, uncompressed model, bundle."""
    bundle, model = opened.get("bundle_metrics"), opened.get("model_metrics")
    last = bundle or model
    if last is None:
        return None
    known = [_overall(one) for one in (model, bundle)]
    floor = overall(FLOOR.read(last))
    rows = [
        [spoken(name), decimal(floor.get(name)), *(decimal(one.get(name)) for one in known),
         interval(entry)]
        for name, entry in _overall(last).items()
    ]  # fmt: skip
    count = next(iter(_overall(last).values())).rows if rows else 0
    headers = ["metric", "floor", "uncompressed model", "bundle", "95 % interval"]
    name = last.metadata["metric"]
    entries = {
        "floor": floor.get(name), "uncompressed": known[0].get(name), "bundle": known[1].get(name)
    }  # fmt: skip
    return ScoresPart(
        intervals({title: entry for title, entry in entries.items() if entry}, spoken(name)),
        Table(headers, rows, (1, 2, 3, 4)),
        number(count),
    )


def intervals(entries: Mapping[str, Metric], title: str) -> Intervals | None:
    """A dot with its 95 % interval for each entry, on one scale."""
    ends = [end for one in entries.values() for end in (one.low, one.value, one.high)]
    finite = [end for end in ends if end is not None]
    if not finite:
        return None
    low, high = min(finite), max(finite)
    margin = 0.08 * (high - low) or 0.01
    low, high = low - margin, high + margin

    def at(value: float) -> float:
        return round(112 + 268 * (value - low) / (high - low), 1)

    whiskers = [
        Whisker(
            name=name,
            value=f"{one.value:.3f}",
            y=22 + 30 * index,
            at=at(one.value),
            ends=None if one.low is None or one.high is None else (at(one.low), at(one.high)),
            color=f"var(--c{index})",
        )
        for index, (name, one) in enumerate(entries.items())
    ]
    return Intervals(title, whiskers, height=10 + 30 * len(entries))


def sure(run: RunRecord, opened: Opened) -> View | None:
    """How sure the bundle's answers are."""
    found = opened.get("bundle_metrics")
    return view.sure(found) if found else None


def confusion(run: RunRecord, opened: Opened) -> View | None:
    """The confusion matrix of the last agent that was evaluated."""
    found = _last(opened)
    return view.confusion(CONFUSION.read(found)) if found else None


def slices(run: RunRecord, opened: Opened) -> View | None:
    """The slices of the last agent that was evaluated."""
    found = _last(opened)
    return view.slices(METRICS.read(found)) if found else None


def by_label(run: RunRecord, opened: Opened) -> View | None:
    """Precision, recall and F1 a label."""
    found = _last(opened)
    tables = view.report(REPORT.read(found)) if found else None
    return LabelsPart(tables) if tables else None


def worst(run: RunRecord, opened: Opened) -> View | None:
    """Where the last agent was surest and wrong."""
    found = _last(opened)
    return view.worst(ERRORS.read(found), WORST) if found else None


def samples(run: RunRecord, opened: Opened) -> View | None:
    """Test rows as they come (by the hash of their content), with what the agent answers."""
    found, examples = _last(opened), opened.get("examples")
    if found is None or examples is None:
        return None
    task = EXAMPLES.read(examples).task
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
        table.append([cut(text, 300), answer(truth), answer(given), _mark(truth, given)])
    return Table(["text", "truth", "prediction", ""], table)


def _tagged_samples(answers: Predictions, texts: dict[str, str]) -> Table:
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
    return Table(["text", ""], table)


def _mark(truth: Any, given: Any) -> Badge:
    if isinstance(truth, float):
        miss = abs(truth - given)
        return Badge(f"{miss:.2f} off")
    same = json.dumps(truth) == json.dumps(given)
    return Badge("right", "good") if same else Badge("wrong", "bad")


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
