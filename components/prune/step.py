"""Prune: cuts heads and neurons for a wanted speed-up, then distils the fine-tuned model."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from bertworks.contracts.agent import AGENT
from bertworks.deadline import deadline
from bertworks.models.config import Head
from bertworks.models.weights import load_folder, save_folder
from bertworks.spec import Prune, Task
from bertworks.storage import artifacts
from bertworks.storage.artifacts import Artifact
from bertworks.storage.checkpoints import Checkpoints
from bertworks.storage.history import HISTORY, TIMINGS, read_history, write_history
from bertworks.tasks import for_task
from bertworks.text.tokenizer import Tokenizer
from components.contract import StepResult, StepSection

PAGE = "pruning.html"

SAVES_MEMORY = f"{Prune.place}.batch_size"  # the setting, when it does not fit


class Section(StepSection):
    """The spec's `task` and `prune`, and the metric that the run goes by."""

    task: Task
    prune: Prune
    metric: str | None = None


def run(section: Section, *, model: Path, tokens: Path, pruned: Path) -> StepResult:
    """Writes a model artifact whose layers have widths of their own.

    Args:
        section: `task` and `prune` of the spec, and `metric`, which the run goes by.
        model: The fine-tuned model artifact.
        tokens: tokens artifact.
        pruned: Where the model artifact goes; it also holds latency.json and pruning.html.

    Returns:
        The predicted speed-up and the one measured here, the share of heads and neurons that stayed,
        and the validation metric of the fine-tuned model, right after pruning, and after distillation.

    Raises:
        SpecError: No widths are that fast on this machine.
    """
    from bertworks.compression.pruning.prune import prune, shortened, speed_notices
    from bertworks.compression.pruning.shrink import Model
    from bertworks.pages.pruning import render

    settings = section.prune
    parents = {
        "model": artifacts.open_artifact(model, "model"),
        "tokens": artifacts.open_artifact(tokens, "tokens"),
    }
    digests = {name: parent.digest for name, parent in parents.items()}
    config, weights, raw = load_folder(model)
    agent = AGENT.read(parents["model"])
    handler = for_task(section.task, agent.labels, agent.score, section.metric)
    checkpoints = Checkpoints.for_run({"step": "prune", **section.model_dump(mode="json")}, digests)
    with checkpoints or contextlib.nullcontext():
        full = Model(config, weights)
        result = prune(
            full, parents["tokens"], handler, settings, checkpoints, until=deadline(),
            rate=_rate(parents["model"]), max_length=agent.max_length,
        )  # fmt: skip
        # Speeds are the clock's: metadata count among what an artifact's digest is of.
        scores = {name: one for name, one in result.scores.items() if not name.endswith("_speedup")}
        metadata = {"base": agent.base, "scores": scores}
        with artifacts.write(
            pruned, kind="model", producer="prune", parents=parents, metadata=metadata,
            measured=(TIMINGS, "latency.json", PAGE),
        ) as folder:  # fmt: skip
            student = result.model
            save_folder(folder, student.config, student.weights, Head.from_huggingface(raw))
            Tokenizer.load(parents["model"].path).save(folder)
            AGENT.write(folder, replace(agent, parents=digests))
            write_history(folder, result.points, result.timings)
            artifacts.write_json(folder / "latency.json", result.table.to_json())
            page = render(result.plan, result.table, result.scores, result.points)
            (folder / PAGE).write_text(page, encoding="utf-8")
        if checkpoints:
            checkpoints.remove()
    told = [
        *speed_notices(settings.speedup, result.scores["measured_speedup"]),
        *shortened(settings.epochs, int(result.scores.get("distillation_epochs", settings.epochs))),
    ]
    return StepResult(result.scores, html=PAGE, notices=told)


def _rate(model: Artifact) -> float:
    """Tokens a second at which it was trained; 0 where it does not say so."""
    there = (model / HISTORY).is_file()
    return (read_history(model).tokens_per_second or 0.0) if there else 0.0
