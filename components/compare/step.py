"""Compares what the sources have now with what the champion knows; prepares a challenger."""

from __future__ import annotations

import os
from pathlib import Path

from bertworks import failures
from bertworks.contracts.examples import EXAMPLES
from bertworks.contracts.retraining import COMPARISON
from bertworks.models.weights import load_raw_config
from bertworks.pages.comparison import page
from bertworks.retraining.champion import read_past, write_initial
from bertworks.retraining.comparison import compare, notices
from bertworks.retraining.merge import write_rows
from bertworks.spec import Base, Retrain, Task
from bertworks.spec.bases import AUTO
from bertworks.storage import artifacts
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.outcomes import Outcomes
from bertworks.storage.store import Store
from components.contract import StepResult, StepSection


class Section(StepSection):
    """Parts of the spec, and what a challenger is made by.

    Attributes:
        store: URI or path of the model store.
        recipe: Tells ways to make a challenger apart.
        min_label_rows: Training rows that a label must have.
    """

    name: str
    store: str
    task: Task
    base: Base
    retrain: Retrain
    recipe: str
    min_label_rows: int


def run(
    section: Section,
    *,
    examples: Path,
    base: Path,
    comparison: Path,
    merged: Path,
    history: Path,
    initial: Path,
) -> StepResult:
    """Decides whether there is anything new, and writes what a challenger is made from.

    Where nothing is new, `merged`, `history` and `initial` hold nothing: no step reads them then.

    Args:
        section: name, store, task, base, retrain (parts of the spec), recipe (what tells ways to make
            a challenger apart) and min_label_rows (training rows that a label must have).
        examples: Examples artifact of the sources as they are now.
        base: Base artifact.
        comparison: Where the comparison artifact goes.
        merged: Where the examples to train on and to measure with go.
        history: Where the examples that are known by then go.
        initial: Where the base artifact to start from goes.

    Raises:
        ArtifactError: What the champion left is damaged.
    """
    task, settings = (
        section.task,
        section.retrain,
    )
    current, encoder = open_artifact(examples, "examples"), open_artifact(base, "base")
    wanted = section.base
    if not encoder.metadata.get("scratch"):
        # What the spec asks for, as it came out: a champion of more or fewer layers is another start.
        layers = load_raw_config(encoder.path).get("num_hidden_layers")
        chosen = {"uri": encoder.metadata["uri"]} if wanted.uri == AUTO else {}
        wanted = wanted.model_copy(update={"layers": layers, **chosen})
    store = Store(section.store)
    clean = EXAMPLES.read(current).clean
    past = read_past(store, section.name, task, wanted, settings, section.recipe, clean)
    found = compare(task, settings, current, past, section.min_label_rows)
    facts = found.record()

    older = {
        "champion_examples": past.examples,
        "tried_examples": past.tried_examples,
    }
    kept = {name: rows for name, rows in older.items() if rows is not None}
    parents = {"examples": current, "base": encoder, **kept}
    with (
        artifacts.write(merged, kind="examples", producer="compare", parents=parents) as rows,
        artifacts.write(history, kind="examples", producer="compare", parents=parents) as every,
    ):
        if found.changed:
            write_rows(task, [*kept.values(), current], found.plan, rows, every)
    metadata: dict[str, object] = {}
    with artifacts.write(
        initial, kind="base", producer="compare", parents=parents, metadata=metadata
    ) as folder:
        if found.changed:
            labels = set(found.plan.labels)
            metadata.update(write_initial(folder, encoder, past, labels, task))
    with artifacts.write(
        comparison, kind="comparison", producer="compare", parents=parents,
        metadata={"changed": found.changed},
    ) as folder:  # fmt: skip
        COMPARISON.write(folder, facts)
        (folder / "view.html").write_text(page(section.name, found), encoding="utf-8")
    if run_id := os.environ.get(failures.RUN):
        Outcomes(section.store, section.name).note(run_id, "compare", facts)
    drifts = {f"{one.name}_drift": one.value for one in found.drifts}
    numbers = {"changed": int(found.changed), "new_rows": found.new, **drifts}
    told = list(notices(found, section.min_label_rows, section.retrain))
    answer = "changed" if found.changed else "unchanged"
    return StepResult(numbers, html="view.html", notices=told, answer=answer)
