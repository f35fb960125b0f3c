"""Peak memory of a command and all below it: `python -m benchmarks.peak_memory -- COMMAND …`.

Adds up the proportional set size (shared pages counted once) of every process of the tree, from
/proc, twice a second: a peak shorter than that may be missed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PERIOD = 0.5  # seconds between samples
PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            found += tree(int(child))
    return found


def memory(pid: int) -> int:
    """Proportional set size of one process in bytes; 0 when it is gone."""
    try:
        found = PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except OSError:
        return 0
    return 1024 * int(found.group(1)) if found else 0


def measured(command: Sequence[str], **options: Any) -> tuple[int, float, int]:
    """Runs a command to its end.

    Args:
        command: The program and its arguments.
        options: As of `subprocess.Popen`.

    Returns:
        Its exit code, its seconds, and its peak memory in bytes.
    """
    began = time.perf_counter()
    process, peak = subprocess.Popen(command, **options), 0
    while True:
        try:
            code = process.wait(PERIOD)
            return code, time.perf_counter() - began, peak
        except subprocess.TimeoutExpired:
            peak = max(peak, sum(memory(pid) for pid in tree(process.pid)))


def main() -> None:
    """Runs the command, prints its peak, and ends with its exit code."""
    command = sys.argv[1:]
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        raise SystemExit("usage: python -m benchmarks.peak_memory -- COMMAND [ARGUMENT ...]")
    code, _, peak = measured(command)
    print(f"peak memory: {peak / 1e9:.2f} GB", flush=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
