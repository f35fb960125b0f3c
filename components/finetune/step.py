"""Finetune: trains the encoder and a task head on the labelled rows, or takes over what tune trained."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bertworks.contracts.agent import AGENT, AgentRecord
from bertworks.contracts.tokens import TOKENS
from bertworks.contracts.tuned import TUNED, Trial
from bertworks.models.weights import FILE, save_folder
from bertworks.notices import Notice
from bertworks.spec import Finetune, Task
from bertworks.storage import artifacts
from bertworks.storage.artifacts import Artifact
from bertworks.storage.checkpoints import Checkpoints
from bertworks.storage.history import HISTORY, TIMINGS, read_history, write_history
from bertworks.tasks import for_task
from bertworks.text.tokenizer import Tokenizer
from bertworks.training.initial import load_initial
from components.contract import StepResult, StepSection

SAVES_MEMORY = f"{Finetune.place}.batch_size"  # the setting, when it does not fit


class Section(StepSection):
    """The spec's `task` and `finetune`, and the metric that the run goes by."""

    task: Task
    finetune: Finetune
    metric: str | None = None


def run(section: Section, *, tokens: Path, initial: Path, model: Path) -> StepResult:
    """Writes a model artifact.

    Args:
        section: `task` and `finetune` of the spec, and `metric`, which the run goes by.
        tokens: tokens artifact.
        initial: base or model artifact to start from; or what tune found, whose model is trained
            already by the same rows, seed and settings: it is taken over as it is.
        model: Where the model artifact goes.

    Returns:
        The best validation metric, its epoch, and training tokens per second; a notice where more
        epochs may be better.
    """
    from bertworks.models.model import get_weights
    from bertworks.training.objectives.finetuning import finetune

    settings = section.finetune
    parents = {
        "tokens": artifacts.open_artifact(tokens, "tokens"),
        "initial": artifacts.open_artifact(initial),
    }
    if parents["initial"].kind == "tuned":
        return _taken_over(parents, model)
    digests = {name: parent.digest for name, parent in parents.items()}
    task = section.task
    known = TOKENS.read(parents["tokens"])
    handler = for_task(task, known.labels, known.score, section.metric)
    start = load_initial(parents["initial"], parents["tokens"])
    checkpoints = Checkpoints.for_run(
        {"step": "finetune", **section.model_dump(mode="json")}, digests
    )
    with checkpoints or contextlib.nullcontext():
        trained, state, notices = finetune(parents["tokens"], handler, start, settings, checkpoints)
        metric = settings.metric or handler.default_metric
        scores = {
            f"validation_{metric}": state.best,
            "best_epoch": state.best_epoch,
            "tokens_per_second": round(state.tokens_per_second, 1),
        }
        base = str(parents["initial"].metadata.get("uri", ""))
        metadata = {"base": base, "metric": metric, "value": state.best}
        with artifacts.write(
            model, kind="model", producer="finetune", parents=parents, metadata=metadata,
            measured=(TIMINGS,),
        ) as folder:  # fmt: skip
            save_folder(folder, trained.config, get_weights(trained), handler.head())
            Tokenizer.load(parents["tokens"].path).save(folder)
            AGENT.write(folder, AgentRecord.of(known, base, digests))
            write_history(folder, state.points, state.timings)
        if checkpoints:
            checkpoints.remove()
    return StepResult(scores, notices=notices)


def _epoch_of(trial: Trial) -> int:
    """Which epoch's model a trial left, from 1: the best one, or else the last one."""
    rungs = trial.rungs
    return rungs.index(rungs[-1]) + 1 if trial.value == rungs[-1] else len(rungs)


def _taken_over(parents: Mapping[str, Artifact], model: Path) -> StepResult:
    """Writes the model that tune trained as this step's."""
    tuned = parents["initial"]
    found = TUNED.read(tuned)
    with artifacts.write(
        model, kind="model", producer="finetune", parents=parents, metadata=tuned.metadata,
        measured=(TIMINGS,),
    ) as folder:  # fmt: skip
        for name in ("config.json", FILE, HISTORY, TIMINGS):  # finalists that lost stay behind
            shutil.copyfile(tuned / name, folder / name)
        Tokenizer.load(tuned.path).save(folder)
        digests = {name: parent.digest for name, parent in parents.items()}
        AGENT.write(folder, replace(AGENT.read(tuned), parents=digests))
    best = found.trials[found.best]
    scores = {
        f"validation_{found.metric}": found.value,
        "best_epoch": _epoch_of(best),
        "tokens_per_second": read_history(tuned).tokens_per_second,
    }
    text = f"The search's model (trial {found.best}) was taken over: it is trained already."
    return StepResult(scores, notices=[Notice(text)])
