"""What each preset is worth: `make bench-presets DATA=../data ARGS="--only cola mrpc"`.

For each data set `bertworks init --yes` writes a spec, which runs with each preset; the bundle is
measured on the official test rows, as `make bench-auto` measures it. Each run is kept in
benchmarks/results/presets and is not done again unless `--again` says so.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import get_args

from benchmarks.automatic import options
from benchmarks.automatic.made import Made, kept, left_by, of_record
from benchmarks.automatic.sets import DataSet, named, places
from benchmarks.harness.results import Result, Row
from bertworks.spec.presets import Preset

PRESETS: tuple[str, ...] = get_args(Preset)


def main() -> None:
    """Makes what is asked for and is not there yet; then writes the table of all that is there."""
    given = _options()
    folder = given.results / "presets"
    for name in given.only:
        wanted = named(name)
        files = places(wanted, given.data, given.root)
        if isinstance(files, str):
            print(f"skipped {name}: {files}", file=sys.stderr)
            continue
        for seed in given.seeds:
            for preset in given.presets:
                file = folder / f"{name}-{preset}-seed{seed}.json"
                if options.is_kept(file, given):
                    continue
                made = make(wanted, files, preset, seed, given.root)
                made.save(folder, file.name)
                print(json.dumps(made.to_json()), file=sys.stderr, flush=True)
    if there := kept(folder):
        result(there).save(given.results)
    else:
        raise SystemExit("error: no data set was measured.\n  fix: name their folder: DATA=FOLDER")


def make(wanted: DataSet, files: list[Path], preset: str, seed: int, root: Path) -> Made:
    """Runs a spec as `init` writes it with one preset; `Made.name` is "data set, preset"."""
    name = f"{wanted.name}-{preset}-seed{seed}".replace("_", "-")
    spec = root / f"{name}.yaml"
    program = [sys.executable, "-m", "pipelines.cli"]
    settings = [f"preset={preset}", f"seed={seed}", *wanted.set_]
    changes = [part for setting in settings for part in ("--set", setting)]
    written = [*program, "init", *map(str, files), "--yes", "--name", name, "-o", str(spec)]
    commands = [[*program, "run", str(spec), "--root", str(root), *changes]]
    if not spec.is_file():
        commands.insert(0, written)
    made, _ = of_record(wanted, *left_by(commands, wanted.name, root), seed=seed)
    return replace(made, name=f"{wanted.name}, {preset}")


def result(there: list[Made]) -> Result:
    """Medians over the seeds."""

    def title(made: Made) -> tuple[str, int]:
        name, preset = made.name.split(", ")
        return name, PRESETS.index(preset)

    rows = []
    for _, group in groupby(sorted(there, key=title), key=lambda one: one.name):
        runs = list(group)
        minutes = ", ".join(f"{one.taken:.1f}" for one in runs)
        loads = ", ".join(f"{one.load[0]:.1f}" for one in runs)
        rows.append(
            Row(
                what=f"{runs[0].name}: {runs[0].metric}",
                peer="",
                unit="",
                own=statistics.median(one.value for one in runs),
                rounds=len(runs),
                quality={"MB": max(one.size_mb for one in runs)},
                note=f"interval of the first {runs[0].low:.3f} to {runs[0].high:.3f}; {minutes} "
                f"minutes; load average at the beginning {loads}",
            )
        )
    return Result(
        name="presets",
        title="Presets: the bundle on the official test rows",
        command="make bench-presets DATA=FOLDER",
        data="specs as `bertworks init --yes` writes them",
        rows=rows,
        seed=there[0].seed,
        machine=there[0].machine,
        measured=max(one.measured for one in there),
    )


def _options() -> argparse.Namespace:
    parser = options.parser(__doc__, ".bertworks/presets")
    parser.add_argument("--presets", nargs="+", default=list(PRESETS), choices=PRESETS)
    return options.read(parser)


if __name__ == "__main__":
    main()
