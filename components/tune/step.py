"""Tune: searches the settings of fine-tuning; the best trial's model wins."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import Field

from bertworks.compression.predicted import beyond, predict
from bertworks.contracts.agent import AGENT, AgentRecord
from bertworks.contracts.tokens import TOKENS, Tokens
from bertworks.contracts.tuned import SEARCH_TIMES, TUNED, SearchTimes, Tuned
from bertworks.data.sources.others import FOLDER as OTHERS
from bertworks.deadline import deadline
from bertworks.models.config import EncoderConfig
from bertworks.models.weights import save_folder
from bertworks.notices import Notice
from bertworks.spec import Finetune, Task
from bertworks.spec.tuning import Tune
from bertworks.storage import artifacts, temporary
from bertworks.storage.artifacts import Artifact
from bertworks.storage.history import TIMINGS, write_history
from bertworks.tasks import for_task
from bertworks.tasks.handler import TaskHandler
from bertworks.text.tokenizer import Tokenizer
from bertworks.training.initial import load_initial
from components.contract import StepResult, StepSection

PAGE = "tuning.html"
BUDGET = "tune.minutes (of `bertworks auto`: --minutes)"
SAVES_MEMORY = f"{Finetune.place}.batch_size"  # the setting, when it does not fit


class Section(StepSection):
    """The spec's `task`, `finetune` and `tune`, and the metric and the minutes that the run goes by."""

    task: Task
    finetune: Finetune
    tune: Tune
    metric: str | None = None
    minutes: float | None = None
    limits: Mapping[str, float] = Field(default_factory=dict)


def run(
    section: Section, *, tokens: Path, initial: Path, tuned: Path, shard: str = ""
) -> StepResult:
    """Writes the best models with the search beside them: an artifact of the kind "tuned".

    Args:
        section: `task`, `finetune` and `tune` of the spec, and `metric`, which the run goes by.
        tokens: tokens artifact.
        initial: base or model artifact that every trial starts from.
        tuned: Where the artifact goes.
        shard: Which part of the trials, from "0", with `tune.workers`; empty: all of them.

    Returns:
        The winner's validation metric and that of the finetune section's own settings, the number of
        trials, and the winner's settings; notices of what won, and of a budget that was too short.

    Raises:
        BertworksError: No trial came to a value.
    """
    if section.tune.workers > 1 and not shard:
        return _in_parts(section, tokens, initial, tuned)
    return _one(section, tokens, initial, tuned, int(shard or 0))


def _one(
    section: Section, tokens: Path, initial: Path, tuned: Path, part: int, parts_in_turn: int = 1
) -> StepResult:
    """One part of the trials, or all; the minutes are shared with those that are run in turn."""
    began = time.monotonic()
    from bertworks.pages.tuning import render
    from bertworks.training.search.budget import in_figures
    from bertworks.training.search.fine_tuning import Search, tune
    from bertworks.training.search.merging import base_of
    from bertworks.training.search.trainer import place_for

    parents = {
        "tokens": artifacts.open_artifact(tokens, "tokens"),
        "initial": artifacts.open_artifact(initial),
    }
    digests = {name: parent.digest for name, parent in parents.items()}
    known = TOKENS.read(parents["tokens"])
    handler = for_task(section.task, known.labels, known.score, section.metric)
    until = deadline()
    asked = part_of(in_figures(section.tune, section.minutes, until), part, parts_in_turn)
    wanted = Search(
        parents["tokens"], handler, load_initial(parents["initial"], parents["tokens"]),
        section.finetune, asked, digests,
        others={
            name: parents["initial"] / OTHERS / name
            for name in parents["initial"].metadata.get("others", ())
        },
        limited=bool(section.limits), misfit=_misfit(section, parents, known, handler), shard=part,
        prunes=section.tune.minutes == "auto" and section.tune.share < 1 and parts_in_turn == 1,
    )  # fmt: skip
    identity = {"step": "tune", **section.model_dump(mode="json"), "shard": part}
    own = str(parents["initial"].metadata.get("uri", ""))
    with place_for(identity, digests) as place:
        found, times, models = tune(wanted, place, began=began, until=until)
        base = base_of(found, own)
        metadata = {"base": base, "own_base": own, "metric": found.metric, "value": found.value}
        with artifacts.write(
            tuned, kind="tuned", producer="tune", parents=parents, metadata=metadata,
            measured=(TIMINGS, SEARCH_TIMES.name, PAGE),
        ) as folder:  # fmt: skip
            for rank, (model, finalist) in enumerate(zip(models, found.finalists, strict=True)):
                place_of = folder if rank == 0 else folder / finalist.folder
                place_of.mkdir(parents=True, exist_ok=True)
                save_folder(place_of, model.config, model.weights, handler.head())
                write_history(place_of, model.state.points, model.state.timings)
            Tokenizer.load(parents["tokens"].path).save(folder)
            record = AgentRecord.of(known, base, digests)
            AGENT.write(folder, record.reading(found.finalists[0].max_length))
            TUNED.write(folder, found)
            SEARCH_TIMES.write(folder, times)
            (folder / PAGE).write_text(render(found, times), encoding="utf-8")
        place.remove()
    return StepResult(_numbers(found), html=PAGE, notices=_notices(found, times, asked))


