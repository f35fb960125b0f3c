"""`bertworks label`: rows that a server kept, to an annotation tool and back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.asking import AgentOption, _located, bundle_of
from pipelines.cli.options import DebugOption, RootOption

app = typer.Typer(
    help="Rows that a server kept, to an annotation tool and back: export, import.",
    no_args_is_help=True,
)
MOST = 20_000
"""Kept rows that the agent is asked about, the latest."""


@app.command("export")
def export_rows(
    samples: Annotated[
        Path,
        typer.Argument(help="The folder that `serve --samples` keeps rows in.", metavar="FOLDER"),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The file to label; none is overwritten.")
    ],
    count: Annotated[
        int, typer.Option("--count", "-n", help="How many rows to label.", min=1)
    ] = 200,
    format_: Annotated[str, typer.Option("--format", help="csv, label-studio or doccano.")] = "csv",
    agent: AgentOption = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also rows that were exported before.")
    ] = False,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Write the rows most worth labelling: those that the agent is unsure of, unlike each other.

    The agent is asked anew about each row. For Label Studio its labelling interface is written too.
    """
    from bertworks.labelling import choosing, exporting, pool
    from bertworks.runtime.agent import Agent

    candidates, before = pool.read_pool(samples, again=again)
    if before:
        typer.echo(f"note: {before:,} rows were exported before; --again takes them too", err=True)
    if len(candidates) > MOST:
        typer.echo(
            f"note: of {len(candidates):,} rows, the latest {MOST:,} are looked at", err=True
        )
        candidates = candidates[:MOST]
    located = _located(agent, None, root)
    loaded = Agent.load(located.folder)
    choosing.judge(candidates, loaded)
    chosen = choosing.choose(candidates, count)
    files = exporting.export(chosen, loaded.info, out, format_, located.identity.served)
    pool.note_asked(samples, chosen)
    typer.echo(f"{len(chosen):,} of {len(candidates):,} rows: {', '.join(map(str, files))}")


@app.command("import")
def import_rows(
    files: Annotated[
        list[Path],
        typer.Argument(help="What the tool exports: .csv, .json (Label Studio), .jsonl (doccano)."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The data source, .jsonl; none is overwritten.")
    ],
    agent: AgentOption = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Make a data source of labelled rows; those on which annotators do not agree are kept apart."""
    from bertworks.contracts.agent import AGENT
    from bertworks.data.rows.spots import Spot
    from bertworks.labelling.importing import import_labels

    done = import_labels(files, AGENT.read(bundle_of(agent, root)), out)
    if done.unlabelled:
        typer.echo(f"note: {done.unlabelled:,} rows are not labelled yet", err=True)
    if done.repeated:
        typer.echo(f"note: {done.repeated:,} rows repeat others, and were merged", err=True)
    if done.conflicts:
        apart = out.with_name(f"{out.stem}.conflicts.jsonl")
        typer.echo(
            f"warning: of {done.conflicts:,} texts the labels do not agree; they are left out: {apart}",
            err=True,
        )
    for kind in done.guessed.counts:
        typer.echo(f"{kind.level}: {done.guessed.text(kind)}", err=True)
    rules = Counter(one["rule"] for one in done.refused)
    for rule, number in rules.items():
        first = next(one for one in done.refused if one["rule"] == rule)
        spot = Spot(first["file"], first["row"], first["line"])
        typer.echo(
            f"warning: {number:,} rows were refused: {rule} (first: {spot}); they are in "
            f"{out.with_name(f'{out.stem}.rejected.jsonl')}",
            err=True,
        )
    for name, number in done.new_labels.items():
        typer.echo(f"note: the agent does not know the label {name!r} ({number:,} rows)", err=True)
    typer.echo(f"{done.rows:,} labelled rows: {out}")
    typer.echo(
        f"Add it to the spec's data.sources, `- uri: {out}`, and retrain: bertworks retrain SPEC"
    )
