"""The whole of pruning: score, choose, cut, repair, distil, and measure what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bertworks import progress
from bertworks.compression.graph import build_graph
from bertworks.compression.measuring import compare, load_or_measure
from bertworks.compression.pruning.cost import modelled
from bertworks.compression.pruning.latency import (
    LatencyTable,
    Shape,
    Subject,
    representative_shapes,
)
from bertworks.compression.pruning.shrink import Model, cut_and_repair, plan_for
from bertworks.compression.pruning.widths import PruningPlan
from bertworks.contracts.history import Point, Timings
from bertworks.contracts.tokens import TOKENS
from bertworks.deadline import Deadline
from bertworks.models.model import BertModel, build, get_weights
from bertworks.notices import Notice
from bertworks.spec import Prune
from bertworks.storage.artifacts import Artifact
from bertworks.storage.checkpoints import Checkpoints
from bertworks.tasks.handler import TaskHandler
from bertworks.training import precision
from bertworks.training.distribution import strategy
from bertworks.training.loop import OVER, State
from bertworks.training.objectives.distillation import Split, distill
from bertworks.training.objectives.labelled import Predictor
from bertworks.training.rows import LabelledRows, read_splits

DISTILLED = 1.2
"""What an epoch of distillation takes, by one of fine-tuning; all in all about so much."""
ASKED = 0.4
"""What the teacher's answers to all rows take, by the same."""
CUTTING = 25.0
"""Seconds for importance, widths, repair and measuring on a quiet machine, beside distillation."""
AFTER_SECONDS = 12.0
"""For measuring what came of it, and writing it."""


@dataclass(frozen=True)
class Pruned:
    """What pruning gave.

    Attributes:
        model: The narrower model, distilled.
        plan: What stayed.
        table: The times that the choice was made by.
        scores: Name to number, for the run's metrics.
        points: Of history.json.
        timings: timings.json.
    """

    model: Model
    plan: PruningPlan
    table: LatencyTable
    scores: dict[str, float]
    points: list[Point]
    timings: Timings


def prune(
    full: Model,
    tokens: Artifact,
    handler: TaskHandler,
    settings: Prune,
    checkpoints: Checkpoints | None = None,
    *,
    until: Deadline | None = None,
    rate: float = 0.0,
    max_length: int | None = None,
) -> Pruned:
    """Prunes a fine-tuned model and distils it into what is left.

    A speed-up of 1 changes nothing.

    Args:
        full: The fine-tuned model.
        tokens: The rows that it was trained on.
        handler: The task.
        settings: The spec's prune section.
        checkpoints: Already entered, or None. Measured times and the plan are kept there too, as a
            resumed run must go on with the same widths.
        until: When it should be done: fewer epochs of distillation than asked where they do not fit.
        rate: Tokens a second at which the full model was trained, by which that is told; 0: not known.
        max_length: Tokens that the model reads at once; None: as the rows say.

    Raises:
        DataError: A split has no rows.
        SpecError: No widths are that fast.
    """
    info = TOKENS.read(tokens)
    length = max_length or info.max_length
    split = Split(*read_splits(tokens, handler.target_column, length))
    pad = info.special.pad
    kept = checkpoints.folder if checkpoints else None
    subject = Subject.of(full.config, handler.head(), handler.form.two_texts)
    shapes = representative_shapes([min(one, length) for one in info.length_quantiles])
    table = _table(settings, subject, shapes, kept)

    precision.prepare_devices()
    kind = precision.resolve(settings.precision)
    with strategy().scope():
        teacher = build(full.config, handler.head(), full.weights, precision=kind)
    saved = kept and kept / "plan.json"
    plan = plan_for(full, split.train, handler, table, settings, pad=pad, saved=saved)
    metric = handler.default_metric
    scores = {f"validation_{metric}_teacher": _score(teacher, split.validation, handler, pad)}
    trained = State()
    cut = full
    if settings.speedup > 1.0:
        cut = cut_and_repair(full, plan, split.train, settings)
        with strategy().scope():
            student = build(cut.config, handler.head(), cut.weights, precision=kind)
        before = _score(student, split.validation, handler, pad)
        scores[f"validation_{metric}_before_distillation"] = before
        epochs = _affordable(settings.epochs, split, rate, until or Deadline())
        if epochs:
            fitting = settings.model_copy(update={"epochs": epochs})
            end = (until or Deadline()).earlier(AFTER_SECONDS)
            trained = distill(
                student, teacher, split, handler, fitting, pad=pad, checkpoints=checkpoints,
                over=end.over, judge=_fitting(end, epochs),
            )  # fmt: skip
        scores["distillation_epochs"] = _had(trained, epochs)
        scores[f"validation_{metric}"] = _score(student, split.validation, handler, pad)
        cut = Model(cut.config, get_weights(student))
    else:
        scores[f"validation_{metric}"] = scores[f"validation_{metric}_teacher"]
    scores |= _sizes(full, cut, plan)
    scores["measured_speedup"] = _measured_speedup(full, cut, handler, length, table)
    speeds = {name: scores[name] for name in ("predicted_speedup", "measured_speedup")}
    return Pruned(cut, plan, table, scores, trained.points, replace(trained.timings, **speeds))


