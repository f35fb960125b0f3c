"""What the analyzers learn from the train split."""

from __future__ import annotations

from dataclasses import dataclass

from bertworks.contracts.files import File


@dataclass(frozen=True)
class Facts:
    """What is the same for all rows of a task.

    Attributes:
        labels: Of the train split, in order; none for regression.
        length_quantiles: Tokens a row: least, those of `analyze.PERCENTILES`, most.
        score: For regression mean, std, min and max of the scores; else None.
    """

    labels: list[str]
    length_quantiles: list[float]
    score: dict[str, float] | None


FACTS: File[Facts] = File("facts.json", Facts)
