"""`bertworks ask`: ask a server, from anywhere."""

from __future__ import annotations

import json
import sys
from itertools import islice
from typing import Annotated

import typer

from pipelines.cli.options import DebugOption

_TOGETHER = 64


def ask(
    texts: Annotated[
        list[str] | None,
        typer.Argument(help="Texts; read from stdin, one a line, when none is given."),
    ] = None,
    url: Annotated[
        str, typer.Option("--url", help="The server's address.", envvar="BERTWORKS_URL")
    ] = "http://127.0.0.1:8080",
    model: Annotated[str, typer.Option("--model", help="The model's name there.")] = "agent",
    top: Annotated[
        int, typer.Option("--top", help="Labels to give scores of, the best ones.", min=1)
    ] = 5,
    debug: DebugOption = False,
) -> None:
    """Ask a server: a JSON object a text, as `bertworks predict` prints it.

    The key, where the server asks for one, is taken from the environment: BERTWORKS_KEY. Where the
    server is busy it is asked again, as it says.
    """
    from bertworks.client import Client
    from bertworks.tasks.top import top_labels

    lines = iter(texts) if texts else (line.rstrip("\r\n") for line in sys.stdin)
    with Client(url, model, tell=lambda why: typer.echo(f"note: {why}", err=True)) as client:
        pair = [one["name"] for one in client.metadata()["inputs"]] == ["text_a", "text_b"]
        while chunk := list(islice(lines, _TOGETHER)):
            rows = [line.split("\t", 1) for line in chunk] if pair else chunk
            if pair and texts and len(texts) == 2 and not any("\t" in one for one in texts):
                rows = [list(texts)]
            for row, answer in zip(rows, client.ask(rows), strict=True):
                given = (
                    dict(zip(("text_a", "text_b"), row, strict=False)) if pair else {"text": row}
                )
                best = top_labels(dict(answer), top)
                typer.echo(json.dumps({**given, **best}, ensure_ascii=False))
