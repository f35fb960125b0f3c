"""Fine-tuning: an encoder and a task head, trained on the labelled rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bertworks.contracts.tokens import TOKENS, Tokens
from bertworks.errors import DataError, SpecError
from bertworks.models.config import EncoderConfig
from bertworks.models.layout import Weights
from bertworks.models.model import BertModel, build, get_weights, set_weights_from
from bertworks.notices import Notice
from bertworks.progress import stage
from bertworks.spec import Finetune
from bertworks.storage.artifacts import Artifact
from bertworks.storage.checkpoints import Checkpoints
from bertworks.tasks.handler import TaskHandler
from bertworks.training import precision
from bertworks.training.advice import of_finetuning, standard_error
from bertworks.training.distribution import strategy
from bertworks.training.length import Length, length_of
from bertworks.training.loop import Selection, State, train
from bertworks.training.objectives import probing
from bertworks.training.objectives.labelled import LabelledFeed, Predictor, objective_of
from bertworks.training.objectives.losses import loss_for
from bertworks.training.rows import LabelledRows, read_splits

Judge = Callable[[State], str]
"""Asked after each epoch; gives why to stop, or "" to go on."""


@dataclass(frozen=True)
class Material:
    """What a model is fine-tuned from: read once, trained on as often as wanted.

    Attributes:
        train, validation: The rows.
        info: The tokens artifact's facts.
        handler: The task.
        initial: The encoder to start from; a head of the same shape in its weights is used too.
        classifier: What a new one of many labels begins with, see `probing`, once a training has begun.
    """

    train: LabelledRows
    validation: LabelledRows
    info: Tokens
    handler: TaskHandler
    initial: tuple[EncoderConfig, Weights]
    classifier: Weights = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def read(
        cls, tokens: Artifact, handler: TaskHandler, initial: tuple[EncoderConfig, Weights]
    ) -> Material:
        """Reads the rows of a tokens artifact.

        Raises:
            DataError: A split has no rows.
        """
        rows = read_splits(tokens, handler.target_column)
        return cls(*rows, TOKENS.read(tokens), handler, initial)

    def sharing(self, classifier: Weights) -> Material:
        """The same with another `classifier`, which trainings of one start on the same rows share."""
        made = dataclasses.replace(self)
        object.__setattr__(made, "classifier", classifier)
        return made

    def feed(self, settings: Finetune) -> LabelledFeed:
        """The batches of a training."""
        task, pad = self.handler.task, self.info.special.pad
        return LabelledFeed(self.train, task, settings.batch_size, settings.seed, pad)

    def length(self, settings: Finetune) -> Length:
        """How long a training may be."""
        steps = len(self.feed(settings).steps(0))
        return length_of(settings, self.handler.task, len(self.handler.labels), steps)


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
    material = Material.read(tokens, handler, initial)
    model, state = finetune_on(material, settings, checkpoints)
    epochs, metric = material.length(settings).epochs, settings.metric or handler.default_metric
    return model, state, of_finetuning(state, settings, metric, epochs, material.validation.asked)


def finetune_on(
    material: Material,
    settings: Finetune,
    checkpoints: Checkpoints | None = None,
    *,
    judge: Judge | None = None,
    over: Callable[[], bool] | None = None,
    name: str = "fine-tuning",
) -> tuple[BertModel, State]:
    """Trains a model on rows that were read.

    Args:
        material: The rows, and what to start from.
        settings: The spec's finetune section.
        checkpoints: Already entered, or None.
        judge: Asked after each epoch whether to go on, see `loop.Selection`.
        over: Asked after each step whether time is over, likewise.
        name: What progress calls it.

    Returns:
        The model with the best epoch's weights, and the run's state.
    """
    handler, model = material.handler, model_for(material, settings)
    weights = label_weights(handler, material.train.targets, settings.class_weights)
    feed, length = material.feed(settings), material.length(settings)
    selection = selection_for(model, material, settings)
    if probing.is_worth_it(model, material.initial[1]):
        if not material.classifier:
            with stage("fitting the classifier"):
                material.classifier.update(
                    probing.classifier_of(model, material.train, settings.seed, feed.pad, weights)
                )
        set_weights_from(model, get_weights(model) | material.classifier)
    if feed.company is not None and handler.negatives:
        # By the encoder as it starts, before a checkpoint is read: a resumed run finds the same ones.
        with stage("mining hard negatives"):
            found = Predictor(model).logits(material.train, material.info.special.pad)
            feed.company.mine(found, handler.negatives)
    state = train(
        model,
        feed,
        objective_of(loss_for(handler.task, settings.label_smoothing, weights)),
        settings,
        total=length.epochs * len(feed.steps(0)),
        layer_decay=settings.layer_decay,
        selection=dataclasses.replace(selection, minutes=settings.minutes, judge=judge, over=over),
        checkpoints=checkpoints,
        name=name,
    )
    return model, state


def model_for(material: Material, settings: Finetune) -> BertModel:
    """The model before its first step."""
    config = config_for(material.initial[0], material.info, settings)
    precision.prepare_devices()
    with strategy().scope():
        kind = precision.resolve(settings.precision)
        head, weights = material.handler.head(), material.initial[1]
        return build(config, head, weights, precision=kind, seed=settings.seed)


def selection_for(model: BertModel, material: Material, settings: Finetune) -> Selection:
    """How its best epoch is picked."""
    pad, patience = material.info.special.pad, material.length(settings).patience
    handler, rows = material.handler, material.validation
    found = select_on(model, rows, handler, settings.metric, patience, pad)
    kind = handler.task.kind
    if found.name in kind.lower_is_better or found.name not in kind.at_most_one:
        return found
    return dataclasses.replace(
        found, by_chance=lambda value: standard_error(value, max(1, rows.asked))
    )


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


def config_for(config: EncoderConfig, info: Tokens, settings: Finetune) -> EncoderConfig:
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