def _in_parts(section: Section, tokens: Path, initial: Path, tuned: Path) -> StepResult:
    """All parts of the trials here, as pods would run them, and then as one search."""
    from bertworks.pages.tuning import render
    from bertworks.training.search import workers
    from bertworks.training.search.merging import base_of, merge

    count = section.tune.workers
    together = workers.at_once(count)
    with temporary.scratch() as scratch:
        places = [scratch / str(part) for part in range(count)]
        whole = section.model_dump_json()
        in_turn = 1 if together else count
        workers.do_all(run_part, [(whole, tokens, initial, place, in_turn) for place in places])
        opened = [artifacts.open_artifact(place, "tuned") for place in places]
        parents = {
            "tokens": artifacts.open_artifact(tokens, "tokens"),
            "initial": artifacts.open_artifact(initial),
        }
        metadata = dict(opened[0].metadata)
        with artifacts.write(
            tuned, kind="tuned", producer="tune", parents=parents, metadata=metadata,
            measured=(TIMINGS, SEARCH_TIMES.name, PAGE),
        ) as folder:  # fmt: skip
            found, times = merge(opened, folder, section.tune.finalists)
            base = base_of(found, str(metadata["own_base"]))
            metadata |= {"value": found.value, "base": base}
            (folder / PAGE).write_text(render(found, times), encoding="utf-8")
    how = "in processes of their own" if together else "one after another: too few CPUs for more"
    text = f"{count} parts of the search (tune.workers) were run {how}"
    told = [*_notices(found, times, section.tune), Notice(text, count=count)]
    return StepResult(_numbers(found), html=PAGE, notices=told)


def run_part(section: str, tokens: Path, initial: Path, tuned: Path, parts_in_turn: int) -> None:
    """One part, in this process or another one; the folder's name is its number."""
    told = Section.of(json.loads(section))
    _one(told, tokens, initial, tuned, int(tuned.name), parts_in_turn)


def part_of(asked: Tune, part: int, parts_in_turn: int = 1) -> Tune:
    """The section of one part: its share of the trials, and of minutes that several spend in turn.

    Args:
        asked: The whole section.
        part: From 0.
        parts_in_turn: All of them, where one machine runs them one after another.
    """
    found: dict[str, float] = {}
    if asked.trials is not None and asked.workers > 1:
        each, more = divmod(asked.trials, asked.workers)
        found["trials"] = each + (part < more)
    if isinstance(asked.minutes, float | int):
        found["minutes"] = asked.minutes / parts_in_turn
    return asked.model_copy(update=found)


