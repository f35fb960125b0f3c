"""bertworks' side of the training benchmarks: the product's feeds and steps, as many as are asked for.

Requests: `{"steps": n}` trains n steps and answers their seconds and what was in them; `{"evaluate":
true}` answers the validation accuracy (fine-tuning) or the loss on the probe's masked tokens
(pretraining).
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.harness.sides import serve
from bertworks.contracts.tokens import TOKENS
from bertworks.models.config import Head
from bertworks.models.model import BertModel, build
from bertworks.spec import Finetune, Optimizer, Pretrain
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.tasks import for_task
from bertworks.training import precision
from bertworks.training.distribution import strategy
from bertworks.training.feed import Feed, MicroBatch, ahead
from bertworks.training.initial import load_initial
from bertworks.training.length import length_of
from bertworks.training.objectives.corpus import Marks, MaskedFeed, read_texts
from bertworks.training.objectives.finetuning import label_weights, select_on
from bertworks.training.objectives.labelled import LabelledFeed, objective_of
from bertworks.training.objectives.losses import loss_for
from bertworks.training.objectives.mlm import objective as masked_objective
from bertworks.training.optimizer import AdamW, groups_of
from bertworks.training.rows import read_splits
from bertworks.training.schedule import learning_rate
from bertworks.training.stepper import Objective, Stepper, frequent_shapes


class Training:
    """A training run that goes on when told to.

    Args:
        model: What is trained.
        feed: Its batches.
        objective: Its loss.
        settings: Optimizer settings.
        total: Steps of the whole run, which the learning rate's decay is planned for.
    """

    def __init__(
        self, model: BertModel, feed: Feed, objective: Objective, settings: Optimizer, total: int
    ) -> None:
        self.model, self.feed, self.settings, self.total = model, feed, settings, total
        layer_decay = settings.layer_decay if isinstance(settings, Finetune) else 1.0
        optimizer = AdamW(groups_of(model, layer_decay), settings.weight_decay, settings.clip_norm)
        frequent = frequent_shapes(feed, total, settings.accumulate)
        self.stepper = Stepper(model, optimizer, objective, settings.seed, frequent)
        self.done = 0

    def advance(self, steps: int) -> dict[str, Any]:
        """Trains some steps; preparing their batches is part of the time."""
        parts = self.settings.accumulate * self.stepper.replicas
        counts: Counter[str] = Counter()
        taken: list[MicroBatch] = []
        loss = 0.0
        began = time.perf_counter()
        for batches in ahead(self.feed, self.done, self.done + steps, parts):
            rate = learning_rate(self.done, self.total, self.settings)
            loss += float(self.stepper.step(batches, self.done, rate))
            self.done += 1
            taken += batches
        seconds = time.perf_counter() - began
        for batch in taken:
            counts.update(counted(batch))
        return {"seconds": seconds, "steps": steps, "loss": loss / steps, **counts}


def counted(batch: MicroBatch) -> dict[str, int]:
    """What a batch holds, as `benchmarks.efficiency` needs it to count operations.

    Returns:
        `rows`; `tokens`, without padding; `squares`, the sum over the texts of their squared lengths;
        `places` and `place_squares`, the same with padding; `predicted`, the masked tokens.
    """
    ids = batch.arrays["input_ids"]
    rows, width = ids.shape
    own = batch.arrays.get("segments", batch.arrays.get("mask"))
    if own is None:
        own = np.ones_like(ids)
    inside = np.nonzero(own)
    texts = np.unique(np.stack([inside[0], own[inside]]), axis=1, return_counts=True)[1]
    return {
        "rows": rows,
        "tokens": int(texts.sum()),
        "squares": int((texts.astype(np.int64) ** 2).sum()),
        "places": rows * width,
        "place_squares": rows * width**2,
        "predicted": len(batch.arrays["masked"]) if "masked" in batch.arrays else 0,
    }


def finetuning(tokens: Artifact, base: Artifact, settings: Finetune) -> tuple[Training, Any]:
    """As `bertworks.training.objectives.finetuning` sets it up, and its validation metric."""
    info = TOKENS.read(tokens)
    handler = for_task(info.task, info.labels, info.score)
    rows, validation = read_splits(tokens, handler.target_column)
    config, weights = load_initial(base, tokens)
    with strategy().scope():
        kind = precision.resolve(settings.precision)
        model = build(config, handler.head(), weights, precision=kind, seed=settings.seed)
    pad = info.special.pad
    feed = LabelledFeed(rows, handler.task, settings.batch_size, settings.seed, pad)
    balance = label_weights(handler, rows.targets, settings.class_weights)
    loss = loss_for(handler.task, settings.label_smoothing, balance)
    steps = len(feed.steps(0))
    length = length_of(settings, handler.task, len(handler.labels), steps)
    training = Training(model, feed, objective_of(loss), settings, length.epochs * steps)
    selection = select_on(model, validation, handler, settings.metric, length.patience, pad)
    return training, selection.evaluate


def pretraining(
    tokens: Artifact, base: Artifact, settings: Pretrain, probe: Path | None
) -> tuple[Training, Any]:
    """Pretraining as `bertworks.training.objectives.mlm` sets it up, and its loss on the probe."""
    config, weights = load_initial(base, tokens)
    texts, _ = read_texts(tokens, settings.held_out)
    with strategy().scope():
        kind = precision.resolve(settings.precision)
        model = build(config, Head("mlm"), weights, precision=kind, seed=settings.seed)
    feed = MaskedFeed(texts, Marks.of(tokens), settings)
    total = settings.steps or round(settings.epochs * len(feed.steps(0)))
    training = Training(model, feed, masked_objective, settings, total)
    return training, lambda: probe_loss(model, dict(np.load(probe))) if probe else float("nan")


def probe_loss(model: BertModel, probe: dict[str, np.ndarray]) -> float:
    """Mean loss over the probe's masked tokens, see `benchmarks.pretrain.write_probe`."""
    inputs = {name: tf.constant(probe[name]) for name in ("input_ids", "mask", "masked")}
    logits = model(inputs)["logits"]
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.constant(probe["targets"]), logits)
    return float(tf.reduce_mean(losses))


def main() -> None:
    """Serves one training run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["finetune", "pretrain"])
    parser.add_argument("tokens", type=Path)
    parser.add_argument("base", type=Path)
    parser.add_argument("--settings", default="{}", help="that section of the spec, as JSON")
    parser.add_argument("--probe", type=Path, help="masked texts to measure the loss on")
    options = parser.parse_args()
    tokens, base = open_artifact(options.tokens, "tokens"), open_artifact(options.base, "base")
    settings = json.loads(options.settings)
    precision.prepare_devices()
    if options.kind == "finetune":
        training, evaluate = finetuning(tokens, base, Finetune.model_validate(settings))
    else:
        chosen = Pretrain.model_validate(settings)
        training, evaluate = pretraining(tokens, base, chosen, options.probe)

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if "steps" in request:
            return training.advance(request["steps"])
        return {"value": evaluate(), "step": training.done, "total": training.total}

    serve(answer)


if __name__ == "__main__":
    main()
