"""`bertworks canary`: a version is tried on a share of the live traffic."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bertworks.errors import BertworksError, EnvironmentFault
from pipelines.cli.models import ModelArgument, VersionArgument, named
from pipelines.cli.options import DebugOption, RootOption

if TYPE_CHECKING:
    from bertworks.contracts.upgrades import CanaryRecord, Figure
    from bertworks.storage.challengers import Challengers
    from bertworks.storage.store import Store

app = typer.Typer(
    help="Try a version on live traffic: start, status, stop. Servers with --follow take part.",
    no_args_is_help=True,
)
StoreOption = Annotated[
    str | None, typer.Option("--store", help="Model store, a folder or bucket; this machine's own.")
]
NameArgument = Annotated[str, typer.Argument(help="The model.", metavar="NAME")]


@app.command()
def start(
    name: ModelArgument,
    version: VersionArgument = None,
    store: StoreOption = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Have servers that follow the store try a version beside the champion.

    They promote it, or put it back, by the rules of its spec's serve.canary.
    """
    kept = _store(store, root)
    model, number = named(kept, name, version)
    if number is None:
        raise BertworksError(
            f"Which version of {model} is to be tried? Received no number.",
            f"Write NAME/VERSION; `bertworks models list {model}` shows what there is.",
        )
    _trials(kept, model).challenge(number)
    typer.echo(f"{model}: {model}/{number} is tried by servers that follow {kept.uri}")


@app.command()
def status(
    name: NameArgument,
    url: Annotated[
        str | None,
        typer.Option(
            help="Of a server that follows: also how its trial goes, e.g. http://host:8080."
        ),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", help="What that server calls the model in its URLs.")
    ] = "agent",
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
    store: StoreOption = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Show what is tried, how that goes, and what earlier trials came to.

    The key, where the server asks for one, is taken from the environment: BERTWORKS_KEY.
    """
    from bertworks.contracts.files import to_json
    from bertworks.contracts.upgrades import Figure

    kept = _store(store, root)
    agent, _ = named(kept, name)
    trials = _trials(kept, agent)
    present, records = trials.present(), trials.every()
    live = _live(url, model) if url else None
    if as_json:
        told = {"challenger": to_json(present), "server": live, "trials": to_json(records)}
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    if present is None:
        typer.echo(f"{agent}: nothing is tried")
    else:
        typer.echo(f"{agent}: {agent}/{present.version} is tried since {present.since}")
    if live is not None:
        _show_live(live, Figure)
    for record in records:
        _show_record(record)


@app.command()
def stop(
    name: NameArgument,
    store: StoreOption = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """End a trial without a decision; the champion stays."""
    kept = _store(store, root)
    agent, _ = named(kept, name)
    there = _trials(kept, agent).withdraw()
    typer.echo(f"{agent}: {'the trial is ended' if there else 'nothing was tried'}")


def _show_live(live: dict[str, Any], figure: type[Figure]) -> None:
    for role in ("champion", "challenger"):
        if live[role]:
            typer.echo(f"  {role}: version {live[role]['version']}")
    for role, reason in live["refused"].items():
        typer.echo(f"  refused as {role}: {reason}")
    if "trial" in live:
        _show_figures([figure(**one) for one in live["trial"]["figures"]])


def _show_record(record: CanaryRecord) -> None:
    typer.echo(
        f"{record.ended}  {record.agent}/{record.challenger.version} {record.outcome} "
        f"against {record.champion.version}: {record.reason}"
    )
    _show_figures(record.figures)


def _show_figures(figures: list[Figure]) -> None:
    for one in figures:
        if one.value is not None:
            typer.echo(
                f"    {one.name:12} {one.value:+.4f} [{one.low:+.4f}, {one.high:+.4f}] of at most "
                f"{one.limit:g}; {one.compared} compared; evidence: broken {one.broken:.1f}, "
                f"kept {one.kept:.1f}"
            )


def _live(url: str, model: str) -> dict[str, Any]:
    """How the trial goes on one server.

    Raises:
        EnvironmentFault: It does not answer, or no such model follows a store there.
        ServerRefused: It asks for another key.
    """
    from bertworks.client import Client, ServerRefused

    where = f"{url.rstrip('/')}/v1/models/{model}/upgrades"
    try:
        with Client(url, model, timeout=10, patience=0) as client:
            return client.upgrades()
    except ServerRefused as error:
        if error.status == 404:
            raise EnvironmentFault(
                f"{where} says 404: no such model follows a store there.",
                "Name the model with --model, as the server's URLs have it; the server must run with "
                "--follow.",
            ) from None
        if not error.status:
            raise EnvironmentFault(
                f"{where} has no answer: {error.message}", "Give --url as clients reach the server."
            ) from None
        raise


def _trials(store: Store, name: str) -> Challengers:
    from bertworks.storage.challengers import Challengers

    return Challengers(store.uri, name)


def _store(uri: str | None, root: str | None) -> Store:
    from bertworks.storage.store import Store
    from pipelines.local.root import find_root

    return Store(uri or str(find_root(root).models))
