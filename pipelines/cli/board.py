"""`bertworks board`: training curves in TensorBoard."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from bertworks.errors import BertworksError, EnvironmentFault
from pipelines.cli.options import DebugOption, RootOption

TENSORBOARD = "2.21.0"
"""As in requirements/board.in: the version that is tested."""


def board(
    run: Annotated[
        str | None,
        typer.Argument(help="A run's id, the beginning of one, or `latest`; without it all runs."),
    ] = None,
    root: RootOption = None,
    host: Annotated[
        str, typer.Option(help="Who may look: this machine alone, unless another is named.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the page.", min=0, max=65535)] = 6006,
    debug: DebugOption = False,
) -> None:
    """Open the training curves of RUN, or of all runs, in TensorBoard.

    The curves of fine-tuning, pretraining, distillation and the trials of a search are written as event
    files into each run's folder, where any other TensorBoard finds them too.
    """
    from pipelines.local.board import FOLDER, write_events
    from pipelines.local.record import newest_first
    from pipelines.local.root import find_root
    from pipelines.local.sides import find_run

    place = find_root(root)
    records = [find_run(place, run)] if run else list(newest_first(place))
    written = [folder for record in records if (folder := write_events(record)) is not None]
    if not written:
        what = f"Run {records[0].id}" if run else f"No run in {place.runs}"
        raise BertworksError(
            f"{what} has {'no ' if run else ''}training curves{'' if run else ' yet'}.",
            "They are there once a step that trains has finished: `bertworks run SPEC`.",
        )
    logs = records[0].folder / FOLDER if run else place.runs
    typer.echo(f"curves of {len(written)} run{'s' if len(written) > 1 else ''}: {logs}")
    program = _tensorboard(logs)
    asked = ["--logdir", str(logs), "--host", host, "--port", str(port)]
    try:
        status = subprocess.call([*program, *asked])
    except KeyboardInterrupt:
        status = 0
    raise typer.Exit(status)


def _tensorboard(logs: Path) -> list[str]:
    """The program: of this environment, else what the PATH has.

    Raises:
        EnvironmentFault: There is none.
    """
    if importlib.util.find_spec("tensorboard") is not None:
        return [sys.executable, "-m", "tensorboard.main"]
    if found := shutil.which("tensorboard"):
        return [found]
    raise EnvironmentFault(
        f"The curves were written to {logs}, but TensorBoard is not installed here.",
        f"Install it: `make board`, or `{shlex.quote(sys.executable)} -m pip install "
        f"tensorboard=={TENSORBOARD}`; or open that folder with one that you have.",
    )
