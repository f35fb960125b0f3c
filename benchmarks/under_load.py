"""A command on a busy machine: `python -m benchmarks.under_load 4 make test`.

So many processes compute in bursts of up to two seconds, with rests of up to half a second, as others do
on a shared laptop or a busy node. Ends with the command's exit status.
"""

from __future__ import annotations

import multiprocessing
import random
import subprocess
import sys
import time


def main() -> int:
    """The command line: a number of processes, and a command."""
    if len(sys.argv) < 3 or not sys.argv[1].isdigit():
        print(__doc__, file=sys.stderr)
        return 2
    others = [
        multiprocessing.Process(target=_busy, args=(seed,), daemon=True)
        for seed in range(int(sys.argv[1]))
    ]
    for one in others:
        one.start()
    try:
        return subprocess.run(sys.argv[2:], check=False).returncode
    finally:
        for one in others:
            one.kill()


def _busy(seed: int) -> None:
    chance = random.Random(seed)
    while True:
        until = time.monotonic() + chance.uniform(0.05, 2.0)
        while time.monotonic() < until:
            sum(range(1000))
        time.sleep(chance.uniform(0.0, 0.5))


if __name__ == "__main__":
    sys.exit(main())
