"""Masked-language-model training, and how well a model predicts held-out text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from bertworks import progress
from bertworks.errors import SpecError
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import Weights
from bertworks.models.model import BertModel, build
from bertworks.notices import Notice
from bertworks.spec import Pretrain
from bertworks.storage.artifacts import Artifact
from bertworks.storage.checkpoints import Checkpoints
from bertworks.text.batching import pad_batch
from bertworks.training import precision
from bertworks.training.advice import of_pretraining
from bertworks.training.distribution import strategy
from bertworks.training.loop import State, train
from bertworks.training.objectives.corpus import Marks, MaskedFeed, Texts, read_texts

INPUTS = ("input_ids", "segments", "positions", "masked")
HELD_OUT_TOKENS = 20_000
PERPLEXITY_TOKENS = 600


def pretrain(
    tokens: Artifact,
    initial: tuple[EncoderConfig, Weights],
    settings: Pretrain,
    checkpoints: Checkpoints | None = None,
) -> tuple[BertModel, State, dict[str, float], list[Notice]]:
    """Trains an encoder to predict hidden tokens of the corpus.

    Args:
        tokens: The tokens artifact.
        initial: Sizes and weights to start from; missing weights start fresh.
        settings: The spec's pretrain section.
        checkpoints: Already entered, or None.

    Returns:
        The model; the run's state; the held-out measures `masked_accuracy_before`, `_after`,
        `pseudo_perplexity_before`, `_after`; and a notice where it taught nothing.

    Raises:
        DataError: The corpus has fewer than two texts.
        SpecError: sequence_length is beyond what the encoder has positions for.
    """
    config, weights = initial
    _check_positions(settings, config)
    texts, held_out = read_texts(tokens, settings.held_out)
    marks = Marks.of(tokens)
    precision.prepare_devices()
    with strategy().scope():
        kind = precision.resolve(settings.precision)
        model = build(config, Head("mlm"), weights, precision=kind, seed=settings.seed)
    feed = MaskedFeed(texts, marks, settings)
    probe = HeldOut(model, held_out, marks, settings)
    before = probe.measure("before")
    total = settings.steps or math.ceil(settings.epochs * len(feed.steps(0)))
    state = train(
        model, feed, objective, settings, total=total, checkpoints=checkpoints, name="pretraining"
    )
    after = probe.measure("after")
    measures = {f"{name}_before": value for name, value in before.items()}
    measures |= {f"{name}_after": value for name, value in after.items()}
    notices = of_pretraining(measures, settings, state.step, *probe.commonest())
    return model, state, measures, notices


def objective(model: BertModel, batch: dict[str, tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
    """Cross-entropy summed over the masked tokens."""
    logits = model({**{name: batch[name] for name in INPUTS}, "seed": seed})["logits"]
    if tf.config.list_physical_devices("GPU"):
        return cross_entropy(logits, batch["targets"])
    return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(batch["targets"], logits))


def cross_entropy(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """The summed loss of `objective`, with its gradient written out.

    For GPUs: made to add in a fixed order (`precision.prepare_devices`), TensorFlow's own takes more
    time over a vocabulary than all the rest of a step.

    Args:
        logits: (rows, vocabulary), float32.
        targets: (rows,), int32.
    """

    @tf.custom_gradient
    def apply(logits: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        logs = tf.nn.log_softmax(logits)
        wanted = tf.one_hot(targets, tf.shape(logits)[1])
        loss = -tf.reduce_sum(wanted * logs)
        return loss, lambda upstream: upstream * (tf.exp(logs) - wanted)

    return apply(logits)


@dataclass
class HeldOut:
    """Measures a model on held-out texts; the same texts and masks each time."""

    model: BertModel
    texts: Texts
    marks: Marks
    settings: Pretrain
    _graph: Any = None

    def measure(self, when: str) -> dict[str, float]:
        """Masked accuracy and pseudo-perplexity of the model as it is."""
        with progress.stage(f"held-out text, {when} training"):
            return {
                "masked_accuracy": self.masked_accuracy(),
                "pseudo_perplexity": self.pseudo_perplexity(),
            }

    def masked_accuracy(self) -> float:
        """Share of masked tokens that are predicted, on at most about 20,000 held-out tokens."""
        right = total = 0
        for arrays in self._masked():
            best, _ = self._run({name: arrays[name] for name in (*INPUTS, "targets")})
            right += int((best.numpy() == arrays["targets"]).sum())
            total += len(arrays["targets"])
        return right / total

    def commonest(self) -> tuple[float, int]:
        """The share that the commonest token has of those masked for `masked_accuracy`; how many."""
        targets = np.concatenate([arrays["targets"] for arrays in self._masked()])
        return float(np.bincount(targets).max() / len(targets)), len(targets)

    def _masked(self) -> Iterator[dict[str, np.ndarray]]:
        """Held-out batches, the same each time."""
        feed = MaskedFeed(self.texts, self.marks, self.settings)
        length = self.settings.sequence_length
        rows = min(len(feed.packed.input_ids), max(1, HELD_OUT_TOKENS // length))
        for at in range(0, rows, 32):
            chosen = np.arange(at, min(at + 32, rows))
            yield feed.batch(chosen, np.random.default_rng([self.settings.seed, at])).arrays

    def pseudo_perplexity(self) -> float:
        """exp of the mean negative log-probability of each token, given all others of its text.

        Salazar et al. 2020, section 2: one pass for each token, with that token masked. Measured on
        about 600 tokens of held-out texts, which are cut at the sequence length.
        """
        loss = tokens = 0.0
        for ids in self._sample():
            count = len(ids) - 2
            copies = np.repeat(ids[np.newaxis], count, axis=0)
            places = np.arange(count)
            copies[places, places + 1] = self.marks.mask
            padded = pad_batch(list(copies), self.marks.pad)
            wide = padded.shape[1]
            inputs = {
                "input_ids": padded,
                "segments": np.broadcast_to(np.arange(wide) < len(ids), padded.shape).astype("i4"),
                "positions": np.broadcast_to(np.arange(wide, dtype=np.int32), padded.shape),
                "masked": (places * wide + places + 1).astype(np.int32),
                "targets": ids[1:-1],
            }
            loss += float(self._run(inputs)[1])
            tokens += count
        return math.exp(min(loss / tokens, 700.0))

    def _sample(self) -> list[np.ndarray]:
        """Texts with marks, in random order, until they hold the tokens to measure."""
        ids = self.texts.input_ids
        order = np.random.default_rng(self.settings.seed).permutation(len(ids))
        found: list[np.ndarray] = []
        left = PERPLEXITY_TOKENS
        for index in order:
            text = ids[index][: min(self.settings.sequence_length - 2, max(1, left))]
            marks = np.array([self.marks.cls]), text, np.array([self.marks.sep])
            found.append(np.concatenate(marks).astype(np.int32))
            left -= len(text)
            if left <= 0:
                break
        return found

    def _run(self, inputs: dict[str, np.ndarray]) -> tuple[tf.Tensor, tf.Tensor]:
        """Best token at each masked place, and the sum of the targets' losses."""
        if self._graph is None:
            signature = {
                name: tf.TensorSpec([None] * array.ndim, tf.int32) for name, array in inputs.items()
            }
            self._graph = tf.function(self._answers, autograph=False, input_signature=[signature])
        return self._graph(inputs)

    def _answers(self, given: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        logits = self.model({name: given[name] for name in INPUTS})["logits"]
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(given["targets"], logits)
        return tf.argmax(logits, axis=-1, output_type=tf.int32), tf.reduce_sum(losses)


def _check_positions(settings: Pretrain, config: EncoderConfig) -> None:
    if settings.sequence_length > config.max_positions:
        raise SpecError(
            f"pretrain.sequence_length must be at most {config.max_positions} with this encoder. "
            f"Received: {settings.sequence_length}",
            "Lower pretrain.sequence_length.",
        )
