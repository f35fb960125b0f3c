"""How many entities of a tag sequence were found (spans as in bertworks.tasks.tagging)."""

from __future__ import annotations

from collections.abc import Sequence

from bertworks.tasks.tagging import spans


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
