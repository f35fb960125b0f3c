"""What a bundle must answer, wherever it is loaded: known_answers.json."""

from __future__ import annotations

from dataclasses import dataclass

from bertworks.contracts.files import File


@dataclass(frozen=True)
class KnownAnswer:
    """A row that was asked where the bundle was made.

    Attributes:
        inputs: Its texts, one an input of the task.
        tokens: Their token ids, marks included.
        logits: What the graph said, over the bundle's temperature: a number an output, or a list of them
            a token.
    """

    inputs: list[str]
    tokens: list[int]
    logits: list[float] | list[list[float]]


@dataclass(frozen=True)
class KnownAnswers:
    """known_answers.json of a bundle.

    Attributes:
        rows: Texts of random words of the vocabulary: nobody's own text stands in a bundle.
        format: Of the file.
    """

    rows: list[KnownAnswer]
    format: int = 1


KNOWN: File[KnownAnswers] = File("known_answers.json", KnownAnswers)
