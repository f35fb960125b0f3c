"""Training rows that go into the bundle to be shown by the page, where the spec asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bertworks.contracts.shown import ShownExample
from bertworks.errors import DataError
from bertworks.evaluation.data import read_split
from bertworks.spec import Task
from bertworks.storage.artifacts import open_artifact
from bertworks.tasks import for_task


def shown_examples(
    task: Task, serve: Mapping[str, object], examples: Path | None, seed: int
) -> list[ShownExample]:
    """A random sample of the training rows, the same for equal seeds; none where none was asked for.

    Args:
        task: What the agent does.
        serve: The spec's serve, whose page.examples says how many.
        examples: The examples artifact; None: it is not at hand.
        seed: Of the sample.

    Raises:
        DataError: Rows were asked for, and there is no examples artifact.
    """
    page = serve.get("page")
    count = page.get("examples", 0) if isinstance(page, Mapping) else 0
    if not count:
        return []
    if examples is None:
        raise DataError(
            f"serve.page.examples asks for {count} training rows, and this run gives the quantize step "
            "none.",
            "Give it the examples artifact, or set serve.page.examples to 0.",
        )
    handler = for_task(task)
    rows = read_split(open_artifact(examples, "examples"), "train")
    texts = handler.form.rows(rows)
    truth = rows[handler.target.column]
    places = np.random.default_rng(seed).permutation(len(texts))[:count]
    return [
        ShownExample(
            _texts(texts[place]),
            handler.target.told(truth[place], handler.form.turn(texts[place])),
        )
        for place in sorted(places.tolist())
    ]


def _texts(row: str | Sequence[str]) -> list[str]:
    if isinstance(row, tuple):
        return [part if isinstance(part, str) else " ".join(part) for part in row]
    return [row] if isinstance(row, str) else list(row)
