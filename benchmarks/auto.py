"""`bertworks auto` on data sets with official test rows: `make bench-auto DATA=../data`.

    make bench-auto DATA=../data ARGS="--only cola mrpc --minutes 10 --seeds 1 2 3"
    make bench-auto ARGS="--only sentiment"        # the example's rows, fetched; needs no DATA
    make bench-auto DATA=../data ARGS="--only cola --minutes 10 20 40"    # is the time kept?
    make bench-auto DATA=../data ARGS="--only mrpc --minutes 10 --autogluon"
    make bench-auto ARGS=--table                   # the table of what is there, without a run

The real command runs with the minutes given, and what it leaves is measured: the bundle's metric on the
official test rows with its bootstrap interval, its size, its calibration error, the time that was taken,
and its speed against MiniLM-L6 in transformers and torch, in turn on the same rows. Each run is kept in
benchmarks/results/auto, and is not done again unless `--again` says so: one data set at a time fills the
table. Nothing of the data is kept. A bundle that its gates refuse is measured too, and said to
be refused.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.automatic import autogluon, options
from benchmarks.automatic import made as runs
from benchmarks.automatic.sets import DataSet, named, places
from benchmarks.automatic.speed import rates
from benchmarks.automatic.table import result


def main() -> None:
    """Makes what is asked for and is not there yet; then writes the table of all that is there."""
    given = _options()
    wrong: dict[str, str] = {}
    for name in [] if given.table else given.only:
        try:
            reason = _runs(named(name), given)
        except SystemExit as error:  # the other data sets are made all the same
            wrong[name] = str(error)
        else:
            if reason:
                wrong[name] = f"skipped: {reason}"
    for name, reason in wrong.items():
        print(f"{name}: {reason}", file=sys.stderr)
    if there := runs.kept(given.results / "auto"):
        result(there).save(given.results)
    elif not wrong:
        raise SystemExit("error: no result is kept yet.\n  fix: leave --table out")
    if len(wrong) == len(given.only) or any("error" in one for one in wrong.values()):
        raise SystemExit(1)


def _runs(wanted: DataSet, given: argparse.Namespace) -> str:
    """All runs of a data set; why there are none, else ""."""
    found = places(wanted, given.data, given.root)
    if isinstance(found, str):
        return found
    with tempfile.TemporaryDirectory() as scratch:
        for minutes in given.minutes or [wanted.minutes]:
            for seed in given.seeds:
                _one(wanted, found, minutes, seed, given, Path(scratch))
    return ""


def _one(
    wanted: DataSet,
    files: list[Path],
    minutes: float,
    seed: int,
    given: argparse.Namespace,
    scratch: Path,
) -> None:
    """One run, unless its result is kept already."""
    kept = given.results / "auto"
    file = kept / runs.file_name(wanted.name, minutes, seed)
    if given.autogluon and wanted.metric not in autogluon.METRICS:
        print(
            f"AutoGluon is not asked for {wanted.name}: it has no {wanted.metric}", file=sys.stderr
        )
    if options.is_kept(file, given):
        return
    made, left = runs.make(wanted, files, minutes, seed, given.root)
    rows, _ = runs.test_rows(left)
    made.rates, made.peer_rates = rates(left["bundle"], rows, scratch, rounds=given.rounds)
    there = [one for one in wanted.outside if given.data and (given.data / one).is_dir()]
    if there:
        made.recall, made.refused = runs.outside(left["bundle"], given.data, there, rows)
    made.save(kept)
    if given.autogluon and wanted.metric in autogluon.METRICS:
        made.autogluon = autogluon.compare(left, wanted.metric, minutes, seed, scratch)
        made.save(kept)
    print(json.dumps(made.to_json()), file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = options.parser(__doc__, ".bertworks/auto")
    parser.add_argument("--minutes", type=float, nargs="+", help="default: each data set's own")
    parser.add_argument("--rounds", type=int, default=5, help="of the comparison of speed")
    parser.add_argument(
        "--autogluon", action="store_true",
        help="fit AutoGluon MultiModal on the same rows, too: make .venv-peers-autogluon/.done",
    )  # fmt: skip
    parser.add_argument("--table", action="store_true", help="only write the table anew")
    return options.read(parser)


if __name__ == "__main__":
    main()
