"""`bertworks keys`: who may ask a server."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bertworks.errors import BertworksError
from pipelines.cli.options import DebugOption, JsonOption

if TYPE_CHECKING:
    from bertworks.serving.access.keys import Allowance, Key

app = typer.Typer(help="API keys of a server: create, list, revoke, rotate.", no_args_is_help=True)
FileOption = Annotated[
    Path,
    typer.Option(
        "--file", "-f", help="The file of keys; it holds hashes, never a key.",
        envvar="BERTWORKS_KEYS",
    ),
]  # fmt: skip
DEFAULT = Path("keys.json")
KeyArgument = Annotated[str, typer.Argument(help="The key's id or name.", metavar="KEY")]
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who it is for, for people.", metavar="NAME")],
    file: FileOption = DEFAULT,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", help="A model that it may ask; repeatable. Without it: all."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="In 90d, 12h, 4w; or a date. Without it: never.")
    ] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="It may also load, unload and roll back models.")
    ] = False,
    requests_per_minute: Annotated[int | None, typer.Option(min=1)] = None,
    texts_per_minute: Annotated[int | None, typer.Option(min=1)] = None,
    requests_per_day: Annotated[int | None, typer.Option(min=1)] = None,
    texts_per_day: Annotated[int | None, typer.Option(min=1)] = None,
    debug: DebugOption = False,
) -> None:
    """Make a key. It is shown once, now, on stdout; nobody can show it again.

    A server takes keys with `bertworks serve --keys FILE`. For pods, make a secret of the file:
    kubectl create secret generic bertworks-keys --from-file=keys.json
    """
    from bertworks.serving.access import keyfile, keys
    from bertworks.serving.access.keys import Allowance

    if not name.strip() or not name.isprintable() or len(name) > 80:
        raise BertworksError(
            f"A key's name has 1 to 80 printable characters. Received: {name[:90]!r}",
            "Name who or what it is for, such as shop-frontend.",
        )
    allowance = Allowance(requests_per_minute, texts_per_minute, requests_per_day, texts_per_day)
    now = keyfile.now()
    with keyfile.changing(file) as known:
        if any(key.name == name for key in known.values()):
            raise BertworksError(
                f"{file} has a key named {name} already.",
                f"Give it a new secret with `bertworks keys rotate {name}`, or choose another name.",
            )
        made, token = keys.make(
            name, now, expires=expires_at(expires, now), models=tuple(models or ()), admin=admin,
            allowance=allowance,
        )  # fmt: skip
        known[made.id] = made
    typer.echo(token)
    typer.echo(
        f"{name}: {made.id} in {file}; the line above is the key, and is not kept.", err=True
    )


@app.command("list")
def list_keys(
    file: FileOption = DEFAULT, json_: JsonOption = False, debug: DebugOption = False
) -> None:
    """List the keys, without their secrets."""
    from bertworks.serving.access import keyfile

    known, now = keyfile.read(file), keyfile.now()
    if json_:
        hidden = ("sha256", "previous")
        records = [key.to_json() for key in known.values()]
        shown = [{name: one[name] for name in one if name not in hidden} for one in records]
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    if not known:
        typer.echo(f"no keys in {file}: make one with `bertworks keys create NAME`")
    for key in sorted(known.values(), key=lambda one: one.created):
        typer.echo("  ".join(_cells(key, now)))


@app.command()
def revoke(key: KeyArgument, file: FileOption = DEFAULT, debug: DebugOption = False) -> None:
    """Take a key away. A server that reads this file refuses it from its next request on."""
    from bertworks.serving.access import keyfile

    with keyfile.changing(file) as known:
        found = _named(known.values(), key, file)
        del known[found.id]
    typer.echo(f"{found.name} ({found.id}) is revoked")


@app.command()
def rotate(
    key: KeyArgument,
    file: FileOption = DEFAULT,
    overlap: Annotated[
        str, typer.Option(help="For how long the old secret is still good, such as 24h.")
    ] = "0h",
    debug: DebugOption = False,
) -> None:
    """Give a key a new secret; it is shown once. Id, models and allowance stay."""
    from bertworks.serving.access import keyfile

    now = keyfile.now()
    with keyfile.changing(file) as known:
        found = _named(known.values(), key, file)
        known[found.id], token = found.rotated(now, _span(overlap))
    typer.echo(token)
    until = (
        f"until {known[found.id].previous_until:%Y-%m-%d %H:%M} UTC"
        if _span(overlap)
        else "no more"
    )
    typer.echo(f"{found.name} ({found.id}): the old secret is good {until}.", err=True)


def expires_at(given: str | None, now: datetime) -> datetime | None:
    """When a key expires: after a span such as 90d, or at a date.

    Raises:
        BertworksError: It is neither, or is past.
    """
    if given is None:
        return None
    if re.fullmatch(r"\d+[mhdw]", given):
        span = _span(given)
        if not span:
            raise BertworksError(
                f"A key that expires at once is of no use. Received: {given}",
                "Give a longer span, such as 90d, or leave --expires out.",
            )
        return now + span
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise _no_time(given) from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if found <= now:
        raise BertworksError(f"--expires is past. Received: {given}", "Give a later date.")
    return found


def _span(given: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([mhdw])", given)
    if found is None:
        raise _no_time(given)
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _no_time(given: str) -> BertworksError:
    return BertworksError(
        f"A span is a number and m, h, d or w. Received: {given!r:.40}",
        "Write for example 12h or 90d; --expires also takes a date such as 2030-01-31.",
    )


def _named(known: object, given: str, file: Path) -> Key:
    keys = list(known)  # type: ignore[call-overload]
    found = [key for key in keys if given in (key.id, key.name)]
    if not found:
        names = ", ".join(f"{key.name} ({key.id})" for key in keys)
        raise BertworksError(
            f"There is no key {given!r:.80} in {file}.",
            f"It has: {names}."
            if names
            else "It has none: name another file with --file, or make a key with "
            "`bertworks keys create NAME`.",
        )
    return found[0]


def _cells(key: Key, now: datetime) -> list[str]:
    state = "expired" if key.is_over(now) else "good"
    ends = f"until {key.expires:%Y-%m-%d %H:%M}" if key.expires else "for ever"
    if key.overlaps(now):
        ends += f" (its old secret until {key.previous_until:%Y-%m-%d %H:%M})"
    may = ", ".join(key.models) or "all models"
    return [
        key.id, key.name, state, f"made {key.created:%Y-%m-%d}", ends,
        may + (", admin" if key.admin else ""), _told(key.allowance),
    ]  # fmt: skip


def _told(allowance: Allowance) -> str:
    from dataclasses import asdict

    set_ = {name: value for name, value in asdict(allowance).items() if value is not None}
    return (
        ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in set_.items())
        or "no limit"
    )
