"""Tune: searches the settings of fine-tuning; the best trial's model wins."""

from __future__ import annotations

import time
from pathlib import Path

from bertworks.contracts.agent import AGENT, AgentRecord
from bertworks.contracts.tokens import TOKENS
from bertworks.contracts.tuned import SEARCH_TIMES, TUNED, SearchTimes, Tuned
from bertworks.models.weights import save_folder
from bertworks.notices import Notice
from bertworks.spec import Finetune, Task
from bertworks.spec.tuning import Tune
from bertworks.storage import artifacts
from bertworks.storage.history import TIMINGS, write_history
from bertworks.tasks import for_task
from bertworks.text.tokenizer import Tokenizer
from bertworks.training.initial import load_initial
from components.contract import StepResult, StepSection

PAGE = "tuning.html"
BUDGET = "tune.minutes (of `bertworks auto`: --minutes)"
SAVES_MEMORY = f"{Finetune.place}.batch_size"  # the setting, when it does not fit


class Section(StepSection):
    """The spec's `task`, `finetune` and `tune`, and the metric that the run goes by."""

    task: Task
    finetune: Finetune
    tune: Tune
    metric: str | None = None


def run(section: Section, *, tokens: Path, initial: Path, tuned: Path) -> StepResult:
    """Writes the winner's model with the search beside it: an artifact of the kind "tuned".

    Args:
        section: `task`, `finetune` and `tune` of the spec, and `metric`, which the run goes by.
        tokens: tokens artifact.
        initial: base or model artifact that every trial starts from.
        tuned: Where the artifact goes.

    Returns:
        The winner's validation metric and that of the finetune section's own settings, the number of
        trials, and the winner's settings; notices of what won, and of a budget that was too short.

    Raises:
        BertworksError: No trial came to a value.
    """
    began = time.monotonic()
    from bertworks.pages.tuning import render
    from bertworks.training.search.fine_tuning import Search, tune
    from bertworks.training.search.trainer import place_for

    parents = {
        "tokens": artifacts.open_artifact(tokens, "tokens"),
        "initial": artifacts.open_artifact(initial),
    }
    digests = {name: parent.digest for name, parent in parents.items()}
    known = TOKENS.read(parents["tokens"])
    handler = for_task(section.task, known.labels, known.score, section.metric)
    wanted = Search(
        parents["tokens"], handler, load_initial(parents["initial"], parents["tokens"]),
        section.finetune, section.tune, digests,
    )  # fmt: skip
    with place_for({"step": "tune", **section.model_dump(mode="json")}, digests) as place:
        found, times, winner = tune(wanted, place, began=began)
        base = str(parents["initial"].metadata.get("uri", ""))
        metadata = {"base": base, "metric": found.metric, "value": found.value}
        with artifacts.write(
            tuned, kind="tuned", producer="tune", parents=parents, metadata=metadata,
            measured=(TIMINGS, SEARCH_TIMES.name, PAGE),
        ) as folder:  # fmt: skip
            save_folder(folder, winner.config, winner.weights, handler.head())
            Tokenizer.load(parents["tokens"].path).save(folder)
            AGENT.write(folder, AgentRecord.of(known, base, digests))
            write_history(folder, winner.state.points, winner.state.timings)
            TUNED.write(folder, found)
            SEARCH_TIMES.write(folder, times)
            (folder / PAGE).write_text(render(found, times), encoding="utf-8")
        place.remove()
    return StepResult(_numbers(found), html=PAGE, notices=_notices(found, times, section.tune))


def _numbers(found: Tuned) -> dict[str, float | None]:
    return {
        f"validation_{found.metric}": found.value,
        "own_settings": found.trials[0].value,
        "trials": len(found.trials),
        "best_trial": found.best,
        **found.settings.given(),
    }


def _notices(found: Tuned, times: SearchTimes, wanted: Tune) -> list[Notice]:
    count, own = len(found.trials), found.trials[0].value
    settings = ", ".join(f"{name} {value:g}" for name, value in found.settings.given().items())
    compared = f"{found.metric} {found.trials[found.best].value:.4f} on validation"
    against = "diverged" if own is None else f"{own:.4f}"
    text = (
        f"Of {count} trials none was better than the finetune section's own settings ({compared})."
        if found.best == 0
        else f"Trial {found.best} of 0 to {count - 1} was the best: {compared}; the finetune section's "
        f"own settings: {against}. It had {settings}."
    )
    notices = [Notice(text, count=count, more=PAGE)] if count > 1 else []
    if len(found.averaged) > 1:
        numbers = ", ".join(map(str, found.averaged))
        notices.append(
            Notice(
                f"The model is the mean of the weights of trials {numbers}: {found.metric} "
                f"{found.value:.4f} on validation; tune.soup: 1 takes the best trial's alone.",
                count=len(found.averaged),
            )
        )
    if wanted.minutes is None:
        return notices
    took = times.seconds / 60
    if took > 1.1 * wanted.minutes:
        notices.append(
            Notice(
                f"The search took {took:.1f} minutes, its budget is {wanted.minutes:g}: it ends at an "
                "epoch's end, and one epoch takes longer than what was left. Raise "
                f"{BUDGET}.",
                "warning",
            )
        )
    elif count == 1:
        notices.append(
            Notice(
                f"One trial was all that fitted into the {wanted.minutes:g} minutes of the search, so "
                f"nothing was compared. Raise {BUDGET}, or leave the search out (tune.enabled: false).",
                "warning",
            )
        )
    return notices
