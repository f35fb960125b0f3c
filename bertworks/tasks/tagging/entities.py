"""Entities in a row of tags, and how many of them were found."""

from __future__ import annotations

from collections.abc import Sequence

OUTSIDE = "O"

Span = tuple[str, int, int]


def spans(tags: Sequence[str]) -> list[Span]:
    """The entities (type, first word, one past the last) of one row of IOB2 tags, in order.

    By the rules of the CoNLL-2000 scorer (Tjong Kim Sang and Buchholz 2000), which are seqeval's
    default: an entity ends where the type changes or a B- begins; an I- that continues nothing
    begins an entity of its own.
    """
    found: list[Span] = []
    kind, start = "", 0
    for place, tag in enumerate([*tags, OUTSIDE]):
        mark, _, name = tag.partition("-")
        name = (name or "_") if mark in ("B", "I") else ""
        if mark == "I" and name == kind:
            continue
        if kind:
            found.append((kind, start, place))
        kind, start = name, place
    return found


def counts(truth: Sequence[str], prediction: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """Per entity type: found rightly, predicted, and in truth.

    Raises:
        ValueError: The two are not equally long.
    """
    if len(truth) != len(prediction):
        raise ValueError(
            f"Truth and prediction must be equally long. Received: {len(truth)}, {len(prediction)}"
        )
    wanted, given = set(spans(truth)), set(spans(prediction))
    kinds = {span[0] for span in wanted | given}
    return {
        kind: (
            sum(span[0] == kind for span in wanted & given),
            sum(span[0] == kind for span in given),
            sum(span[0] == kind for span in wanted),
        )
        for kind in kinds
    }


def told_spans(tags: Sequence[str], words: Sequence[str]) -> list[str]:
    """Each entity as a person reads it: its words, and its type in brackets."""
    return [f"{' '.join(words[first:end])} ({kind})" for kind, first, end in spans(tags)]
