"""What a bundle expects to be asked: reference.json, by which a server tells that texts have moved."""

from __future__ import annotations

from dataclasses import dataclass, field

from bertworks.contracts.files import File


@dataclass(frozen=True)
class Chance:
    """How far a sample of rows is from the reference by chance alone, by its size.

    Attributes:
        rows: Sizes of samples, ascending.
        mean: Jensen-Shannon divergence in bits, the mean over samples of that size.
        high: What one sample in 10,000 exceeds.
    """

    rows: list[int]
    mean: list[float]
    high: list[float]


@dataclass(frozen=True)
class Expected:
    """A distribution, and what chance does to it.

    Attributes:
        counts: One a bucket.
        chance: See there.
    """

    counts: list[int]
    chance: Chance


@dataclass(frozen=True)
class Reference:
    """reference.json of a bundle.

    Attributes:
        rows: Training rows that were counted.
        answered: Validation rows whose answers were counted.
        tokens: Ids of the most frequent tokens of the training rows; what is none of them shares the
            last bucket.
        unknown: Id of the token that stands for what the tokenizer does not know.
        marks: Ids that stand in every row and say nothing.
        labels: What the answers are counted by: labels, types of entity; "" for none of them. Empty for
            scores.
        edges: Of the buckets of scores, ascending; the first and the last bucket are open.
        expected: By measure: tokens, lengths, unknown, labels.
        format: Of the file.
    """

    rows: int
    answered: int
    tokens: list[int]
    unknown: int
    marks: list[int]
    labels: list[str] = field(default_factory=list)
    edges: list[float] = field(default_factory=list)
    expected: dict[str, Expected] = field(default_factory=dict)
    format: int = 1


REFERENCE: File[Reference] = File("reference.json", Reference)
