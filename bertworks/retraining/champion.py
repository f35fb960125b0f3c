"""The champion as a challenger needs it: what it knows, and weights to start from."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bertworks.contracts.agent import AGENT
from bertworks.contracts.examples import EXAMPLES
from bertworks.models.layout import Weights, initialize
from bertworks.models.weights import FILE, load_raw_config, read_tensors, write_tensors
from bertworks.spec import Base, Clean, Retrain, Task
from bertworks.storage.artifacts import Artifact
from bertworks.storage.history import HISTORY, TIMINGS
from bertworks.storage.store import Store, Version
from bertworks.tasks import for_task

HEAD = "classifier."
# What the model says of its own making.
_LEFT = (FILE, "agent.json", HISTORY, TIMINGS, "latency.json", "pruning.html")
_NO_ROWS = "the champion was kept without its rows"
_OTHER_TASK = "the spec asks for another task than the champion's"
_OTHER_CLEAN = (
    "data.clean is another than that of the champion's rows: training starts from the base"
)


@dataclass(frozen=True)
class Past:
    """What earlier versions left for a challenger.

    Attributes:
        champion: The version that serves, or None.
        examples: All rows that it knows; None where they were not kept, or are of another task or
            another data.clean.
        model: Its weights before compression; None where they do not suit or were not kept.
        tried: The newest version that was made to replace it with the same recipe, or None.
        tried_examples: All rows that were known by then.
        notes: What a person should know about what is missing.
    """

    champion: Version | None = None
    examples: Artifact | None = None
    model: Artifact | None = None
    tried: Version | None = None
    tried_examples: Artifact | None = None
    notes: tuple[str, ...] = ()


def read_past(
    store: Store,
    name: str,
    task: Task,
    base: Base,
    settings: Retrain,
    recipe: str,
    clean: Clean | None = None,
) -> Past:
    """Reads the champion, and what has challenged it.

    Args:
        store: The model store.
        name: The agent.
        task: The spec's task: another one makes the old rows and weights useless.
        base: The spec's base: another one is a reason not to go on from the old weights.
        settings: The spec's retrain section: `warm_start` off is another.
        recipe: How challengers are made now; those made in another way say nothing about it.
        clean: How this run's rows were cleaned (info.json): rows cleaned otherwise have other ids, and
            would stand beside themselves, in another split even. None: not recorded.

    Raises:
        ArtifactError: Something that was kept is damaged.
    """
    champion = store.champion(name)
    tried = _tried(store, name, champion, recipe)
    tried_examples = _rows(store, tried, task, clean)[0] if tried else None
    if champion is None:
        notes = ("there is no champion yet",)
        return Past(None, None, None, tried, tried_examples, notes)
    model = None
    examples, why = _rows(store, champion, task, clean)
    if examples is not None:
        model, why = _weights(store, champion, base, settings)
    return Past(champion, examples, model, tried, tried_examples, (why,) if why else ())


def _weights(
    store: Store, champion: Version, base: Base, settings: Retrain
) -> tuple[Artifact | None, str]:
    """The champion's model to start from, or the reason why not."""
    if not settings.warm_start:
        return None, "retrain.warm_start is off: training starts from the base, on all rows"
    if not champion.has("model"):
        return None, "the champion was kept without its weights: training starts from the base"
    model = store.fetch(champion.name, champion.number, "model")
    if not same_base(base, model):
        return None, "the spec names another base than the champion's: training starts there"
    return model, ""


def _rows(
    store: Store, version: Version, task: Task, clean: Clean | None
) -> tuple[Artifact | None, str]:
    """The rows that a version knows; None and why where they were not kept, or are of no use."""
    if not version.has("examples"):
        return None, _NO_ROWS
    found = store.fetch(version.name, version.number, "examples")
    known = EXAMPLES.read(found)
    if not known.task.like(task):
        return None, _OTHER_TASK
    if None not in (known.clean, clean) and known.clean != clean:
        return None, _OTHER_CLEAN
    return found, ""


def _tried(store: Store, name: str, champion: Version | None, recipe: str) -> Version | None:
    """What was made last, with the same recipe, to replace this very champion (or to be the first)."""
    digest = champion.digest if champion else None
    for one in reversed(store.list(name)):
        same = (one.made.challenged, one.made.recipe) == (digest, recipe)
        if same and one.has("examples") and one.digest != digest:
            return one
    return None


def same_base(base: Base, model: Artifact) -> bool:
    """Whether a model goes back to the base that the spec names."""
    if AGENT.read(model).base != base.uri:
        return False
    config, wanted = load_raw_config(model.path), base.scratch
    if base.uri != "scratch":
        return base.layers in (None, config.get("num_hidden_layers"))
    return [
        config.get(name)
        for name in ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size")
    ] == [wanted.layers, wanted.hidden_size, wanted.heads, wanted.intermediate_size]


def write_initial(
    folder: Path, base: Artifact, past: Past, labels: set[str], task: Task
) -> dict[str, object]:
    """Writes the base artifact's files for a challenger: the champion's weights, or the base's.

    Of the champion's head each known label keeps its row, and new labels start fresh.

    Args:
        folder: Where to write.
        base: The base artifact of this run.
        past: Its `model` says where to start.
        labels: The labels of the rows to train on.
        task: The spec's task.

    Returns:
        The artifact's metadata.
    """
    model, champion = past.model, past.champion
    if model is None or champion is None:
        _copy(base, folder)
        return dict(base.metadata)
    _copy(model, folder, leave=_LEFT)
    agent = AGENT.read(model)
    ordered = for_task(task).target.ordered(labels)
    before, now = (list(for_task(task, names).head().labels) for names in (agent.labels, ordered))
    write_tensors(folder / FILE, with_labels(read_tensors(model / FILE), before, now))
    return {
        "scratch": False,
        "uri": agent.base,
        "champion": champion.number,
        "sha256": model.digest,
    }


def with_labels(weights: Weights, before: list[str], now: list[str]) -> Weights:
    """A model's weights with a head for other labels: rows of known labels are kept."""
    if before == now:
        return weights
    changed = dict(weights)
    for name in (one for one in weights if one.startswith(HEAD)):
        old = weights[name]
        fresh = initialize({name: (len(now), *old.shape[1:])}, seed=0)[name]
        for row, label in enumerate(now):
            if label in before:
                fresh[row] = old[before.index(label)]
        changed[name] = np.asarray(fresh, np.float32)
    return changed


def _copy(source: Artifact, folder: Path, leave: tuple[str, ...] = ()) -> None:
    for file in source.path.iterdir():
        if file.is_file() and file.name not in ("manifest.json", *leave):
            shutil.copyfile(file, folder / file.name)
