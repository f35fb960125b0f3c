"""A search over the settings of fine-tuning, from the spec's sections to a winner."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bertworks.compression.pruning.prune import least_seconds
from bertworks.contracts.tuned import Chosen, Finalist, SearchTimes, Tuned
from bertworks.deadline import Deadline
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
from bertworks.training.search.folds import FoldTrainer, check_folds
from bertworks.training.search.search import Trials
from bertworks.training.search.space import Ends, SearchSpace, inside, own_settings, space_for, told
from bertworks.training.search.starts import Starts
from bertworks.training.search.study import Study
from bertworks.training.search.trainer import ModelTrainer

STUDY = "study.jsonl"
MOST_BY_CHANCE = 0.5
"""The standard deviation of a share of rows, by the square root of how many these are, at most."""


@dataclass(frozen=True)
class Search:
    """What is searched.

    Attributes:
        tokens: The tokens artifact.
        handler: The task.
        initial: The encoder that every trial starts from.
        settings: The spec's finetune section: what trial 0 has, and all trials of what is not searched.
        wanted: The spec's tune section.
        others: Name to folder of the encoders that are tried beside the initial one.
        limited: Whether the gates limit size or latency.
        misfit: Why a model of these sizes, reading so many tokens at once, cannot fit them.
        shard: Which part of the trials it is.
        prunes: Whether what its share leaves of the run's minutes is for pruning.
        inputs: The inputs' digests.
    """

    tokens: Artifact
    handler: TaskHandler
    initial: tuple[EncoderConfig, Weights]
    settings: Finetune
    wanted: Tune
    inputs: Mapping[str, str]
    others: Mapping[str, Path] = field(default_factory=dict)
    limited: bool = False
    misfit: Callable[[EncoderConfig, int], str] = lambda config, length: ""
    shard: int = 0
    prunes: bool = False


@dataclass(frozen=True)
class Model:
    """One of the best models.

    Attributes:
        config: Sizes.
        weights: All, with the head's.
        state: Where its training ended.
    """

    config: EncoderConfig
    weights: Weights
    state: State


def tune(
    search: Search,
    place: Checkpoints,
    *,
    began: float | None = None,
    clock: Clock = time.monotonic,
    until: Deadline | None = None,
) -> tuple[Tuned, SearchTimes, list[Model]]:
    """Runs a search, or goes on with it; gives the finalists' models beside, the winner's first.

    Args:
        search: What is searched.
        place: Where it is kept, already entered.
        began: When the budget began to run, by the clock; None: now.
        clock: Tells the seconds.
        until: When the search must be over, whatever its own minutes are; None: then.

    Raises:
        DataError: A split has no rows, or the rows do not fit the encoder.
        BertworksError: No trial came to a value.
    """
    began = clock() if began is None else began
    handler, settings, wanted = search.handler, search.settings, search.wanted
    material = Material.read(search.tokens, handler, search.initial)
    starts = Starts(material, search.others)
    length = material.length(settings)
    if settings.epochs == "auto":  # so that trial 0 is what the section by itself would be
        settings = settings.model_copy(
            update={"epochs": length.epochs, "patience": length.patience}
        )
    space = space_for(wanted.space, starts, settings, limited=search.limited)
    own = own_settings(starts, settings)
    first = inside(space, own)
    metric = settings.metric or handler.default_metric
    lower = lower_is_better(metric)
    identity = {
        "step": "tune", "task": handler.task.model_dump(mode="json"), "metric": metric,
        "shard": search.shard,
    }  # fmt: skip
    kind = FoldTrainer if wanted.folds else ModelTrainer
    kept = max(wanted.soup, wanted.finalists)
    trainer = kind(starts, place, identity, search.inputs, kept, metric)
    if isinstance(trainer, FoldTrainer):
        trainer.folds, trainer.seed = wanted.folds or 0, wanted.seed
        check_folds(material, trainer.folds)
        trainer.settings = settings
    file = place.folder / STUDY

    def opened() -> Study:
        return Study(
            file, space, first, wanted, lower=lower, cost=starts.cost, shard=search.shard,
            noise=math.inf if lower else MOST_BY_CHANCE / max(1, len(material.validation)) ** 0.5,
        )  # fmt: skip

    study = opened()
    if study.best is not None and not trainer.kept:
        print(f"{place.folder} has lost the search's best model: it begins anew", file=sys.stderr)
        file.unlink()
        study = opened()
    earlier = sum(ends[-1] for ends in study.seconds if ends)
    minutes = wanted.minutes if isinstance(wanted.minutes, float | int) else None
    budget = Budget(minutes, earlier + clock() - began, clock, until)
    trials = Trials(
        wanted, settings, metric, _least_epochs(space, length.epochs),
        lambda value, than: handler.is_better(metric, value, than),
        1.0 if metric in handler.task.kind.at_most_one and not lower else None,
        _behind(material) if until else lambda rate: 0.0,
        _pruning(material, until.behind) if until and search.prunes else lambda rate: None,
        lambda one: search.misfit(starts.config(one), one.max_length or material.info.max_length),
    )  # fmt: skip
    tuned = trials.run(study, trainer, budget)
    best = settings.model_copy(update=tuned.settings.of_finetune())
    soup, state = trainer.winner(best, wanted.soup)
    length_of = {one.number: starts.material(one.settings).info.max_length for one in trainer.kept}
    models = [Model(_sizes(starts, tuned.settings, settings), soup.weights, state)]
    finalists = [Finalist(soup.trials, soup.value, length_of[tuned.best])]
    for one, weights in trainer.others(soup.trials, wanted.finalists - 1):
        models.append(Model(_sizes(starts, one.settings, settings), weights, one.state))
        finalists.append(Finalist([one.number], one.value, length_of[one.number]))
    tuned = replace(
        tuned, averaged=soup.trials, value=soup.value, searched=list(told(space, own)),
        finalists=finalists, folds=wanted.folds,
    )  # fmt: skip
    times = [round(ends[-1], 3) if ends else 0.0 for ends in study.seconds]
    return tuned, SearchTimes(round(budget.spent, 3), times), models


def _sizes(starts: Starts, chosen: Chosen, settings: Finetune) -> EncoderConfig:
    """What a trial's model was built with."""
    material = starts.material(chosen)
    had = settings.model_copy(update=chosen.of_finetune())
    return config_for(material.initial[0], material.info, had)


def _behind(material: Material) -> Callable[[float], float]:
    """What asking models for all rows takes in the steps behind the search.

    Evaluate and its twin ask for the test rows, quantize asks several graphs for validation rows. An
    answer takes about a third of what learning from the row takes.
    """
    rows, validation = material.info.rows, material.validation
    test = rows.get("test", 0) * float(validation.lengths.mean()) if len(validation) else 0.0
    tokens = 2 * test + 3 * float(validation.lengths.sum())
    return lambda rate: tokens / (3 * rate) if rate > 0 else 0.0


def _pruning(material: Material, again: float) -> Callable[[float], float | None]:
    """What the smaller agent takes: pruning, one epoch of distillation, and the other steps again.

    Args:
        material: The rows.
        again: Seconds of those steps, beside what the rows take in them.
    """
    tokens, behind = float(material.train.lengths.sum()), _behind(material)

    def seconds(rate: float) -> float | None:
        if rate <= 0:
            return None
        return again + behind(rate) + least_seconds(tokens / rate)

    return seconds


def _least_epochs(space: SearchSpace, own: int) -> int:
    epochs = space.get("epochs")
    if epochs is None:
        return own
    return int(epochs.low if isinstance(epochs, Ends) else min(map(float, epochs.values)))
