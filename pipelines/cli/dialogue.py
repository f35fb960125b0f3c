"""`bertworks dialogue`: what becomes of dialogues that were kept."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import DebugOption, JsonOption, RootOption, SetOption

app = typer.Typer(help="Dialogues: judge a policy by those that were kept.", no_args_is_help=True)
SessionsOption = Annotated[
    Path | None,
    typer.Option(
        "--sessions", help="Where dialogues are kept.", show_default="sessions.db in the root"
    ),
]
_GOING_ON_SECONDS = 3600.0


@app.callback()
def _group() -> None:
    pass


@app.command()
def judge(
    spec: Annotated[Path, typer.Argument(help="A spec with a `dialogue` section.", metavar="SPEC")],
    policy: Annotated[Path, typer.Option("--policy", help="The learned policy to judge.")],
    sessions: SessionsOption = None,
    as_json: JsonOption = False,
    set_: SetOption = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Judge a new policy by kept dialogues of another one, before it talks to anybody.

    A doubly robust estimate of what a dialogue would come to: 20 for one that ends well, less its turns.
    The policy that talked must have tried out every action now and then: dialogue.policy.explore. Ends
    with code 6 where the new policy is not better by more than chance.
    """
    from bertworks.dialogue import building
    from bertworks.dialogue.logs import Kept, turns_of
    from bertworks.dialogue.off_policy import judge as judged_by
    from bertworks.dialogue.policies.graph import Graph
    from bertworks.dialogue.sessions import SqliteStore
    from bertworks.dialogue.trace import Trace
    from bertworks.errors import GateRefused
    from bertworks.spec.dialogue import DialogueSpec
    from bertworks.spec.file import load_as
    from pipelines.local.root import find_root

    section, folder = load_as(DialogueSpec, spec, set_ or []).dialogue, spec.resolve().parent
    knowledge = building.source_of(section, folder).now()
    graph = Graph(policy, knowledge.domain)
    place = sessions or find_root(root).path / "sessions.db"
    store = SqliteStore(place, section.sessions.minutes * 60)
    over, going_on = [], 0
    for stored, traces in store.all():
        open_ = not stored.state["ended"] and stored.outcome is None
        if open_ and stored.changed > time.time() - _GOING_ON_SECONDS:
            going_on += 1
        else:
            over.append(Kept([Trace.from_json(one) for one in traces], stored.outcome))
    turns, notices = turns_of(over, knowledge)
    found = judged_by(turns, graph.shares)
    if as_json:
        typer.echo(json.dumps({**asdict(found), "better": found.better, "going_on": going_on}))
    else:
        if going_on:
            typer.echo(f"note: {going_on} dialogues of the last hour may still go on; left out")
        for notice in notices:
            typer.echo(notice.line())
        typer.echo(
            f"kept dialogues   {found.dialogues}, in effect {found.effective:.0f} for this policy"
        )
        typer.echo(
            f"as they were     {found.logged:6.2f}  [{found.logged_low:.2f}, {found.logged_high:.2f}]"
        )
        typer.echo(f"the new policy   {found.value:6.2f}  [{found.low:.2f}, {found.high:.2f}]")
        typer.echo(
            f"gain             {found.gain:+6.2f}  [{found.gain_low:+.2f}, {found.gain_high:+.2f}]"
        )
    if not found.better:
        raise GateRefused(
            f"{policy} is not better than what talked by more than chance: its gain is "
            f"{found.gain:+.2f}, of an interval from {found.gain_low:+.2f}.",
            "Keep more dialogues, explore more, or learn another policy.",
        )