def _misfit(
    section: Section, parents: Mapping[str, Artifact], known: Tokens, handler: TaskHandler
) -> Callable[[EncoderConfig, int], str]:
    """Why a model of some sizes cannot fit the gates' limits, as predicted before it is made."""
    limits = section.limits
    if not limits or not known.length_quantiles:
        return lambda config, length: ""
    tokenizer = parents["tokens"] / "tokenizer.json"
    beside = tokenizer.stat().st_size / 1e6

    def misfit(config: EncoderConfig, length: int) -> str:
        found = predict(
            config, handler.head(), pair=handler.form.two_texts, lengths=known.length_quantiles,
            max_length=length, speedup=limits["speedup"], beside_mb=beside,
        )  # fmt: skip
        return beyond(found, limits.get("max_latency_ms"), limits.get("max_size_mb"))

    return misfit


def _numbers(found: Tuned) -> dict[str, float | None]:
    return {
        f"validation_{found.metric}": found.value,
        "own_settings": found.own,
        "trials": len(found.trials),
        "best_trial": found.best,
        **found.settings.numbers(),
    }


def _notices(found: Tuned, times: SearchTimes, wanted: Tune) -> list[Notice]:
    from bertworks.training.search.search import LOST_HOPE

    count = len(found.trials)
    settings = found.settings.said()
    compared = f"{found.metric} {found.trials[found.best].value:.4f} on validation"
    text = (
        f"Of {count} trials none was better than the finetune section's own settings ({compared})."
        if found.best == 0
        else f"Trial {found.best} of 0 to {count - 1} was the best: {compared}; the finetune section's "
        f"own settings: {found.own_said}. It had {settings}."
    )
    notices = [Notice(text, count=count, more=PAGE)] if count > 1 else []
    if found.searched:
        notices.append(Notice(f"Searched: {'; '.join(found.searched)}.", more=PAGE))
    if unfit := sum(one.ended == "limits" for one in found.trials):
        notices.append(
            Notice(
                f"{unfit} of {count} trials were not begun: their models cannot fit "
                "gates.max_latency_ms and gates.max_size_mb, by the cost model and a byte a weight.",
                count=unfit,
            )
        )
    if found.folds:
        best = found.trials[found.best]
        error = "" if best.error is None else f", standard error {best.error:.4f}"
        notices.append(
            Notice(
                f"Trials were cross-validated over {found.folds} folds of the training rows: the best "
                f"had {found.metric} {best.value:.4f} on average{error}. Its settings were then fitted "
                "once on all training rows, and the validation rows picked the epoch: "
                f"{found.value:.4f} there.",
                count=found.folds,
            )
        )
    if len(found.averaged) > 1:
        numbers = ", ".join(map(str, found.averaged))
        notices.append(
            Notice(
                f"The model is the mean of the weights of trials {numbers}: {found.metric} "
                f"{found.value:.4f} on validation; tune.soup: 1 takes the best trial's alone.",
                count=len(found.averaged),
            )
        )
    if found.ended == "converged":
        perfect = "nothing can be better than that on validation"
        hopeless = f"the last {LOST_HOPE} trials brought nothing better"
        why = perfect if count <= found.best + LOST_HOPE else hopeless
        notices.append(
            Notice(f"The search ended after {times.seconds / 60:.1f} minutes: {why}.", count=count)
        )
    if not isinstance(wanted.minutes, float | int):
        return notices
    took = times.seconds / 60
    if took > 1.1 * wanted.minutes:
        notices.append(
            Notice(
                f"The search took {took:.1f} minutes, its budget is {wanted.minutes:.1f}: starting, and "
                f"what was begun, takes longer than what was left. Raise {BUDGET}.",
                "warning",
            )
        )
    elif count == 1 and found.ended == "minutes":
        notices.append(
            Notice(
                f"One trial was all that fitted into the {wanted.minutes:.2g} minutes of the search, so "
                f"nothing was compared. Raise {BUDGET}, or leave the search out (tune.enabled: false).",
                "warning",
            )
        )
    return notices
