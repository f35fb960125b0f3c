"""Training rows that a bundle keeps to be shown: where the spec's serve.page.examples asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from bertworks.contracts.files import File


@dataclass(frozen=True)
class ShownExample:
    """A training row.

    Attributes:
        texts: Its text, its two texts, or its words.
        truth: Its label, labels, score or tags, as a person reads it.
    """

    texts: list[str]
    truth: str


SHOWN: File[list[ShownExample]] = File("examples.json", list[ShownExample])
