"""How sure answers are: logits to probabilities, and which answers are held back. Needs numpy alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bertworks.contracts.confidence import Calibration
from bertworks.errors import ArtifactError
from bertworks.tasks.handler import Answer
from bertworks.tasks.measuring import softmax

FIELDS = {"confident": "BOOL", "out_of_scope": "BOOL", "set": "BYTES"}
"""What an answer may carry beside its task's own, and the datatypes of the V2 protocol."""


@dataclass(frozen=True)
class Read:
    """What a graph says of rows.

    Attributes:
        logits: A row's, over the bundle's temperature.
        scope: How much each text is like those that were trained on, (rows,), more is more; None where
            the bundle does not tell.
        vectors: Of the texts, (rows, width); None where the graph gives none beside the logits.
    """

    logits: list[np.ndarray]
    scope: np.ndarray | None = None
    vectors: np.ndarray | None = None


class Scope:
    """How far texts' vectors are from those that were trained on: a bundle's scope.npy.

    The score is the negative squared Mahalanobis distance to the nearest label's mean, by the covariance
    that all labels share (Lee et al. 2018; Podolskiy et al. 2021).

    Args:
        matrix: What brings vectors into a space where that is the plain distance, (width, width), and
            under it the labels' means there, (labels, width).
    """

    FILE = "scope.npy"

    def __init__(self, matrix: np.ndarray) -> None:
        self.width = matrix.shape[1]
        self._map, means = np.split(np.asarray(matrix, np.float64), [self.width])
        self._means, self._squares = means.T, (means**2).sum(axis=1)

    @classmethod
    def load(cls, folder: Path) -> Scope:
        """That of a bundle.

        Raises:
            ArtifactError: The file is missing or holds no such matrix.
        """
        file = folder / cls.FILE
        try:
            matrix = np.load(file, allow_pickle=False)
            if matrix.ndim != 2 or matrix.shape[0] <= matrix.shape[1]:
                raise ValueError(f"its shape is {matrix.shape}")
        except (OSError, ValueError) as error:
            raise ArtifactError(
                f"{file} cannot be read: {error}.", "Make the bundle anew with the quantize step."
            ) from None
        return cls(matrix)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Scope scores, (rows,), of vectors, (rows, width)."""
        placed = np.asarray(vectors, np.float64) @ self._map
        nearest = (self._squares - 2.0 * placed @ self._means).min(axis=1)
        return np.asarray(-((placed**2).sum(axis=1) + nearest))


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


def parted(
    rows: Sequence[np.ndarray], outputs: int, width: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """Logits, and the texts' vectors behind them, (rows, width); of tokens the first one's is taken.

    Args:
        rows: What a graph gives, (outputs + width,) or (tokens, outputs + width) a row.
        outputs: Logits of a row, or of a token.
        width: Of a vector.

    Raises:
        ValueError: The graph gives more or fewer numbers.
    """
    for row in rows:
        if row.shape[-1:] != (outputs + width,):
            raise ValueError(f"a row's {row.shape} are not {outputs} logits and {width} more")
    vectors = [row[(0,) * (row.ndim - 1)][outputs:] for row in rows]
    return [row[..., :outputs] for row in rows], np.reshape(vectors, (len(rows), width))


def names(known: Calibration | None) -> list[str]:
    """The fields that an agent's answers carry."""
    if known is None:
        return []
    in_scope = known.in_scope_from if known.vector else None
    asked = (known.confident_from, in_scope, known.set_from)
    return [name for name, least in zip(FIELDS, asked, strict=True) if least is not None]


def marks(known: Calibration, sure: np.ndarray, read: Read) -> Marks:
    """What is said of answers.

    Args:
        known: Of the bundle.
        sure: How sure each is, (rows,), as `TaskHandler.sureness`.
        read: What the graph said of their rows.
    """
    outside = sets = confident = None
    if known.in_scope_from is not None and read.scope is not None:
        outside = read.scope < known.in_scope_from
    if known.confident_from is not None:
        confident = np.asarray(sure) >= known.confident_from
        confident = confident if outside is None else confident & ~outside
    if known.set_from is not None:
        sets = label_sets(np.stack(read.logits), known.set_from)
    return Marks(confident, outside, sets)


def marked(answers: Sequence[Answer], found: Marks, labels: Sequence[str]) -> Sequence[Answer]:
    """The answers with what is said of them."""
    beside = list(found.fields(labels))
    return [
        {**answer, **{name: values[row] for name, values in beside}}
        for row, answer in enumerate(answers)
    ]


def label_sets(logits: np.ndarray, least: float) -> np.ndarray:
    """Of each row the labels with at least that score, and the one that is given: (rows, labels)."""
    found = softmax(logits) >= least
    found[np.arange(len(found)), logits.argmax(axis=1)] = True
    return np.asarray(found)


def _named(row: Sequence[bool], labels: Sequence[str]) -> list[str]:
    return [label for label, on in zip(labels, row, strict=True) if on]
