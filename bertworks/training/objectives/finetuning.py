"""Fine-tuning: an encoder and a task head, trained on the labelled rows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from bertworks.contracts.tokens import TOKENS, Tokens
from bertworks.errors import DataError, SpecError
from bertworks.models.config import EncoderConfig
from bertworks.models.layout import Weights
from bertworks.models.model import BertModel, build
from bertworks.notices import Notice
from bertworks.spec import Finetune
from bertworks.storage.artifacts import Artifact
from bertworks.storage.checkpoints import Checkpoints
from bertworks.tasks.handler import TaskHandler
from bertworks.training import precision
from bertworks.training.advice import of_finetuning
from bertworks.training.distribution import strategy
from bertworks.training.length import length_of
from bertworks.training.loop import Selection, State, train
from bertworks.training.objectives.labelled import LabelledFeed, Predictor, objective_of
from bertworks.training.objectives.losses import loss_for
from bertworks.training.rows import LabelledRows, read_splits


def finetune(
    tokens: Artifact,
    handler: TaskHandler,
    initial: tuple[EncoderConfig, Weights],
    settings: Finetune,
    checkpoints: Checkpoints | None = None,
) -> tuple[BertModel, State, list[Notice]]:
    """Trains a model on the train split; the epoch that is best on the validation split wins.

    Args:
        tokens: The tokens artifact.
        handler: The task.
        initial: The encoder to start from; a head of the same shape in its weights is used too.
        settings: The spec's finetune section.
        checkpoints: Already entered, or None.

    Returns:
        The model with the best epoch's weights; the run's state: best metric, history, rate; and what
        its course says about the settings.

    Raises:
        DataError: A split has no rows, or the rows do not fit the encoder.
        SpecError: A setting does not go with the task.
    """
    train_rows, validation = read_splits(tokens, handler.target_column)
    info = TOKENS.read(tokens)
    config = _config_for(initial[0], info, settings)
    precision.prepare_devices()
    with strategy().scope():
        kind = precision.resolve(settings.precision)
        model = build(config, handler.head(), initial[1], precision=kind, seed=settings.seed)
    pad = info.special.pad
    weights = label_weights(handler, train_rows.targets, settings.class_weights)
    feed = LabelledFeed(train_rows, handler.task, settings.batch_size, settings.seed, pad)
    length = length_of(settings, handler.task, len(handler.labels), len(feed.steps(0)))
    selection = select_on(model, validation, handler, settings.metric, length.patience, pad)
    state = train(
        model,
        feed,
        objective_of(loss_for(handler.task, settings.label_smoothing, weights)),
        settings,
        total=length.epochs * len(feed.steps(0)),
        layer_decay=settings.layer_decay,
        selection=dataclasses.replace(selection, minutes=settings.minutes),
        checkpoints=checkpoints,
        name="fine-tuning",
    )
    metric = settings.metric or handler.default_metric
    notices = of_finetuning(state, settings, metric, length.epochs, len(validation))
    return model, state, notices


def select_on(
    model: BertModel,
    validation: LabelledRows,
    handler: TaskHandler,
    metric: str | None,
    patience: int,
    pad: int = 0,
) -> Selection:
    """Picks the epoch with the best validation metric."""
    predictor = Predictor(model)
    return Selection(
        name=metric or handler.default_metric,
        evaluate=lambda: handler.metric(
            metric, validation.truth, validation.combine(predictor.logits(validation, pad))
        ),
        is_better=lambda value, best: handler.is_better(metric, value, best),
        patience=patience,
    )


def label_weights(handler: TaskHandler, targets: Any, wanted: str) -> np.ndarray | None:
    """Weights that balance the labels, or None."""
    return None if wanted == "none" else handler.label_weights(targets)


def _config_for(config: EncoderConfig, info: Tokens, settings: Finetune) -> EncoderConfig:
    """Checks that the rows fit the encoder; overrides its dropout where asked."""
    if info.vocab_size > config.vocab_size:
        raise DataError(
            f"The tokenizer has {info.vocab_size} tokens, the encoder knows {config.vocab_size}.",
            "Use the tokenizer that belongs to the encoder.",
        )
    if info.max_length > config.max_positions:
        raise SpecError(
            f"task.max_length must be at most {config.max_positions} with this encoder. "
            f"Received: {info.max_length}",
            "Lower task.max_length.",
        )
    if settings.dropout is None:
        return config
    return dataclasses.replace(config, dropout=settings.dropout, attention_dropout=settings.dropout)
