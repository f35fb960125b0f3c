"""`bertworks spec`: look at specs.

Nothing heavy is imported at module level, so that `bertworks --help` answers at once.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from pipelines.cli.options import DebugOption, SetOption, SpecPath

app = typer.Typer(help="Look at specs: schema, explain.", no_args_is_help=True)


@app.command("schema")
def schema(
    dialogue: Annotated[
        bool, typer.Option("--dialogue", help="Of a dialogue's spec instead.")
    ] = False,
) -> None:
    """Print the spec's JSON schema; editors complete from it."""
    from bertworks.spec import AgentSpec
    from bertworks.spec.dialogue import DialogueSpec

    kind = DialogueSpec if dialogue else AgentSpec
    typer.echo(json.dumps(kind.model_json_schema(by_alias=True), indent=2))


@app.command("explain")
def explain(spec: SpecPath, set_: SetOption = None, debug: DebugOption = False) -> None:
    """Print the effective spec: every value, and where it came from."""
    from rich.console import Console
    from rich.table import Table

    from bertworks.spec import file as spec_file
    from pipelines.dag import requests

    table = Table(box=None, padding=(0, 1))
    for column in ("key", "value", "from"):
        table.add_column(column, overflow="fold")
    for key, value, origin in spec_file.explain(spec_file.load(spec, set_ or []), requests()):
        style = "dim" if origin == "default" else "bold"
        table.add_row(key, json.dumps(value, ensure_ascii=False), origin, style=style)
    # Into a file or a pipe, a row stays a line.
    Console(width=None if sys.stdout.isatty() else 240).print(table)
