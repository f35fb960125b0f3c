"""How long the first answers take: `make bench-start-up`.

Each round starts a fresh process for each command, one after the other. `bertworks predict` asks the
champion of the newest run here: `make run` makes one.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

from benchmarks.harness.results import Result, Row
from benchmarks.harness.sides import REPOSITORY

TEXT = "a warm, clever and moving film"
# Arguments for Python, and the goal in seconds.
COMMANDS: dict[str, tuple[list[str], float | None]] = {
    "python -c pass": (["-c", "pass"], None),
    "import bertworks": (["-c", "import bertworks"], 0.1),
    "bertworks --help": (["-m", "pipelines.cli", "--help"], 0.4),
    'bertworks predict "..."': (["-m", "pipelines.cli", "predict", TEXT], 1.0),
}


def main() -> None:
    """Measures and writes the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, help="fresh processes of each command")
    times = measure(parser.parse_args().rounds)
    Result(
        name="start-up",
        title="Seconds until a fresh process has answered",
        command="make bench-start-up",
        data=f'one short text ("{TEXT}"), the agent of examples/sentiment.yaml',
        rows=[
            Row(
                what=f"`{name}`",
                peer="",
                unit="s",
                own=statistics.median(found),
                goal=COMMANDS[name][1],
                at_most=True,
                rounds=len(found),
                note=f"{min(found):.3f} to {max(found):.3f} s",
            )
            for name, found in times.items()
        ],
    ).save()


def measure(rounds: int) -> dict[str, list[float]]:
    """Seconds of each round, by command.

    Raises:
        SystemExit: A command failed.
    """
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, (arguments, _) in COMMANDS.items():
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, *arguments], cwd=REPOSITORY, capture_output=True, text=True
            )
            times[name].append(time.perf_counter() - began)
            if done.returncode:
                raise SystemExit(f"error: {name}: {done.stderr.strip()}")
    return times


if __name__ == "__main__":
    main()
