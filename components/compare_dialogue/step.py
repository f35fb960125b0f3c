"""Compares what a dialogue would be made of now with what the one that serves was made of."""

from __future__ import annotations

import os
from pathlib import Path

from bertworks import failures
from bertworks.contracts.retraining import COMPARISON
from bertworks.notices import Notice
from bertworks.retraining.dialogue import compare
from bertworks.storage import artifacts
from bertworks.storage.outcomes import Outcomes
from bertworks.storage.store import Store
from components.contract import StepResult, StepSection


class Section(StepSection):
    """What there is now, and where models are kept.

    Attributes:
        store: URI or path of the model store.
        made_of: Place of a source, a file or a spec to what tells its content.
    """

    name: str
    store: str
    made_of: dict[str, str]


def run(section: Section, *, comparison: Path) -> StepResult:
    """Decides whether there is anything new.

    Args:
        section: name, store (URI or path of the model store), made_of.
        comparison: Where the comparison artifact goes.

    Raises:
        ArtifactError: The store is damaged.
    """
    found = compare(Store(section.store), section.name, section.made_of)
    with artifacts.write(
        comparison, kind="comparison", producer="compare_dialogue",
        metadata={"changed": found.changed},
    ) as folder:  # fmt: skip
        COMPARISON.write(folder, found)
    if run_id := os.environ.get(failures.RUN):
        Outcomes(section.store, section.name).note(run_id, "compare", found)
    answer = "changed" if found.changed else "unchanged"
    return StepResult(
        {"changed": int(found.changed)}, notices=[Notice(found.reason)], answer=answer
    )
