"""From a fine-tuned model to a narrower one, before any training: score, choose, cut, repair."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bertworks.artifacts import write_json
from bertworks.compression import pruning, reconstruction
from bertworks.compression.importance import measure_importance
from bertworks.compression.latency import LatencyTable
from bertworks.compression.pruning import Plan
from bertworks.encoder.config import EncoderConfig
from bertworks.encoder.layout import Weights
from bertworks.spec import Prune
from bertworks.tasks.handler import TaskHandler
from bertworks.training.labelled import LabelledFeed
from bertworks.training.losses import loss_for
from bertworks.training.rows import Rows

# Rows of each sample of the squared gradient: the fewer the better, but small batches are slow.
SAMPLE_ROWS = 4
# Tokens that the repair looks at: more costs time in proportion and gains little.
REPAIR_TOKENS = 8_000


@dataclass(frozen=True)
class Model:
    """Sizes and weights."""

    config: EncoderConfig
    weights: Weights


def plan_for(
    teacher: Any,
    rows: Rows,
    handler: TaskHandler,
    table: LatencyTable,
    settings: Prune,
    *,
    pad: int = 0,
    saved: Path | None = None,
) -> Plan:
    """Chooses what to keep of a model; takes the plan that an earlier try of the same run saved.

    Args:
        teacher: The fine-tuned `BertModel`.
        rows: Training rows, of which `importance_rows` are looked at.
        handler: The task.
        table: Measured times.
        settings: `speedup` and `importance_rows` are read.
        pad: Id of the padding token.
        saved: Where the plan is kept for a resumed run; None: nowhere.
    """
    if saved is not None and saved.exists():
        return Plan.from_json(json.loads(saved.read_text(encoding="utf-8")))
    if settings.speedup == 1.0:
        config = teacher.config
        time = table.encoder_time(config.num_heads, config.intermediate_sizes)
        return Plan.everything(config, time)
    chosen = spread(rows.lengths, settings.importance_rows)
    loss = loss_for(handler.task)
    importance = measure_importance(
        teacher,
        _batches(rows, handler, chosen, pad),
        lambda outputs, batch: loss(outputs["logits"], batch["targets"]),
        total=-(-len(chosen) // SAMPLE_ROWS),
    )
    plan = pruning.choose(importance, table, settings.speedup)
    if saved is not None:
        write_json(saved, plan.to_json())
    return plan


def cut_and_repair(full: Model, plan: Plan, rows: Rows, settings: Prune) -> Model:
    """Cuts what a plan drops, and lets the output projections make up for it."""
    config, cut = pruning.slice_weights(full.config, full.weights, plan)
    chosen = spread(rows.lengths, settings.importance_rows)
    most = max(1, int(REPAIR_TOKENS / max(1.0, float(rows.lengths[chosen].mean()))))
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
    rows: Rows, handler: TaskHandler, chosen: np.ndarray, pad: int
) -> Iterator[dict[str, np.ndarray]]:
    feed = LabelledFeed(rows, handler.task, SAMPLE_ROWS, seed=0, pad=pad)
    for start in range(0, len(chosen), SAMPLE_ROWS):
        (batch,) = feed.parts(chosen[start : start + SAMPLE_ROWS], 0, 0, 1)
        yield batch.arrays
