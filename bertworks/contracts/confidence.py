"""How sure an agent is: what a bundle keeps of it, and what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from bertworks.contracts.files import File
from bertworks.spec import Confidence


@dataclass(frozen=True)
class Calibration:
    """What makes a bundle's scores probabilities, and which of its answers are held back.

    Attributes:
        rows: The validation rows that all of it was chosen on.
        temperature: Logits are divided by it before they become scores; 1: they are taken as they are.
        asked: The spec's confidence; a share of out-of-scope rows that was left to the default is
            filled in.
        confident_from: The least score of a confident answer (multi-label and tagging: of the least
            sure part of a row's answer); null: not asked.
        in_scope_from: The least scope score of a text that is in scope; null: not asked.
        vector: How many numbers of the text's vector the graph gives behind a row's logits, from which
            scope.npy makes its scope score; 0: none.
        set_from: The least score of a label in an answer's set; null: not asked.
    """

    rows: int
    temperature: float = 1.0
    asked: Confidence = field(default_factory=Confidence)
    confident_from: float | None = None
    in_scope_from: float | None = None
    vector: int = 0
    set_from: float | None = None


@dataclass(frozen=True)
class Kept:
    """A point of the risk-coverage curve: what comes of answering only the surest rows.

    Attributes:
        coverage: The share of the rows that is answered.
        accuracy: The share of these that is right.
    """

    coverage: float
    accuracy: float


@dataclass(frozen=True)
class SplitConfidence:
    """How sure the answers of one split are, and how right.

    Attributes:
        rows: How many.
        error_before: The expected calibration error (Guo et al. 2017, 15 bins) at temperature 1.
        error: The same of the scores that are answered.
        chance: The error that an agent whose scores are probabilities would be expected to have on so
            many rows.
        accuracy: The share of rows that is right, of all.
        curve: From the surest row to all rows.
        coverage: The share of rows whose answers are confident; null: not asked.
        confident_accuracy: The share of these that is right; null: not asked, or there are none.
        refused: The share of rows that was taken for out of scope; null: not asked.
        set_coverage: The share of rows whose set holds the true label; null: not asked.
        set_size: Labels in a set, the mean; null: not asked.
    """

    rows: int
    error_before: float
    error: float
    chance: float
    accuracy: float
    curve: list[Kept] = field(default_factory=list)
    coverage: float | None = None
    confident_accuracy: float | None = None
    refused: float | None = None
    set_coverage: float | None = None
    set_size: float | None = None


@dataclass(frozen=True)
class OutsideSource:
    """Texts of one source that is marked out_of_scope.

    Attributes:
        uri: The source.
        rows: How many.
        recall: The share of them that was taken for out of scope.
    """

    uri: str
    rows: int
    recall: float


@dataclass(frozen=True)
class OutOfScope:
    """Texts that the agent should not answer.

    Attributes:
        rows: How many, of the sources that are marked out_of_scope.
        recall: The share of them that was taken for out of scope.
        auroc: The area under the ROC curve of the scope score, against the test rows.
        sources: The same by source.
    """

    rows: int
    recall: float
    auroc: float
    sources: list[OutsideSource] = field(default_factory=list)


@dataclass(frozen=True)
class MeasuredConfidence:
    """confidence.json of a bundle's metrics.

    Attributes:
        temperature: As in the bundle.
        splits: "validation", which all of it was chosen on, and "test", which it is judged by.
        out_of_scope: Null where the spec has no such source.
    """

    temperature: float
    splits: dict[str, SplitConfidence]
    out_of_scope: OutOfScope | None = None


CONFIDENCE: File[MeasuredConfidence] = File("confidence.json", MeasuredConfidence)
