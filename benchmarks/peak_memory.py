"""Peak memory of a command and all below it: `python -m benchmarks.peak_memory -- COMMAND …`.

Adds up the proportional set size (shared pages counted once) of every process of the tree, from
/proc, twice a second: a peak shorter than that may be missed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

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


def main() -> None:
    """Runs the command, prints its peak, and ends with its exit code."""
    command = sys.argv[1:]
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        raise SystemExit("usage: python -m benchmarks.peak_memory -- COMMAND [ARGUMENT ...]")
    process = subprocess.Popen(command)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(memory(pid) for pid in tree(process.pid)))
        time.sleep(PERIOD)
    print(f"peak memory: {peak / 1e9:.2f} GB", flush=True)
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
