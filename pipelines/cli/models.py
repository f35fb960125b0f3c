"""`bertworks models`: the model store of this machine."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bertworks.errors import BertworksError
from bertworks.storage.artifacts import MANIFEST
from pipelines.cli.options import DebugOption, RootOption

if TYPE_CHECKING:
    from bertworks.storage.store import Store, Version

app = typer.Typer(
    help="The model store: list, show, card, promote, rollback, outcomes.", no_args_is_help=True
)
ModelArgument = Annotated[
    str, typer.Argument(help="A model, NAME or NAME/VERSION.", metavar="MODEL")
]
VersionArgument = Annotated[
    int | None,
    typer.Argument(help="The version, where it is not in MODEL.", metavar="[VERSION]", min=1),
]


@app.command("list")
def list_models(
    name: Annotated[
        str | None,
        typer.Argument(help="Only this model, NAME, or version, NAME/VERSION.", metavar="MODEL"),
    ] = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """List the models and their versions; the champion is marked with *."""
    from pipelines.cli.served import newest_passed

    store = _store(root)
    if name is not None:
        model, number = named(store, name)
        found = [one for one in store.list(model) if number in (None, one.number)]
        if not found:
            store.show(model, number or 0)  # says which there are
    else:
        found = [version for each in store.names() for version in store.list(each)]
    if not found:
        typer.echo("no models yet: make one with `bertworks run SPEC`")
    for line in _table([_cells(version) for version in found]):
        typer.echo(line)
    # Last, so that the versions are seen from which a champion can be made again.
    for agent in dict.fromkeys(version.name for version in found):
        passed = newest_passed(store, [agent])
        if store.champion(agent) is None and passed is not None:
            typer.echo(
                f"{agent} has no champion; make one with "
                f"`bertworks models promote {agent}/{passed.number}`",
                err=True,
            )


@app.command()
def show(
    name: ModelArgument,
    version: VersionArgument = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Show one version's record and its trials as JSON; of NAME alone, the champion's."""
    store = _store(root)
    model, number = named(store, name, version)
    found = _champion(store, model) if number is None else store.show(model, number)
    from bertworks.contracts.files import to_json
    from bertworks.storage.challengers import Challengers

    trials = [
        to_json(one)
        for one in Challengers(store.uri, model).every()
        if one.challenger.digest == found.digest
    ]
    facts: dict[str, object] = {
        "version": found.number,
        "champion": found.champion,
        "uri": found.uri,
    }
    if trials:
        facts["trials"] = trials
    typer.echo(json.dumps({**to_json(found.record), **facts}, indent=2, ensure_ascii=False))


@app.command()
def card(
    name: ModelArgument,
    version: VersionArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, as the server has it.")] = False,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Print one version's model card: what it does, how good, its limits, how it was made."""
    from bertworks.contracts.files import to_json
    from bertworks.serving.page.card import making, markdown

    store = _store(root)
    model, number = named(store, name, version)
    if number is None:
        number = _champion(store, model).number
    store.show(model, number).check_answers_rows()
    found = making.of_version(store, model, number)
    shown = json.dumps(to_json(found), indent=2, ensure_ascii=False) if as_json else None
    typer.echo(shown or markdown.text(found).rstrip("\n"))


@app.command()
def promote(
    name: ModelArgument,
    version: VersionArgument = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Make a version the champion."""
    store = _store(root)
    model, number = named(store, name, version)
    if number is None:
        raise BertworksError(
            f"Which version of {model} is to serve? Received no number.",
            f"Write for example: bertworks models promote {_versions(store, model).split(', ')[-1]}",
        )
    store.promote(model, number)
    typer.echo(f"{model}: champion is {model}/{number}")


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(help="The model.", metavar="NAME")],
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Make the champion before the present one the champion again."""
    store = _store(root)
    model, number = named(store, name)
    if number is not None:
        raise BertworksError(
            f"rollback takes a name and goes to the champion before. Received: {name}",
            f"To make that version the champion: bertworks models promote {model}/{number}",
        )
    typer.echo(f"{model}: champion is {model}/{store.rollback(model).number}")


def named(store: Store, given: str, version: int | None = None) -> tuple[str, int | None]:
    """The name and number that NAME, NAME/VERSION or NAME VERSION mean; None: no version.

    Raises:
        BertworksError: The store has no such model, or two versions are named.
    """
    from pipelines.cli.served import CHAMPION, LATEST, split

    model, wanted = split(given)
    if model not in store.names():
        raise BertworksError(
            f"There is no model {model!r} in {store.uri}.",
            f"It has: {', '.join(store.names()) or 'none yet'}; --root names another folder.",
        )
    if None not in (wanted, version):
        raise BertworksError(
            f"Two versions were named: {given} and {version}.", f"Write {model}/{version}."
        )
    if wanted == LATEST:
        return model, store.list(model)[-1].number
    if wanted == CHAMPION:
        champion = store.champion(model)
        return model, None if champion is None else champion.number
    return model, wanted if isinstance(wanted, int) else version


def _champion(store: Store, model: str) -> Version:
    found = store.champion(model)
    if found is None:
        raise BertworksError(
            f"{model!r} has no champion in {store.uri}.",
            f"Name one of its versions: {_versions(store, model)}.",
        )
    return found


def _versions(store: Store, model: str) -> str:
    return ", ".join(f"{model}/{one.number}" for one in store.list(model))


def _cells(version: Version) -> list[str]:
    """A version's line: mark, name, state, the judged metric, size, latency, when it was made."""
    from bertworks.contracts.metrics import overall

    record, size = version.record, _megabytes(version)
    metric = record.decision.metric if record else ""
    value = overall(record.metrics).get(metric) if record else None
    latency = _latency(version)
    return [
        "*" if version.champion else " ",
        f"{version.name}/{version.number}",
        version.state,
        f"{metric} {value.value:.4f}" if value is not None else "",
        f"{size:.1f} MB" if size is not None else "",
        f"{latency:.1f} ms" if latency is not None else "",
        version.created,
    ]


def _megabytes(version: Version) -> float | None:
    """The size of a bundle's files; None where they are not at hand."""
    try:
        manifest = json.loads((Path(version.uri) / MANIFEST).read_text(encoding="utf-8"))
        return float(sum(file["bytes"] for file in manifest["files"].values()) / 1e6)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _latency(version: Version) -> float | None:
    """Milliseconds of one row; None where they are not at hand."""
    for file in ("timings.json", MANIFEST):  # there in bundles of before the timings had a file
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            found = json.loads((Path(version.uri) / file).read_text(encoding="utf-8"))
            return float(found.get("metadata", found)["metrics"]["latency_ms"])
    return None


def _table(rows: list[list[str]]) -> list[str]:
    """The rows with their columns under each other; columns with nothing in them left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column)]
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in zip(*columns, strict=True)
    ]


def _store(root: str | None) -> Store:
    from bertworks.storage.store import Store
    from pipelines.local.root import find_root

    return Store(str(find_root(root).models))
