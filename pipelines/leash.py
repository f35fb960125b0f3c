"""The command line as a program's child: `python -m pipelines.leash ARGUMENTS`.

It ends when its stdin does, which is a pipe that the parent holds and never writes to: with the
parent, however that ends.
"""

from __future__ import annotations

import os
import signal
import threading

from pipelines.cli.main import main


def _end_with_parent() -> None:
    # Not by sys.stdin: its lock, held here, would keep the interpreter from ending by itself.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    main()
