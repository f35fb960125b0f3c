"""The table of `make bench-auto`, made of the results that are kept."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import groupby

from benchmarks.automatic.made import Made
from benchmarks.automatic.sets import DataSet, named
from benchmarks.automatic.speed import PEER
from benchmarks.harness.results import Result, Row, compare

OVER = 1.1
"""The time taken may be so many times the minutes that were given."""
RECALL = 0.90
AUTOGLUON = "AutoGluon MultiModal, same checkpoint and minutes"


def result(there: Sequence[Made]) -> Result:
    """Medians over the seeds of each data set and time."""
    rows = [
        row
        for (name, minutes), group in groupby(there, key=lambda one: (one.name, one.minutes))
        for row in _rows(named(name), minutes, list(group))
    ]
    seeds = sorted({one.seed for one in there})
    return Result(
        name="auto",
        title="`bertworks auto`: from files to a bundle within a time",
        command="make bench-auto DATA=FOLDER",
        data="official test rows; what was measured is the int8 bundle. Seeds "
        f"{', '.join(map(str, seeds))}; each row says how many runs its median is of",
        rows=rows,
        seed=seeds[0],
        machine=there[0].machine,
        measured=max(one.measured for one in there),
    )


def _rows(wanted: DataSet, minutes: float, runs: list[Made]) -> Iterator[Row]:
    title = f"{wanted.name}, {minutes:g} minutes"
    yield Row(
        f"{title}: {wanted.metric}", "", "", _median(one.value for one in runs),
        goal=wanted.asked, rounds=len(runs), note=_note(wanted, runs),
    )  # fmt: skip
    yield Row(
        f"{title}: time taken over time given", "", "x", _median(one.taken / minutes for one in runs),
        goal=OVER, at_most=True, rounds=len(runs),
        note=f"{_each(one.taken for one in runs)} minutes; load average at the beginning "
        f"{_each(one.load[0] for one in runs)}, at the end {_each(one.load[1] for one in runs)}",
    )  # fmt: skip
    yield Row(
        f"{title}: bundle", "", "MB", max(one.size_mb for one in runs), goal=wanted.max_size_mb,
        at_most=True, rounds=len(runs),
    )  # fmt: skip
    timed = [one for one in runs if one.rates]
    if timed:
        yield compare(
            f"{title}: texts to answers", PEER, "rows/s",
            [rate for one in timed for rate in one.rates],
            [rate for one in timed for rate in one.peer_rates],
            higher_is_better=True, goal=wanted.speedup,
        )  # fmt: skip
    errors = [one.calibration_error for one in runs if one.calibration_error is not None]
    if errors:
        yield Row(
            f"{title}: calibration error", "", "", _median(errors),
            goal=wanted.max_calibration_error, at_most=True, rounds=len(errors),
        )  # fmt: skip
    yield from _outside(title, runs)
    yield from _beside_autogluon(title, wanted, runs)


def _outside(title: str, runs: list[Made]) -> Iterator[Row]:
    asked = [one for one in runs if one.recall and one.refused is not None]
    for folder in asked[0].recall if asked else ():
        refused = _each(one.refused or 0.0 for one in asked)
        yield Row(
            f"{title}: out of scope, {folder}", "", "recall",
            _median(one.recall[folder] for one in asked), goal=RECALL, rounds=len(asked),
            note=f"share of in-scope test rows refused: {refused}",
        )  # fmt: skip


def _beside_autogluon(title: str, wanted: DataSet, runs: list[Made]) -> Iterator[Row]:
    peers = [(one, one.autogluon) for one in runs if one.autogluon is not None]
    if not peers:
        return
    ours = _median(one.value for one, _ in peers)
    theirs = _median(peer.value for _, peer in peers)
    yield Row(
        f"{title}: {wanted.metric} above AutoGluon's", AUTOGLUON, wanted.metric, ours - theirs,
        goal=0.0, rounds=len(peers), quality={"own": ours, "peer": theirs},
        note=f"its fit took {_each(peer.minutes for _, peer in peers)} minutes",
    )  # fmt: skip
    yield compare(
        f"{title}: texts to answers", AUTOGLUON, "rows/s",
        [rate for _, peer in peers for rate in peer.own_rates],
        [rate for _, peer in peers for rate in peer.rates], higher_is_better=True, goal=8.0,
    )  # fmt: skip


def _note(wanted: DataSet, runs: list[Made]) -> str:
    first = runs[0]
    said = [
        f"95 % interval {first.low:.3f} to {first.high:.3f}, {first.rows} test rows"
        if len(runs) == 1
        else f"seeds: {_each((one.value for one in runs), 4)}; {first.rows} test rows",
        f"base {first.base}",
        f"{_each(one.trials for one in runs)} trials",
        "pruned"
        if all(one.pruned for one in runs)
        else f"{sum(one.pruned for one in runs)} pruned",
    ]
    if wanted.note:
        said.append(wanted.note)
    if refused := sum(not one.passed for one in runs):
        said.append(f"{refused} of {len(runs)} did not end well: refused by a gate, or cut off")
    return "; ".join(said)


def _median(values: Iterator[float] | Sequence[float]) -> float:
    return statistics.median(values)


def _each(values: Iterator[float], digits: int = 3) -> str:
    return ", ".join(f"{value:.{digits}g}" for value in values)