def least_seconds(epoch: float, slowness: float = 1.0) -> float:
    """What pruning takes with one epoch of distillation.

    Args:
        epoch: Seconds of one of fine-tuning.
        slowness: How many times as long other work takes as on a quiet machine.
    """
    return CUTTING * slowness + (ASKED + DISTILLED) * epoch


def _affordable(asked: int, split: Split, rate: float, until: Deadline) -> int:
    """As many of the asked epochs as fit, at least one: a model that was cut alone answers badly."""
    if not asked or not rate or math.isinf(until.left):
        return asked
    epoch = float(split.train.lengths.sum()) / rate
    return max(
        1, min(asked, int((until.left - AFTER_SECONDS - ASKED * epoch) / (DISTILLED * epoch)))
    )


def _fitting(end: Deadline, planned: int) -> Callable[[State], str]:
    """Has a training end after as many epochs as fit on a machine that is busier than was foreseen."""

    def judge(state: State) -> str:
        if not state.epoch_seconds or math.isinf(end.left):
            return ""
        more = max(0.0, end.left) // state.epoch_seconds
        return state.fit(round(state.points[-1].epoch), more, planned)

    return judge


def _had(trained: State, planned: int) -> int:
    """Epochs that there was time for, of those that were planned."""
    if trained.stopped != OVER:
        return trained.epochs or planned
    return int(trained.points[-1].epoch) if trained.points else 0


def shortened(asked: int, epochs: int) -> list[Notice]:
    """A notice where fewer epochs of distillation fitted into the run's minutes than were asked."""
    if epochs >= asked:
        return []
    text = f"{epochs} of {asked} epochs of distillation fitted into the run's minutes"
    return [Notice(f"{text}; raise `minutes` (of `bertworks auto`: --minutes).", count=epochs)]


def speed_notices(asked: float, speedup: float) -> list[Notice]:
    """A notice where the narrower graph, timed on this machine, is slower than asked by a tenth."""
    if speedup >= 0.9 * asked:
        return []
    text = (
        f"Pruned for {asked:g} times the speed, measured here {speedup:.2f} times. Raise "
        "compress.prune.speedup, or set compress.prune.latency: measured to choose the widths by "
        "this machine's clock."
    )
    return [Notice(text)]


def _table(
    settings: Prune, subject: Subject, shapes: Sequence[Shape], kept: Path | None
) -> LatencyTable:
    if settings.latency == "modelled":
        return modelled(subject, shapes)
    return load_or_measure(kept and kept / "latency.json", subject, shapes)


def _score(model: BertModel, rows: LabelledRows, handler: TaskHandler, pad: int) -> float:
    return handler.metric(None, rows.truth, rows.combine(Predictor(model).logits(rows, pad)))


def _sizes(full: Model, cut: Model, plan: PruningPlan) -> dict[str, float]:
    """How much is left, and how fast it should be."""
    heads = sum(cut.config.num_heads) / max(1, sum(full.config.num_heads))
    neurons = sum(cut.config.intermediate_sizes) / max(1, sum(full.config.intermediate_sizes))
    return {
        "predicted_speedup": round(plan.speedup, 4),
        "kept_heads": round(heads, 4),
        "kept_neurons": round(neurons, 4),
        "kept_importance": round(plan.kept_importance, 4),
        "parameters": float(sum(array.size for array in cut.weights.values())),
    }


def _measured_speedup(
    full: Model, cut: Model, handler: TaskHandler, length: int, table: LatencyTable
) -> float:
    """How many times as fast the narrow model's whole int8 graph is as the full one's."""
    if cut is full:
        return 1.0
    pair = handler.form.two_texts
    graphs = [
        build_graph(
            model.config, model.weights, handler.head(), pair=pair,
            max_length=length, form="int8",
        ).SerializeToString()
        for model in (full, cut)
    ]  # fmt: skip
    with progress.stage("measuring the speed-up"):
        before, after = compare(
            graphs, table.shapes, pair=pair, vocabulary=full.config.vocab_size,
            threads=table.threads if table.rounds else None,
        )  # fmt: skip
    return round(before / after, 4)
