"""The one door from `bertworks.Agent` to the runner: what a notebook's three lines do below.

The library reaches it by name when it is asked to, as imports run the other way.
"""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from bertworks.contracts.runs import RunRecord
from bertworks.errors import BertworksError
from bertworks.spec.file import SpecFile
from bertworks.storage.store import Version
from pipelines.local import display, notebook
from pipelines.local.events import Event
from pipelines.local.record import Run
from pipelines.local.root import find_root, open_root
from pipelines.local.run import Interrupted, run


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        run: Its record; None where nothing was begun.
        error: Why it did not succeed.
    """

    run: RunRecord | None
    error: BertworksError | None


class _Seen:
    """Passes a display on, and keeps the run that it shows."""

    def __init__(self, shown: display.Display) -> None:
        self._shown = shown
        self.run: Run | None = None

    def start(self, run: Run) -> None:
        self.run = run
        self._shown.start(run)

    def update(self, run: Run, events: list[Event]) -> None:
        self._shown.update(run, events)

    def stop(self, run: Run) -> None:
        self._shown.stop(run)


def run_here(loaded: SpecFile, root: str | None, *, cache: bool, progress: bool) -> Ended:
    """Runs the DAG of a spec as `bertworks run` does; an error is handed back beside the record.

    Raises:
        KeyboardInterrupt: Ctrl-C ended the run.
        SystemExit: SIGTERM or SIGHUP ended it; the code is 128 and the signal's number.
    """
    seen = _Seen(_display(progress))
    error = None
    try:
        run(loaded, open_root(root), cache=cache, display=seen)
    except Interrupted as raised:
        raise _ending(raised) from None
    except BertworksError as raised:
        error = raised
    return Ended(seen.run.record() if seen.run else None, error)


def _ending(interrupted: Interrupted) -> BaseException:
    """What ends a program as the signal would have: no `except Exception` around a run swallows it."""
    said = f"{interrupted.message} The same call goes on from here."
    if interrupted.signal == signal.SIGINT:
        return KeyboardInterrupt(said)
    print(said, file=sys.stderr)  # the interpreter ends with the code alone
    return SystemExit(128 + interrupted.signal)


def _display(progress: bool) -> display.Display:
    if not progress:
        return display.Nothing()
    return notebook.CellTable() if notebook.is_one() else display.choose()


def rows_folder(root: str | None) -> Path:
    """Where rows that are given as objects lie as files."""
    return open_root(root).rows


def models_of(root: str | None) -> str:
    """The model store of the root."""
    return str(find_root(root).models)


def find(agent: str | None, store: str) -> Version | Path:
    """What a name stands for, as `--agent` does on the command line."""
    from bertworks.storage.store import Store
    from pipelines.cli.served import find as find_agent

    return find_agent(agent, Store(store))
