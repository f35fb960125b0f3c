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

from benchmarks.automatic import autogluon
from benchmarks.automatic import made as runs
from benchmarks.automatic.sets import SETS, DataSet, named, places
from benchmarks.automatic.speed import rates
from benchmarks.automatic.table import result
from benchmarks.harness.results import FOLDER


def main() -> None:
    """Makes what is asked for and is not there yet; then writes the table of all that is there."""
    options = _options()
    wrong: dict[str, str] = {}
    for name in [] if options.table else options.only:
        try:
            reason = _runs(named(name), options)
        except SystemExit as error:  # the other data sets are made all the same
            wrong[name] = str(error)
        else:
            if reason:
                wrong[name] = f"skipped: {reason}"
    for name, reason in wrong.items():
        print(f"{name}: {reason}", file=sys.stderr)
    if there := runs.kept(options.results / "auto"):
        result(there).save(options.results)
    elif not wrong:
        raise SystemExit("error: no result is kept yet.\n  fix: leave --table out")
    if len(wrong) == len(options.only) or any("error" in one for one in wrong.values()):
        raise SystemExit(1)


def _runs(wanted: DataSet, options: argparse.Namespace) -> str:
    """All runs of a data set; why there are none, else ""."""
    found = places(wanted, options.data, options.root)
    if isinstance(found, str):
        return found
    with tempfile.TemporaryDirectory() as scratch:
        for minutes in options.minutes or [wanted.minutes]:
            for seed in options.seeds:
                _one(wanted, found, minutes, seed, options, Path(scratch))
    return ""


def _one(
    wanted: DataSet,
    files: list[Path],
    minutes: float,
    seed: int,
    options: argparse.Namespace,
    scratch: Path,
) -> None:
    """One run, unless its result is kept already."""
    kept = options.results / "auto"
    file = kept / runs.file_name(wanted.name, minutes, seed)
    if options.autogluon and wanted.metric not in autogluon.METRICS:
        print(
            f"AutoGluon is not asked for {wanted.name}: it has no {wanted.metric}", file=sys.stderr
        )
    if file.is_file() and not options.again:
        print(f"{file.name} is there: not made again", file=sys.stderr)
        return
    made, left = runs.make(wanted, files, minutes, seed, options.root)
    rows, _ = runs.test_rows(left)
    made.rates, made.peer_rates = rates(left["bundle"], rows, scratch, rounds=options.rounds)
    there = [one for one in wanted.outside if options.data and (options.data / one).is_dir()]
    if there:
        made.recall, made.refused = runs.outside(left["bundle"], options.data, there, rows)
    made.save(kept)
    if options.autogluon and wanted.metric in autogluon.METRICS:
        made.autogluon = autogluon.compare(left, wanted.metric, minutes, seed, scratch)
        made.save(kept)
    print(json.dumps(made.to_json()), file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [one.name for one in SETS]
    parser.add_argument("--data", type=Path, help="folder of the data sets; sentiment needs none")
    parser.add_argument("--only", nargs="+", default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--minutes", type=float, nargs="+", help="default: each data set's own")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--rounds", type=int, default=5, help="of the comparison of speed")
    parser.add_argument(
        "--root", type=Path, default=Path(".bertworks/auto"), help="where the runs are kept"
    )
    parser.add_argument(
        "--results", type=Path, default=FOLDER, help="where the results and the table are kept"
    )
    parser.add_argument(
        "--autogluon", action="store_true",
        help="fit AutoGluon MultiModal on the same rows, too: make .venv-peers-autogluon/.done",
    )  # fmt: skip
    parser.add_argument("--again", action="store_true", help="make what is kept already, too")
    parser.add_argument("--table", action="store_true", help="only write the table anew")
    options = parser.parse_args()
    options.root = options.root.absolute()
    options.data = options.data.absolute() if options.data else None
    return options


if __name__ == "__main__":
    main()
