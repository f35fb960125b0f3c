"""The search for settings: the trials, who won, and what the settings were worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bertworks.contracts.runs import RunRecord
from bertworks.contracts.tuned import SEARCH_TIMES, TUNED, SearchTimes, Trial, Tuned
from bertworks.pages.charts import BarChart, LineChart, bar_chart, line_chart
from bertworks.pages.parts import Badge, BadgeKind, PlainPage, Table
from bertworks.pages.text import number, spoken
from bertworks.pages.views import View
from bertworks.progress import duration
from bertworks.spec.task_kinds import lower_is_better
from bertworks.storage.artifacts import Artifact

CURVES = 6
"""Trials whose course is drawn: as many as there are colours."""
ENDED: dict[str, tuple[str, BadgeKind]] = {
    "complete": ("to its end", "good"),
    "halved": ("halved", "plain"),
    "minutes": ("no time left", "warn"),
    "diverged": ("diverged", "bad"),
    "limits": ("cannot fit the limits", "plain"),
}


@dataclass(frozen=True)
class SearchPart(View):
    """A search: what came out, how it went, and every trial."""

    template = "tuning.html.j2"

    outcome: str
    searched: list[str]
    course: LineChart
    rungs: LineChart
    importance: BarChart | None
    finalists: Table | None
    trials: Table


def render(found: Tuned, times: SearchTimes) -> str:
    """A self-contained page."""
    return str(PlainPage("Search", [_part(found, times)]))


def section(run: RunRecord, opened: dict[str, Artifact]) -> View | None:
    """The report's part; None where nothing was searched."""
    # The latest of them has what the choice among finalists found out too.
    place = next(
        (opened[name] for name in ("chosen", "collected", "tuned") if name in opened), None
    )
    return None if place is None else _part(TUNED.read(place), SEARCH_TIMES.read(place))


def _part(found: Tuned, times: SearchTimes) -> SearchPart:
    metric = spoken(found.metric)
    importance = None
    if found.importance:
        names = [name.replace("_", " ") for name in found.importance]
        importance = bar_chart(names, [100 * share for share in found.importance.values()], "%")
    return SearchPart(
        outcome=_outcome(found, times, metric),
        searched=found.searched,
        course=line_chart(_course(found), "trial", metric),
        rungs=line_chart(_rungs(found), "epoch", f"best {metric} so far"),
        importance=importance,
        finalists=_finalists(found, metric),
        trials=_table(found, times, metric),
    )


def _outcome(found: Tuned, times: SearchTimes, metric: str) -> str:
    won = "Its settings are the finetune section's own." if found.best == 0 else ""
    soup = ""
    if len(found.averaged) > 1:
        numbers = ", ".join(map(str, found.averaged))
        better = f"is better, and is the model: {found.value:.4f}. "
        soup = f"The mean of the weights of trials {numbers} {better}"
    return (
        f"Trial {found.best} won: {metric} {found.trials[found.best].value:.4f} on validation. {soup}"
        f"{won or f'The finetune section’s own settings (trial 0): {found.own_said}.'} "
        f"{len(found.trials)} trials in {duration(times.seconds)}."
    )


def _course(found: Tuned) -> dict[str, list[tuple[float, float]]]:
    valued = [(one.number, one.value) for one in found.trials if one.value is not None]
    best = min if lower_is_better(found.metric) else max
    so_far = [
        (at, best(value for _, value in valued[: place + 1]))
        for place, (at, _) in enumerate(valued)
    ]
    return {
        "trial": [(float(at), value) for at, value in valued],
        "best so far": [(float(at), value) for at, value in so_far],
    }


def _rungs(found: Tuned) -> dict[str, list[tuple[float, float]]]:
    return {
        f"trial {one.number}": [(float(epoch), at) for epoch, at in enumerate(one.rungs, start=1)]
        for one in _ranked(found)[:CURVES]
    }


def _table(found: Tuned, times: SearchTimes, metric: str) -> Table:
    """The trials, the best first."""
    names = list(found.trials[0].settings.given())
    rows = [list(_row(one, found, times, names)) for one in _ranked(found)]
    titles = [name.replace("_", " ") for name in names]
    headers = ["trial", "", metric, "epochs run", "time", "ended", *titles]
    return Table(headers, rows, (0, 2, 3, 4, *range(6, len(headers))), unfolded=15)


def _finalists(found: Tuned, metric: str) -> Table | None:
    """The finalists, the one that goes on first; None before they were compressed."""
    if all(one.compressed is None for one in found.finalists):
        return None
    rows: list[list[object]] = [
        [
            ", ".join(map(str, one.trials)),
            f"{one.value:.4f}",
            "–" if one.compressed is None else f"{one.compressed:.4f}",
            "–" if one.size_mb is None else f"{one.size_mb:.1f}",
            one.note,
        ]
        for one in found.finalists
    ]
    return Table(["trial", metric, f"{metric}, compressed", "MB", ""], rows, (1, 2, 3))


def _row(one: Trial, found: Tuned, times: SearchTimes, names: Sequence[str]) -> Iterator[object]:
    yield one.number
    yield Badge("won", "good") if one.number == found.best else ""
    yield "–" if one.value is None else f"{one.value:.4f}"
    yield len(one.rungs)
    yield duration(times.trials[one.number]) if one.number < len(times.trials) else "–"
    yield Badge(*ENDED[one.ended])
    settings = one.settings.given()
    for name in names:
        value = settings.get(name, "–")
        yield value if isinstance(value, str) else number(value)


def _ranked(found: Tuned) -> list[Trial]:
    """By value, the best first; what has none at the end."""
    sign = 1 if lower_is_better(found.metric) else -1
    valued = [one for one in found.trials if one.value is not None]
    rest = [one for one in found.trials if one.value is None]
    return [*sorted(valued, key=lambda one: sign * (one.value or 0.0)), *rest]
