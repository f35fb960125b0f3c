"""A search over the settings of fine-tuning, from the spec's sections to a winner."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bertworks.contracts.tuned import SearchTimes, Tuned
from bertworks.models.config import EncoderConfig
from bertworks.models.layout import Weights
from bertworks.spec import Finetune
from bertworks.spec.task_kinds import lower_is_better
from bertworks.spec.tuning import Tune
from bertworks.storage.artifacts import Artifact
from bertworks.storage.checkpoints import Checkpoints
from bertworks.tasks.handler import TaskHandler
from bertworks.training.loop import State
from bertworks.training.objectives.finetuning import Material, config_for
from bertworks.training.search.budget import Budget, Clock
from bertworks.training.search.search import Trials
from bertworks.training.search.space import Ends, SearchSpace, inside, own_settings, space_for
from bertworks.training.search.study import Study
from bertworks.training.search.trainer import ModelTrainer

STUDY = "study.jsonl"


@dataclass(frozen=True)
class Search:
    """What is searched.

    Attributes:
        tokens: The tokens artifact.
        handler: The task.
        initial: The encoder that every trial starts from.
        settings: The spec's finetune section: what trial 0 has, and all trials of what is not searched.
        wanted: The spec's tune section.
        inputs: The inputs' digests.
    """

    tokens: Artifact
    handler: TaskHandler
    initial: tuple[EncoderConfig, Weights]
    settings: Finetune
    wanted: Tune
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class Winner:
    """The best trial's model: sizes, all weights with the head's, and where its training ended."""

    config: EncoderConfig
    weights: Weights
    state: State


def tune(
    search: Search,
    place: Checkpoints,
    *,
    began: float | None = None,
    clock: Clock = time.monotonic,
) -> tuple[Tuned, SearchTimes, Winner]:
    """Runs a search, or goes on with it.

    Args:
        search: What is searched.
        place: Where it is kept, already entered.
        began: When the budget began to run, by the clock; None: now.
        clock: Tells the seconds.

    Raises:
        DataError: A split has no rows, or the rows do not fit the encoder.
        BertworksError: No trial came to a value.
    """
    began = clock() if began is None else began
    handler, settings, wanted = search.handler, search.settings, search.wanted
    material = Material.read(search.tokens, handler, search.initial)
    length = material.length(settings)
    if settings.epochs == "auto":  # so that trial 0 is what the section by itself would be
        settings = settings.model_copy(update={"patience": length.patience})
    space = space_for(wanted.space, material, settings)
    first = inside(space, own_settings(material, settings))
    metric = settings.metric or handler.default_metric
    identity = {"step": "tune", "task": handler.task.model_dump(mode="json"), "metric": metric}
    trainer = ModelTrainer(material, place, identity, search.inputs, wanted.soup, metric)
    lower, file = lower_is_better(metric), place.folder / STUDY
    study = Study(file, space, first, wanted, lower=lower)
    if study.best is not None and not trainer.kept:
        print(f"{place.folder} has lost the search's best model: it begins anew", file=sys.stderr)
        file.unlink()
        study = Study(file, space, first, wanted, lower=lower)
    earlier = sum(ends[-1] for ends in study.seconds if ends)
    budget = Budget(wanted.minutes, earlier + clock() - began, clock)
    trials = Trials(
        wanted, settings, metric, _least_epochs(space, length.epochs),
        lambda value, than: handler.is_better(metric, value, than),
    )  # fmt: skip
    tuned = trials.run(study, trainer, budget)
    best = settings.model_copy(update=tuned.settings.given())
    soup, state = trainer.winner(best)
    tuned = replace(tuned, averaged=soup.trials, value=soup.value)
    winner = Winner(config_for(search.initial[0], material.info, best), soup.weights, state)
    times = [round(ends[-1], 3) if ends else 0.0 for ends in study.seconds]
    return tuned, SearchTimes(round(budget.spent, 3), times), winner


def _least_epochs(space: SearchSpace, own: int) -> int:
    epochs = space.get("epochs")
    if epochs is None:
        return own
    return int(epochs.low if isinstance(epochs, Ends) else min(epochs.values))
