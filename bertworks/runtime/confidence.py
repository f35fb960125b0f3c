"""How sure answers are: logits to probabilities, and which answers are held back. Needs numpy alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bertworks.contracts.confidence import Calibration
from bertworks.tasks.handler import Answer
from bertworks.tasks.measuring import softmax

FIELDS = {"confident": "BOOL", "out_of_scope": "BOOL", "set": "BYTES"}
"""What an answer may carry beside its task's own, and the datatypes of the V2 protocol."""


@dataclass(frozen=True)
class Marks:
    """What is said of each row's answer; None where it was not asked.

    Attributes:
        confident: Whether it is sure enough, (rows,). What is out of scope is not.
        out_of_scope: Whether the text is like none that was trained on, (rows,).
        sets: Which labels are in its set, (rows, labels); the label that is given always is.
    """

    confident: np.ndarray | None = None
    out_of_scope: np.ndarray | None = None
    sets: np.ndarray | None = None

    def fields(self, labels: Sequence[str]) -> Iterator[tuple[str, list[object]]]:
        """Names and values, one a row, of what was asked."""
        if self.confident is not None:
            yield "confident", self.confident.tolist()
        if self.out_of_scope is not None:
            yield "out_of_scope", self.out_of_scope.tolist()
        if self.sets is not None:
            yield "set", [_named(row, labels) for row in self.sets.tolist()]


def scaled(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Logits over the temperature: in float64, so that their order stays as it is."""
    return logits if temperature == 1.0 else np.asarray(logits, np.float64) / temperature


def names(known: Calibration | None) -> list[str]:
    """The fields that an agent's answers carry."""
    if known is None:
        return []
    asked = (known.confident_from, known.in_scope_from, known.set_from)
    return [name for name, least in zip(FIELDS, asked, strict=True) if least is not None]


def marks(known: Calibration, sure: np.ndarray, logits: Sequence[np.ndarray]) -> Marks:
    """What is said of answers.

    Args:
        known: Of the bundle.
        sure: How sure each is, (rows,), as `TaskHandler.sureness`.
        logits: A row's, over the temperature already.
    """
    outside = sets = confident = None
    if known.in_scope_from is not None:
        outside = scope_scores(logits) < known.in_scope_from
    if known.confident_from is not None:
        confident = np.asarray(sure) >= known.confident_from
        confident = confident if outside is None else confident & ~outside
    if known.set_from is not None:
        sets = label_sets(np.stack(logits), known.set_from)
    return Marks(confident, outside, sets)


def marked(answers: Sequence[Answer], found: Marks, labels: Sequence[str]) -> Sequence[Answer]:
    """The answers with what is said of them."""
    beside = list(found.fields(labels))
    return [
        {**answer, **{name: values[row] for name, values in beside}}
        for row, answer in enumerate(answers)
    ]


def scope_scores(logits: Sequence[np.ndarray]) -> np.ndarray:
    """How much each text is like those that were trained on, (rows,): more is more.

    The negative free energy of Liu et al. 2020, equation 4: the logarithm of the sum of the
    exponentials of its logits.
    """
    wide = np.stack(logits).astype(np.float64)
    most = wide.max(axis=1)
    return np.asarray(most + np.log(np.exp(wide - most[:, None]).sum(axis=1)))


def label_sets(logits: np.ndarray, least: float) -> np.ndarray:
    """Of each row the labels with at least that score, and the one that is given: (rows, labels)."""
    found = softmax(logits) >= least
    found[np.arange(len(found)), logits.argmax(axis=1)] = True
    return np.asarray(found)


def _named(row: Sequence[bool], labels: Sequence[str]) -> list[str]:
    return [label for label, on in zip(labels, row, strict=True) if on]
