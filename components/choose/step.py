"""Choose: of the best models of a search, the one that is best pruned and in int8 goes on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from bertworks.contracts.files import File, to_json
from bertworks.contracts.tokens import TOKENS
from bertworks.contracts.tuned import SEARCH_TIMES, TUNED, Choice, Finalist, Tuned
from bertworks.deadline import deadline
from bertworks.models.weights import load_folder
from bertworks.notices import Notice
from bertworks.spec import Prune, Quantize, Task
from bertworks.spec.tuning import Tune
from bertworks.storage import artifacts
from bertworks.storage.history import TIMINGS, read_history
from bertworks.tasks import for_task
from components.contract import StepResult, StepSection

PAGE = "tuning.html"
SAVES_MEMORY = f"{Prune.place}.batch_size"  # the setting, when it does not fit
_CHOICE: File[Choice] = File("choice", Choice, fix="Delete it; the choice begins anew.")


class Section(StepSection):
    """Parts of the spec, and the metric that the run goes by.

    Attributes:
        gates: Those that a choice can meet.
    """

    task: Task
    tune: Tune
    prune: Prune
    quantize: Quantize
    metric: str | None = None
    gates: Mapping[str, float | None] = Field(default_factory=dict)


def run(section: Section, *, tuned: Path, tokens: Path, chosen: Path) -> StepResult:
    """Writes the winner's model with the search beside it: an artifact as tune's, with one model.

    Args:
        section: `task`, `tune`, and of `compress` `prune` and `quantize`; `metric`, which the run goes
            by; and `gates`: size and latency that will be asked of the bundle.
        tuned: What was searched.
        tokens: tokens artifact: train rows distil and calibrate, validation rows measure.
        chosen: Where the artifact goes.

    Returns:
        The winner's metric on validation, before and compressed, and how many were compressed; a notice
        of the choice.
    """
    from bertworks.compression import finalists
    from bertworks.compression.pruning.shrink import Model
    from bertworks.pages.tuning import render
    from bertworks.training.search.merging import base_of, copy_model, write_agent
    from bertworks.training.search.trainer import place_for

    parents = {
        "tuned": artifacts.open_artifact(tuned, "tuned"),
        "tokens": artifacts.open_artifact(tokens, "tokens"),
    }
    digests = {name: parent.digest for name, parent in parents.items()}
    search = parents["tuned"]
    found = TUNED.read(search)
    limits = {name: section.gates.get(name) for name in ("max_latency_ms", "max_size_mb")}
    epochs = min(section.prune.epochs, section.tune.finalist_epochs)
    known = TOKENS.read(parents["tokens"])
    handler = for_task(section.task, known.labels, known.score, section.metric)
    way = finalists.Way(
        parents["tokens"], handler, section.prune.model_copy(update={"epochs": epochs}),
        section.quantize, limits,
    )  # fmt: skip

    def source(one: Finalist) -> Path:
        return search.path if one.trials == found.finalists[0].trials else search / one.folder

    def load(one: Finalist) -> Model:
        return Model(*load_folder(source(one))[:2])

    with place_for({"step": "choose", **section.model_dump(mode="json")}, digests) as place:
        kept = place.load()
        ranked = finalists.choose(
            way, found.finalists, load, deadline(), read_history(search).tokens_per_second or 0.0,
            _CHOICE.of(dict(kept[0]), "the choice").finalists if kept else (),
            lambda known: place.save(to_json(Choice(list(known))), {}),
        )  # fmt: skip
        best = found.trials[ranked[0].trials[0]]
        won = replace(
            found, best=best.number, settings=best.settings, value=ranked[0].value,
            averaged=ranked[0].trials, finalists=ranked,
        )  # fmt: skip
        base = base_of(won, str(search.metadata["own_base"]))
        metadata = {**search.metadata, "base": base, "value": won.value}
        with artifacts.write(
            chosen, kind="tuned", producer="choose", parents=parents, metadata=metadata,
            measured=(TIMINGS, SEARCH_TIMES.name, PAGE),
        ) as folder:  # fmt: skip
            copy_model(source(ranked[0]), folder)
            write_agent(search, folder, won)
            TUNED.write(folder, won)
            shutil.copyfile(search / SEARCH_TIMES.name, folder / SEARCH_TIMES.name)
            (folder / PAGE).write_text(render(won, SEARCH_TIMES.read(search)), encoding="utf-8")
        place.remove()
    numbers = {
        f"validation_{found.metric}": won.value,
        "compressed": ranked[0].compressed,
        "finalists": sum(one.compressed is not None for one in ranked),
        "best_trial": won.best,
    }
    return StepResult(numbers, html=PAGE, notices=_notices(found, ranked, section))


def _notices(found: Tuned, ranked: Sequence[Finalist], section: Section) -> list[Notice]:
    """Who goes on, and what of the others."""
    tried = [one for one in ranked if one.compressed is not None]
    if len(tried) < 2:
        why = "there was one" if len(ranked) == 1 else "no time was left to compress them"
        return [Notice(f"Nothing was chosen among {len(ranked)} finalists: {why}.", more=PAGE)]
    how = "pruned and in int8" if section.prune.enabled else "in int8"
    told = ", ".join(
        f"trial {one.trials[0]} {one.compressed:.4f} ({one.value:.4f} before)" for one in tried
    )
    changed = ranked[0].trials != found.finalists[0].trials
    which = "another than was best before" if changed else "the one that was best before as well"
    notices = [
        Notice(
            f"Trial {ranked[0].trials[0]} goes on, {which}. {found.metric} on validation, {how}: "
            f"{told}.",
            count=len(tried),
            more=PAGE,
        )
    ]
    if left := [one for one in ranked if one.compressed is None]:
        text = f"{len(left)} finalists were not compressed: no time was left"
        notices.append(Notice(text, count=len(left)))
    if all(one.note for one in tried):
        text = f"No finalist fits the limits: {ranked[0].note}"
        notices.append(Notice(text, "warning", more=PAGE))
    return notices
