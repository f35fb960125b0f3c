"""Collect: makes one search of the parts that several workers ran."""

from __future__ import annotations

from pathlib import Path

from bertworks.contracts.tuned import SEARCH_TIMES
from bertworks.notices import Notice
from bertworks.spec.tuning import Tune
from bertworks.storage import artifacts
from bertworks.storage.history import TIMINGS
from components.contract import StepResult, StepSection

PAGE = "tuning.html"


class Section(StepSection):
    """The spec's `tune`."""

    tune: Tune


def run(section: Section, *, tuned: Path, **parts: Path) -> StepResult:
    """Writes the best models of all parts, and the record of all trials: an artifact as tune's.

    Args:
        section: `tune` of the spec.
        tuned: Where the artifact goes.
        parts: "tuned" artifacts, part_0 and so on.

    Returns:
        The winner's validation metric, that of the spec's own settings, and the number of trials.
    """
    from bertworks.pages.tuning import render
    from bertworks.training.search.merging import base_of, merge

    names = sorted(parts, key=lambda name: int(name.rpartition("_")[2]))
    opened = {name: artifacts.open_artifact(parts[name], "tuned") for name in names}
    metadata = dict(opened[names[0]].metadata)
    with artifacts.write(
        tuned, kind="tuned", producer="collect", parents=opened, metadata=metadata,
        measured=(TIMINGS, SEARCH_TIMES.name, PAGE),
    ) as folder:  # fmt: skip
        found, times = merge(list(opened.values()), folder, section.tune.finalists)
        base = base_of(found, str(metadata["own_base"]))
        metadata |= {"value": found.value, "base": base}
        (folder / PAGE).write_text(render(found, times), encoding="utf-8")
    text = f"{len(found.trials)} trials of {len(opened)} workers; trial {found.best} was the best"
    return StepResult(
        {
            f"validation_{found.metric}": found.value,
            "own_settings": found.own,
            "trials": len(found.trials),
            "best_trial": found.best,
        },
        html=PAGE,
        notices=[Notice(text, count=len(found.trials), more=PAGE)],
    )
