"""`bertworks chat`: talk with a dialogue's agent in the terminal."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import DebugOption, RootOption, SetOption

if TYPE_CHECKING:
    from bertworks.dialogue.understanding import Understanding
    from bertworks.spec.dialogue import Dialogue


def chat(
    spec: Annotated[Path, typer.Argument(help="A spec with a `dialogue` section.", metavar="SPEC")],
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            help="A learned policy; the spec's dialogue.policy by default, or its rules.",
        ),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            "--agent",
            help="What understands: a bundle of task `understanding`, a folder or NAME in the model "
            "store; values of the knowledge base and lists of words when not given.",
        ),
    ] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Show what was understood and decided in each turn.")
    ] = False,
    sessions: Annotated[
        Path | None,
        typer.Option(
            "--sessions", help="Where dialogues are kept.", show_default="sessions.db in the root"
        ),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option("--session", help="Go on with this dialogue; a new one by default."),
    ] = None,
    set_: SetOption = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Talk with the agent of SPEC: a line a turn, from the terminal or stdin.

    The dialogue is kept, and goes on with --session after a crash or a goodnight. An empty line is said
    as such; the end of the input ends the talk.
    """
    from bertworks.dialogue import building
    from bertworks.dialogue.sessions import Room, SqliteStore
    from bertworks.dialogue.trace import Trace
    from bertworks.spec.dialogue import DialogueSpec
    from bertworks.spec.file import load_as
    from pipelines.local.root import find_root

    section, folder = load_as(DialogueSpec, spec, set_ or []).dialogue, spec.resolve().parent
    understanding = _understanding(agent, root, section) if agent is not None else None
    talking = building.agent_of(section, folder, understanding, policy)
    place = sessions or find_root(root).path / "sessions.db"
    room = Room(talking, SqliteStore(place, section.sessions.minutes * 60))
    name = session or uuid.uuid4().hex[:12]
    if understanding is None:
        typer.echo(
            "note: no --agent was named; turns are understood by values of the knowledge base and "
            "lists of words",
            err=True,
        )
    earlier = room.history("", name)
    if session is not None and not earlier:
        typer.echo(f"note: there is no dialogue {name} (any more); a new one begins", err=True)
    for one in earlier:
        typer.echo(f"> {one['text'] or ''}")
        typer.echo(one["answer"])
    if not earlier:
        typer.echo(talking.greeting())
    number = len(earlier)
    while (said := _line()) is not None:
        number += 1
        found = room.turn("", name, said, number)
        typer.echo(found.answer)
        if trace:
            for line in Trace.from_json(found.trace).lines():
                typer.echo(f"  {line}")
        if found.ended:
            return
    typer.echo(f"note: go on with --session {name}", err=True)


def _line() -> str | None:
    """What the user says; None at the end of the input."""
    if sys.stdin.isatty():
        try:
            return input("> ")
        except EOFError:
            return None
    line = sys.stdin.readline()
    return line.rstrip("\r\n") if line else None


def _understanding(agent: str, root: str | None, section: Dialogue) -> Understanding:
    from bertworks.dialogue import building
    from bertworks.runtime.agent import Agent
    from pipelines.cli.asking import _bundle

    folder = _bundle(agent, root)
    return building.understanding_of(section, Agent.load(folder), agent)
