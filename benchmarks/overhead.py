"""How much of a run is not the steps' work: `make bench-overhead`.

Runs a spec in a new root folder, and again unchanged, `--rounds` times. Work is the time inside the
steps' own functions (`work_seconds` in run.json) less the imports that happen there; all else is
overhead: the command's start, KFP, the steps' processes, imports, artifacts handed over, the record, the
report. What the next step's process imports while a step works is not seen: it costs that step some of
its speed, and so counts as work. The downloads of an earlier run are used where there are any, so that
the network is not measured. Python itself times the imports (PYTHONPROFILEIMPORTTIME).

    python -m benchmarks.overhead --set finetune.epochs=1 --set compress.prune.epochs=1
    PYTHONPROFILEIMPORTTIME=1 make run && python -m benchmarks.overhead --run latest
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.results import Result, Row
from bertworks.contracts.runs import RunRecord
from pipelines.boxes import TABLE
from pipelines.local import record
from pipelines.local.root import find_root

IMPORTED = re.compile(r"^import time: +(\d+) \| +\d+ \| ", re.MULTILINE)
PROFILED = {"PYTHONPROFILEIMPORTTIME": "1"}


def main() -> None:
    """Measures, and writes the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", default="examples/sentiment.yaml", help="the spec to run")
    parser.add_argument("--set", action="append", default=[], help="as in bertworks run")
    parser.add_argument("--rounds", type=int, default=5, help="unchanged runs")
    parser.add_argument("--run", help="read this run instead of a new one, by id, or latest")
    parser.add_argument("--keep", type=Path, help="make the new root folder here, and leave it")
    parser.add_argument("--out", type=Path, help="another folder for the result")
    parser.add_argument("--root", help="where the finished run, or the downloads to use, are")
    options = parser.parse_args()
    measure(options).save(*([options.out] if options.out else []))


def measure(options: argparse.Namespace) -> Result:
    """Runs the spec anew, or reads a run, and runs it again unchanged."""
    if options.run:
        root = find_root(options.root).path
        done = record.latest(find_root(options.root), options.run)
        if not any(imports_of(done.folder / "logs").values()):
            raise SystemExit(
                f"error: run {done.id} did not time its imports\n"
                "  fix: run it with PYTHONPROFILEIMPORTTIME=1"
            )
        again = [bertworks(_command(options, root), {}) for _ in range(options.rounds + 1)][1:]
        return result_of(options, done, done.seconds, again)
    if options.keep and options.keep.exists():
        raise SystemExit(f"error: --keep {options.keep} exists\n  fix: name a new folder")
    with tempfile.TemporaryDirectory(prefix="bertworks-overhead-") as folder:
        root = options.keep or Path(folder) / "root"
        kept = find_root(options.root).downloads
        if kept.is_dir():
            shutil.copytree(kept, root / "downloads")
        command = _command(options, root)
        whole = bertworks(command, PROFILED)
        done = record.latest(find_root(str(root)))
        again = [bertworks(command, {}) for _ in range(options.rounds)]
        return result_of(options, done, whole, again)


def _command(options: argparse.Namespace, root: Path) -> list[str]:
    changed = [part for one in options.set for part in ("--set", one)]
    return ["run", options.spec, "--root", str(root), *changed]


def result_of(
    options: argparse.Namespace, done: RunRecord, whole: float, again: list[float]
) -> Result:
    """The result of a run that took `whole` seconds, and of unchanged runs after it."""
    imports = imports_of(done.folder / "logs")
    print("\n".join(table(done, whole, imports)), file=sys.stderr)
    changed = " ".join(f"--set {one}" for one in options.set)
    work = work_seconds(done, imports)
    imported = sum(imports.values())
    middle = sorted(again)[len(again) // 2]
    return Result(
        name="overhead",
        title="What a run takes beside the steps' work",
        command="make bench-overhead" + (f' ARGS="{changed}"' if options.set else ""),
        data=f"`{options.spec}`, a new root folder with the downloads already there",
        rows=[
            Row(
                "outside the steps' work, imports inside steps counted in",
                "",
                "%",
                own=100 * (whole - work) / whole,
                goal=5,
                at_most=True,
                note=f"{whole - work:.1f} s of {whole:.0f} s; {imported:.1f} s are imports in steps",
            ),
            Row(
                "an unchanged run again",
                "",
                "s",
                own=middle,
                goal=10,
                at_most=True,
                rounds=len(again),
                note=f"{min(again):.2f} to {max(again):.2f} s",
            ),
        ],
    )


def bertworks(arguments: Sequence[str], environment: dict[str, str]) -> float:
    """Runs the command line; its seconds from start to end."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments],
        env={**os.environ, **environment},
        stdout=sys.stderr,
        stderr=subprocess.PIPE if environment else None,
        text=True,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        said = [line for line in (done.stderr or "").splitlines() if not IMPORTED.match(line)]
        raise SystemExit("\n".join(["error: the run failed", *said[-20:]]))
    return seconds


def imports_of(logs: Path) -> dict[str, float]:
    """Seconds that each step spent on imports once its function was called, by the step's name."""
    imports = {}
    steps = {box.name: box.step for box in TABLE}
    for file in logs.glob("*.log"):
        # Before that it is imported itself, which its log says at the end of it.
        own = f"| components.{steps[file.stem]}.step\n"
        within = file.read_text("utf-8", "replace").rpartition(own)[2]
        imports[file.stem] = sum(map(int, IMPORTED.findall(within))) / 1e6
    return imports


def work_seconds(done: RunRecord, imports: dict[str, float]) -> float:
    """Seconds of work of all steps of a run, without the imports."""
    return sum(max(0.0, one.work_seconds - imports.get(one.name, 0.0)) for one in done.steps)


def table(done: RunRecord, whole: float, imports: dict[str, float]) -> list[str]:
    """Where a run's time went, as Markdown.

    Raises:
        SystemExit: The run is of a version that did not record the steps' work.
    """
    if any(step.state == "succeeded" and not step.work_seconds for step in done.steps):
        raise SystemExit(f"error: run {done.id} did not record its steps' work: run it again")
    events = done.folder / "events.jsonl"
    said = [json.loads(line) for line in events.read_text("utf-8").splitlines()]
    before, last = {}, done.started
    for event in said:
        if event["event"] == "step":
            if event["state"] == "started":
                before[event["step"]] = event["time"] - last
            last = event["time"]
    lines = ["| step | before its start, s | work, s | imports in it, s |", "|---|---|---|---|"]
    steps = {one.name: one for one in done.steps}
    for step in (steps[name] for name in before):
        own = imports.get(step.name, 0.0)
        lines.append(
            f"| {step.name} | {before[step.name]:.2f} | {step.work_seconds - own:.2f} | {own:.2f} |"
        )
    work = work_seconds(done, imports)
    share = 100 * (whole - work) / whole
    return [*lines, f"| all: {whole:.1f} s | outside: {share:.1f} % | {work:.1f} | |"]


if __name__ == "__main__":
    main()
