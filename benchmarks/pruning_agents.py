"""The fine-tuned models that the pruning benchmark starts from, and their rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.harness.sides import REPOSITORY
from bertworks.compression.pruning.shrink import Model
from bertworks.contracts.tokens import TOKENS, Tokens
from bertworks.models.weights import load_folder
from bertworks.spec import file as spec_file
from bertworks.storage import artifacts
from bertworks.tasks import for_task
from bertworks.tasks.handler import TaskHandler
from bertworks.training.rows import LabelledRows, read_rows
from components.finetune import step as finetune
from components.ingest import step as ingest
from components.transform import step as transform
from pipelines.dag import Dag
from pipelines.local import record
from pipelines.local.root import Root
from pipelines.site import Laptop


@dataclass(frozen=True)
class Agent:
    """A fine-tuned model with its rows.

    Attributes:
        name: The example's.
        full: The model.
        handler: The task.
        info: The tokens artifact's info.json.
        train: Rows to train on.
        held_out: Rows that were not trained on, of one or two splits.
    """

    name: str
    full: Model
    handler: TaskHandler
    info: Tokens
    train: LabelledRows
    held_out: tuple[LabelledRows, ...]

    @classmethod
    def load(cls, name: str, model: Path, tokens: Path, splits: Sequence[str]) -> Agent:
        """Reads a model and a tokens artifact; `splits` are held out."""
        opened = artifacts.open_artifact(tokens, "tokens")
        info = TOKENS.read(opened)
        handler = for_task(info.task, info.labels, info.score)
        config, weights, _ = load_folder(model)
        train, *held_out = (
            read_rows(opened / split, handler.target_column).windowed(info.max_length)
            for split in ("train", *splits)
        )
        return cls(name, Model(config, weights), handler, info, train, tuple(held_out))

    def held_out_metrics(self, logits: list[list[np.ndarray]]) -> dict[str, float]:
        """Every metric of the task, the default one first, over all held-out rows together."""
        pairs = zip(self.held_out, logits, strict=True)
        together = [answer for part, given in pairs for answer in part.combine(given)]
        targets: Any = [target for part in self.held_out for target in part.truth]
        if self.handler.task.type != "tagging":
            targets = np.array(targets)
        default = self.handler.default_metric
        names = sorted(self.handler.kind.metrics, key=lambda name: name != default)
        return {name: self.handler.metric(name, targets, together) for name in names}


def newest_run(root: Root, name: str) -> tuple[Path, Path] | None:
    """The model and tokens artifacts of the newest finished run of an example, if there is one."""
    for run in record.newest_first(root):
        found = run.artifacts
        good = (run.name, run.state) == (name, "succeeded")
        if good and {"model", "tokens"} <= set(found):
            return Path(found["model"]), Path(found["tokens"])
    return None


def made(name: str, work: Path, rows: int | None, epochs: int) -> tuple[Path, Path]:
    """Fetches, tokenizes and fine-tunes an example by its steps, unless a run before did so.

    Args:
        name: The example's.
        work: Where the artifacts are kept; the folder's name says what they were made of.
        rows: data.max_rows of all three splits together; None: all.
        epochs: finetune.epochs.
    """
    folder = work / f"{name}-{rows or 'all'}-rows-{epochs}-epochs"
    parts = ("examples", "corpus", "rejected", "base", "tokens", "model")
    places = {part: folder / part for part in parts}
    changed = [f"finetune.epochs={epochs}", *([f"data.max_rows={rows}"] if rows else [])]
    loaded = spec_file.load(REPOSITORY / f"examples/{name}.yaml", changed)
    given = {
        step: json.loads(section)["settings"]
        for step, section in Dag(loaded.spec, Laptop.of(loaded, "")).sections().items()
    }

    def run(step: ModuleType, section: str, inputs: Mapping[str, str], *outputs: str) -> None:
        """Runs a step unless its last output is there."""
        if (places[outputs[-1]] / artifacts.MANIFEST).exists():
            return
        say(f"{name}: {section}")
        taken = {argument: places[part] for argument, part in inputs.items()}
        step.run(
            step.Section.of(given[section]), **taken, **{part: places[part] for part in outputs}
        )

    folder.mkdir(parents=True, exist_ok=True)
    run(ingest, "ingest", {}, "examples", "corpus", "rejected", "base")
    made_from = {part: part for part in ("examples", "corpus", "base")}
    run(transform, "transform", made_from, "tokens")
    run(finetune, "finetune", {"tokens": "tokens", "initial": "base"}, "model")
    return places["model"], places["tokens"]


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)
