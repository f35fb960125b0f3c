"""From a fine-tuned model to a narrower one, before any training: score, choose, cut, repair."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bertworks.compression.pruning import reconstruction
from bertworks.compression.pruning import widths as pruning
from bertworks.compression.pruning.importance import measure_importance
from bertworks.compression.pruning.latency import LatencyTable
from bertworks.compression.pruning.widths import Importance, PruningPlan, check_reachable
from bertworks.models.config import EncoderConfig
from bertworks.models.layout import Weights
from bertworks.models.model import build
from bertworks.spec import Prune
from bertworks.storage.artifacts import write_json
from bertworks.tasks.handler import TaskHandler
from bertworks.training.objectives.labelled import LabelledFeed
from bertworks.training.objectives.losses import loss_for
from bertworks.training.rows import LabelledRows

# Tokens that the repair looks at: more costs time in proportion and gains little. Between stages, where
# scores alone are taken of what is repaired, fewer will do.
REPAIR_TOKENS, STAGE_TOKENS = 8_000, 3_000
# Speed-up from one scoring to the next.
STAGE = 1.35


@dataclass(frozen=True)
class Model:
    """Sizes and weights."""

    config: EncoderConfig
    weights: Weights


def plan_for(
    full: Model,
    rows: LabelledRows,
    handler: TaskHandler,
    table: LatencyTable,
    settings: Prune,
    *,
    pad: int = 0,
    saved: Path | None = None,
) -> PruningPlan:
    """Chooses what to keep of a model; takes the plan that an earlier try of the same run saved.

    Args:
        full: The fine-tuned model.
        rows: Training rows, of which `importance_rows` are looked at.
        handler: The task.
        table: Measured times.
        settings: `speedup` and `importance_rows` are read.
        pad: Id of the padding token.
        saved: Where the plan is kept for a resumed run; None: nowhere.
    """
    if saved is not None and saved.exists():
        return PruningPlan.from_json(json.loads(saved.read_text(encoding="utf-8")))
    plan = Narrowing(full, rows, handler, table, settings, pad).plan(settings.speedup)
    if saved is not None:
        write_json(saved, plan.to_json())
    return plan


class Narrowing:
    """Chooses what to keep of a model in stages: drop a little, repair, score anew, drop more.

    What a unit matters depends on what else is there: of two heads that do the same, either may go,
    not both. Scores of the full model do not see that, those of a model that lost one of them do.
    Dropping little at a time is as in Molchanov et al. (2019), section 3.3, though nothing is trained
    in between; repair takes the place of training.

    Args:
        full: The fine-tuned model.
        rows: Training rows.
        handler: The task.
        table: Measured times.
        settings: `importance_rows` is read.
        pad: Id of the padding token.
    """

    def __init__(
        self,
        full: Model,
        rows: LabelledRows,
        handler: TaskHandler,
        table: LatencyTable,
        settings: Prune,
        pad: int = 0,
    ) -> None:
        self.full, self.rows, self.handler, self.table = full, rows, handler, table
        self.settings, self.pad = settings, pad
        config = full.config
        time = table.encoder_time(config.num_heads, config.intermediate_sizes)
        self._kept, self._stage = PruningPlan.everything(config, time), 1.0
        self._importance: Importance | None = None

    def plan(self, speedup: float) -> PruningPlan:
        """What to keep for a speed-up; asked for several, they must rise.

        The stages are the same for all, so that each costs one scoring however many are asked for.

        Raises:
            SpecError: No widths are that fast.
        """
        if speedup < self._stage:
            raise ValueError(f"`speedup` must rise. Received: {speedup:g} after {self._stage:g}")
        if speedup == 1.0:
            return self._kept
        check_reachable(self.table, self.full.config.num_layers, self._kept.full_ms, speedup)
        while speedup > self._stage * STAGE:
            self._stage *= STAGE
            self._kept = self._choose(self._stage)
            self._importance = None
        return self._choose(speedup)

    def _choose(self, speedup: float) -> PruningPlan:
        if self._importance is None:
            self._importance = self._score()
        return pruning.choose(self._importance, self.table, speedup, self._kept)

    def _score(self) -> Importance:
        model = self.full
        if self._stage > 1.0:
            model = cut_and_repair(model, self._kept, self.rows, self.settings, STAGE_TOKENS)
        return importance_of(
            # In float32 everywhere: bfloat16's noise would choose units by the kind of machine.
            build(model.config, self.handler.head(), model.weights, precision="float32"),
            self.rows,
            self.handler,
            self.settings.importance_rows,
            self.settings.batch_size,
            pad=self.pad,
        )


def importance_of(
    teacher: Any,
    rows: LabelledRows,
    handler: TaskHandler,
    count: int,
    batch_size: int = 32,
    *,
    pad: int = 0,
) -> Importance:
    """Scores a model's heads and neurons by the task's loss on at most `count` of the rows."""
    chosen = spread(rows.lengths, count)
    loss = loss_for(handler.task)
    return measure_importance(
        teacher,
        _batches(rows, handler, chosen, batch_size, pad),
        lambda outputs, batch: loss(outputs["logits"], batch["targets"]),
        total=-(-len(chosen) // batch_size),
    )


def cut_and_repair(
    full: Model,
    plan: PruningPlan,
    rows: LabelledRows,
    settings: Prune,
    tokens: int = REPAIR_TOKENS,
) -> Model:
    """Cuts what a plan drops, and lets the output projections make up for it.

    Args:
        full: The fine-tuned model.
        plan: What to keep of it.
        rows: Training rows, of which `importance_rows` are looked at, at most.
        settings: `importance_rows` is read.
        tokens: Most tokens to look at.
    """
    config, cut = pruning.slice_weights(full.config, full.weights, plan)
    chosen = spread(rows.lengths, settings.importance_rows)
    most = max(1, int(tokens / max(1.0, float(rows.lengths[chosen].mean()))))
    chosen = chosen[spread(rows.lengths[chosen], most)]
    types = None if rows.type_ids is None else [rows.type_ids[row].tolist() for row in chosen]
    groups = reconstruction.group_rows([rows.input_ids[row].tolist() for row in chosen], types)
    repaired = reconstruction.reconstruct((full.config, full.weights), (config, cut), groups)
    return Model(config, repaired)


def spread(lengths: np.ndarray, count: int) -> np.ndarray:
    """Indices of at most `count` rows, by rising length, taken evenly over all lengths."""
    order = np.argsort(lengths, kind="stable")
    if len(order) <= count:
        return order
    return np.asarray(order[np.linspace(0, len(order) - 1, count).round().astype(np.int64)])


def _batches(
    rows: LabelledRows, handler: TaskHandler, chosen: np.ndarray, batch_size: int, pad: int
) -> Iterator[dict[str, np.ndarray]]:
    feed = LabelledFeed(rows, handler.task, batch_size, seed=0, pad=pad)
    for start in range(0, len(chosen), batch_size):
        rows_of = feed.together(chosen[start : start + batch_size])
        if not len(rows_of):
            continue
        (batch,) = feed.parts(rows_of, 0, 0, 1)
        yield batch.arrays
