"""The parts of a search that several workers ran, as one search.

The parts share nothing: each has its own trials, seeds and finalists. The best finalists of all go on;
means of weights are within a part.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bertworks.contracts.agent import AGENT
from bertworks.contracts.tuned import OWN, SEARCH_TIMES, TUNED, Finalist, SearchTimes, Trial, Tuned
from bertworks.models.weights import FILE
from bertworks.spec.bases import known
from bertworks.spec.task_kinds import lower_is_better
from bertworks.storage.artifacts import Artifact
from bertworks.storage.history import HISTORY, TIMINGS

MODEL_FILES = ("config.json", FILE, HISTORY, TIMINGS)
"""What there is of each finalist."""


def merged(parts: Sequence[Tuned], finalists: int) -> tuple[Tuned, list[tuple[int, Finalist]]]:
    """One search of several, and its finalists: the part that each is of, and what that part calls it.

    Args:
        parts: In their order; the first one began with the spec's own settings.
        finalists: Of all, at most.
    """
    lower = lower_is_better(parts[0].metric)
    first = _first_numbers(parts)
    trials: list[Trial] = [
        replace(one, number=first[place] + one.number)
        for place, part in enumerate(parts)
        for one in part.trials
    ]
    every = [(place, one) for place, part in enumerate(parts) for one in part.finalists]
    ranked = sorted(every, key=lambda one: one[1].value if lower else -one[1].value)[:finalists]
    named = [
        replace(one, trials=[first[place] + number for number in one.trials])
        for place, one in ranked
    ]
    best = trials[named[0].trials[0]]
    found = replace(
        parts[0], best=best.number, settings=best.settings, value=named[0].value,
        averaged=named[0].trials, trials=trials, importance={}, finalists=named,
        ended=next((part.ended for part in parts if part.ended == "minutes"), parts[0].ended),
    )  # fmt: skip
    return found, ranked


def merge(parts: Sequence[Artifact], folder: Path, finalists: int) -> tuple[Tuned, SearchTimes]:
    """Writes the parts' best models and the record of all their trials into a folder.

    Args:
        parts: "tuned" artifacts.
        folder: Of the artifact that is being written.
        finalists: Models that are kept.
    """
    read = [TUNED.read(part) for part in parts]
    found, ranked = merged(read, finalists)
    for place, ((number, finalist), named) in enumerate(zip(ranked, found.finalists, strict=True)):
        source = parts[number].path
        if finalist.trials != read[number].finalists[0].trials:
            source = source / finalist.folder
        copy_model(source, folder if place == 0 else folder / named.folder)
    write_agent(parts[0], folder, found)
    each = [SEARCH_TIMES.read(part) for part in parts]
    times = SearchTimes(
        max(one.seconds for one in each), [took for one in each for took in one.trials]
    )
    TUNED.write(folder, found)
    SEARCH_TIMES.write(folder, times)
    return found, times


def write_agent(source: Artifact, folder: Path, found: Tuned) -> None:
    """Writes what stands beside the winner's model: its tokenizer, and what it says of itself.

    Args:
        source: An artifact of the same search.
        folder: Of the artifact that is being written.
        found: The search with its winner.
    """
    shutil.copyfile(source / "tokenizer.json", folder / "tokenizer.json")
    record = AGENT.read(source).reading(found.finalists[0].max_length)
    AGENT.write(folder, replace(record, base=base_of(found, str(source.metadata["own_base"]))))


def base_of(found: Tuned, own: str) -> str:
    """The address of the encoder that the winner started from; `own` is the spec's."""
    name = found.settings.base
    return own if name in (None, OWN) else known(str(name)).checkpoint.uri


def copy_model(source: Path, target: Path) -> None:
    """Copies a finalist's files."""
    target.mkdir(parents=True, exist_ok=True)
    for name in MODEL_FILES:
        shutil.copyfile(source / name, target / name)


def _first_numbers(parts: Sequence[Tuned]) -> list[int]:
    """The number of each part's first trial among all."""
    found, at = [], 0
    for part in parts:
        found.append(at)
        at += len(part.trials)
    return found
