"""`bertworks chat`: talk with a dialogue's agent in the terminal."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bertworks.errors import BertworksError
from pipelines.cli.options import DebugOption, PolicyOption, RootOption, SetOption

OUTCOMES = {"/good": 1.0, "/bad": 0.0}
"""What a user types to say how well it went."""

if TYPE_CHECKING:
    from bertworks.dialogue.sessions import Room


def chat(
    dialogue: Annotated[
        str,
        typer.Argument(
            help="A spec with a `dialogue` section; or a dialogue that a run has made: NAME, "
            "NAME/VERSION or NAME/latest in the model store, or a folder.",
            metavar="DIALOGUE",
        ),
    ],
    policy: PolicyOption = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(
            "--agent",
            help="What understands (a bundle of task `understanding`), or finds documents for what is "
            "not understood (task `matching`): a folder or NAME in the model store; may be repeated. "
            "What the dialogue was made with by default, else values of the knowledge base and lists of "
            "words.",
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
    """Talk with DIALOGUE: a line a turn, from the terminal or stdin.

    The dialogue is kept, and goes on with --session after a crash or a goodnight. An empty line is said
    as such; the end of the input ends the talk. /good or /bad says how well it went.
    """
    from bertworks.dialogue import building
    from bertworks.dialogue.sessions import ID, Room, SqliteStore
    from bertworks.dialogue.trace import Trace
    from bertworks.storage.store import Store
    from pipelines.cli.spoken import find, helpers
    from pipelines.local.root import find_root

    if session is not None and not ID.fullmatch(session):
        raise BertworksError(
            f"--session {session!r:.80} is no id of a dialogue: it has letters, digits, dots and "
            "dashes, 128 at most.",
            "Take one that `bertworks chat` has printed, or leave it out for a new one.",
        )
    spoken = find(dialogue, Store(str(find_root(root).models)), set_)
    section = spoken.section
    helped = helpers(spoken, agent or (), root)
    chooses = building.policy_of(section, spoken.folder, policy)
    talking = building.agent_of(
        section, spoken.folder, helped.understanding, chooses, helped.matching
    )
    place = sessions or find_root(root).path / "sessions.db"
    kept = SqliteStore(place, section.sessions.minutes * 60, dialogue=spoken.name)
    room = Room(talking, kept)
    name = session or uuid.uuid4().hex[:12]
    if helped.understanding is None:
        typer.echo(
            "note: nothing trained understands here (--agent); turns are understood by values of the "
            "knowledge base and lists of words",
            err=True,
        )
    if helped.matching is None and "matching" in spoken.asked:
        typer.echo(
            f"note: agents.matching is made by `bertworks run {dialogue}` and not by talking; until "
            "then nothing answers what is not understood (or name such an agent: --agent)",
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
        if said.strip() in OUTCOMES:
            _judge(room, name, said.strip())
            continue
        number += 1
        found = room.turn("", name, said, number)
        typer.echo(found.answer)
        if trace:
            for line in Trace.from_json(found.trace).lines():
                typer.echo(f"  {line}")
        if found.ended:
            if sys.stdin.isatty() and (word := (_line() or "").strip()) in OUTCOMES:
                _judge(room, name, word)
            return
    typer.echo(f"note: go on with --session {name}", err=True)


def _judge(room: Room, name: str, word: str) -> None:
    """Keeps how well the dialogue went for the user, who may change their mind."""
    if room.judge("", name, OUTCOMES[word]):
        typer.echo("note: kept", err=True)
    else:
        typer.echo("note: nothing was said yet, so there is nothing to keep", err=True)


def _line() -> str | None:
    """What the user says; None at the end of the input."""
    if sys.stdin.isatty():
        try:
            return input("> ")
        except EOFError:
            return None
    line = sys.stdin.readline()
    return line.rstrip("\r\n") if line else None
