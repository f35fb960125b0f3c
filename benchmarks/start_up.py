"""How long the first answers take: medians of fresh processes, `python -m benchmarks.start_up`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import bertworks": ["-c", "import bertworks"],
    "bertworks --help": ["-m", "pipelines.cli", "--help"],
    'bertworks predict "..."': ["-m", "pipelines.cli", "predict", "a warm, clever and moving film"],
}
ROUNDS = 11


def main() -> None:
    """Runs the commands in turn, round after round, and prints the medians in seconds."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, arguments in COMMANDS.items():
            began = time.perf_counter()
            done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
            times[name].append(time.perf_counter() - began)
            if done.returncode:
                raise SystemExit(f"error: {name}: {done.stderr.strip()}")
    for name, found in times.items():
        print(f"| `{name}` | {statistics.median(found):.3f} s |")


if __name__ == "__main__":
    main()
