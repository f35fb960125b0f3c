"""`bertworks audit`: the audit log of a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import DebugOption

app = typer.Typer(help="The audit log of a server: verify.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command()
def verify(
    path: Annotated[
        Path, typer.Argument(help="The log's folder, or one of its files.", metavar="PATH")
    ],
    head: Annotated[
        str | None,
        typer.Option(help="A head that the server told: the SHA-256 that a line must have."),
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Check that no line of an audit log was changed, added, moved or left out.

    Names the first line that does not fit, and fails. Lines missing at the very end are noticed by
    --head: the server's log tells the head of each full file, and the last one when it ends.
    """
    from bertworks.serving.audit import files

    checked = files.verify(path, head)
    found = checked.found
    typer.echo(
        f"whole: {found.lines:,} lines in {checked.files} files, {found.answers:,} of them of requests"
    )
    if found.torn:
        typer.echo(f"{found.torn} torn lines, each marked as such by the next start")
    if checked.first > 1:
        typer.echo(f"it begins with file {checked.first}: what was before is not here")
    typer.echo(f"head {found.head}")
