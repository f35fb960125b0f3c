"""`bertworks dialogue`: how an understanding errs, how dialogues end, how good a policy would be."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import DebugOption, JsonOption, PolicyOption, RootOption, SetOption

if TYPE_CHECKING:
    from bertworks.dialogue.logs import Kept
    from bertworks.notices import Notice
    from bertworks.spec.dialogue import DialogueSpec

app = typer.Typer(
    help="Dialogues: how an understanding errs; how dialogues end; how good a policy would be.",
    no_args_is_help=True,
)
SessionsOption = Annotated[
    Path | None,
    typer.Option(
        "--sessions", help="Where dialogues are kept.", show_default="sessions.db in the root"
    ),
]


@app.callback()
def _group() -> None:
    pass


@app.command()
def errors(
    spec: Annotated[Path, typer.Argument(help="A spec with a `dialogue` section.", metavar="SPEC")],
    agent: Annotated[
        str,
        typer.Option(
            "--agent", help="The bundle that understands: a folder, or NAME in the store."
        ),
    ],
    examples: Annotated[
        Path, typer.Option("--examples", help="The examples artifact of its run, or another's.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write.")] = Path(
        "errors.json"
    ),
    split: Annotated[str, typer.Option("--split", help="Which of its rows.")] = "test",
    set_: SetOption = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Measure how a trained understanding errs, for simulated users to be misunderstood likewise.

    Each labelled turn is a text that the agent is asked; its acts are compared with those of the labels.
    `dialogue.learn.measured: FILE` has the next policy learn with it.
    """
    from bertworks.dialogue import building
    from bertworks.dialogue.confusions import COLUMNS, heard_turns
    from bertworks.dialogue.simulation.errors import measured
    from bertworks.evaluation.data import read_split
    from bertworks.runtime.agent import Agent
    from bertworks.spec.dialogue import DialogueSpec
    from bertworks.spec.file import load_as
    from bertworks.storage.artifacts import open_artifact
    from pipelines.cli.asking import bundle_of

    section = load_as(DialogueSpec, spec, set_ or []).dialogue
    loaded = Agent.load(bundle_of(agent, root))
    hearing = building.understanding_of(section, loaded, agent)
    rows = read_split(open_artifact(examples, "examples"), split, [*COLUMNS])
    turns = list(heard_turns(loaded, hearing, rows))
    found = measured(turns)
    found.save(out)
    acts = sum(len(said) for said, _ in turns)
    typer.echo(
        f"{found.rate:.3f} of {acts:,} acts in {len(turns):,} turns were misunderstood; of these "
        f"{found.lost:.2f} lost, {found.value:.2f} with another value, {found.slot:.2f} with another "
        f"slot, {found.intent:.2f} with another intent"
    )
    typer.echo(f"wrote {out}")


@app.command()
def simulate(
    spec: Annotated[Path, typer.Argument(help="A spec with a `dialogue` section.", metavar="SPEC")],
    policy: PolicyOption = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(
            "--agent",
            help="What understands (a bundle of task `understanding`), or finds documents for what is "
            "not understood (task `matching`): a folder or NAME in the model store; may be repeated. "
            "Without the former values of the knowledge base and lists of words understand.",
        ),
    ] = None,
    dialogues: Annotated[int, typer.Option("--dialogues", min=1, help="How many.")] = 200,
    added: Annotated[
        float,
        typer.Option("--errors", min=0, max=1, help="Share of acts that are misheard in addition."),
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the users.")] = 1,
    shown: Annotated[
        int, typer.Option("--show", min=0, help="Failed dialogues to print, word for word.")
    ] = 0,
    as_json: JsonOption = False,
    set_: SetOption = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Let simulated users talk with the agent in words, and count how it ends.

    They say utterances that no understanding is trained on (dialogue.learn.utterances), for goals out of
    the knowledge base; every answer is a text that is read back.
    """
    import numpy as np

    from bertworks.dialogue import building
    from bertworks.dialogue.simulation.errors import Errors
    from bertworks.dialogue.simulation.talking import Misheard, talks
    from bertworks.dialogue.understanding import Understanding
    from bertworks.spec.dialogue import DialogueSpec
    from bertworks.spec.file import load_as
    from pipelines.cli.spoken import Spoken, helpers

    section, folder = load_as(DialogueSpec, spec, set_ or []).dialogue, spec.resolve().parent
    speaker = building.speaker_of(section, folder)
    helped = helpers(Spoken(spec.name, section, folder), agent or (), root)
    hears: Understanding = helped.understanding or building.keywords_of(section)
    if added:
        hears = Misheard(hears, Errors(added), np.random.default_rng([seed, 1]))
    chooses = building.policy_of(section, folder, policy)
    talking = building.agent_of(section, folder, hears, chooses, helped.matching)
    found = talks(talking, speaker, dialogues, seed, building.habits_of(section))
    if as_json:
        typer.echo(json.dumps(found.to_json()))
        return
    for talk in [one for one in found.talks if one.ending != "success"][:shown]:
        typer.echo("\n".join(talk.lines()))
    typer.echo("\n".join(found.lines()))


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
    from bertworks.dialogue.logs import turns_of
    from bertworks.dialogue.off_policy import judge as judged_by
    from bertworks.dialogue.policies.graph import Graph
    from bertworks.errors import GateRefused
    from bertworks.spec.dialogue import DialogueSpec
    from bertworks.spec.file import load_as

    made, folder = load_as(DialogueSpec, spec, set_ or []), spec.resolve().parent
    section = made.dialogue
    knowledge = building.source_of(section, folder).now()
    graph = Graph(policy, knowledge.domain)
    over, going_on = _kept(made, sessions, root)
    turns, notices = turns_of(over, knowledge)
    found = judged_by(turns, graph.taken)
    said = {"better": found.better, "told": found.told, "reason": found.reason}
    if as_json:
        typer.echo(json.dumps({**asdict(found), **said, "going_on": going_on}))
    else:
        _tell(going_on, notices)
        typer.echo(
            f"kept dialogues   {found.dialogues}, in effect {found.effective:.0f} for this policy, of "
            f"whose dialogues they do not show {found.unseen:.0%}"
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
            found.reason[:1].upper() + found.reason[1:] + "."
            if found.reason
            else f"{policy} is not better than what talked by more than chance: its gain is "
            f"{found.gain:+.2f}, of an interval from {found.gain_low:+.2f}.",
            "Keep more dialogues, explore more, or learn another policy.",
        )


@app.command()
def canary(
    spec: Annotated[
        str,
        typer.Argument(
            help="The dialogue that is served: a spec, NAME/VERSION or a folder.",
            metavar="DIALOGUE",
        ),
    ],
    challenger: Annotated[
        str, typer.Option("--challenger", help="As `bertworks serve --challenger` has it.")
    ],
    policy: PolicyOption = None,
    sessions: SessionsOption = None,
    as_json: JsonOption = False,
    set_: SetOption = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """How another policy does on its share of the dialogues, and what was decided.

    A server tries it: `bertworks serve --dialogue DIALOGUE --challenger POLICY`. It decides by itself,
    as soon as it is clear (dialogue.policy.canary).
    """
    from bertworks.dialogue import building
    from bertworks.dialogue.sessions import SqliteStore
    from bertworks.serving.dialogues.trial import PolicyTrial
    from bertworks.storage.store import Store
    from pipelines.cli.spoken import challenged, find
    from pipelines.local.root import find_root

    models = Store(str(find_root(root).models))
    talks = find(spec, models, set_)
    tried = challenged(challenger, talks, models)
    section = talks.section
    names = (
        building.policy_of(section, talks.folder, policy).name,
        building.policy_of(tried.spec, tried.folder, tried.graph).name,
    )
    store = SqliteStore(
        sessions or find_root(root).path / "sessions.db",
        section.sessions.minutes * 60,
        dialogue=talks.name,
    )
    trial = PolicyTrial(store, names, section.policy.canary, building.phrases_of(section))
    found = trial.standing()
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    for arm, count in found.dialogues.items():
        mean = found.success[arm]
        ended = "none is over yet" if mean is None else f"{mean:.1%} ended well"
        typer.echo(f"{arm:<11} {count:,} dialogues, {ended}")
    gain = found.gain
    value = "not known yet" if gain.value is None else f"{gain.value:+.1%}"
    typer.echo(
        f"{'gain':<11} {value}  [{gain.low:+.1%}, {gain.high:+.1%}], asked {gain.limit:+.1%}"
    )
    if found.verdict is None:
        typer.echo(f"{'verdict':<11} not clear yet")
    else:
        what = "promoted" if found.verdict.promoted else "put back"
        typer.echo(f"{'verdict':<11} {what}: {found.verdict.reason}")


@app.command()
def turns(
    spec: Annotated[Path, typer.Argument(help="A spec with a `dialogue` section.", metavar="SPEC")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write.")] = Path(
        "turns.npz"
    ),
    sessions: SessionsOption = None,
    set_: SetOption = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Write kept dialogues as turns with their rewards, for the next policy to learn from.

    20 for a dialogue that ended well, by its outcome or its user's words, less its turns, and less one
    for each turn after which the user said the same again. `dialogue.learn.start: FILE` learns of it.
    """
    from bertworks.dialogue import building
    from bertworks.dialogue.logs import turns_of
    from bertworks.spec.dialogue import DialogueSpec
    from bertworks.spec.file import load_as

    made, folder = load_as(DialogueSpec, spec, set_ or []), spec.resolve().parent
    section = made.dialogue
    over, going_on = _kept(made, sessions, root)
    found, notices = turns_of(over, building.source_of(section, folder).now())
    found.save(out)
    _tell(going_on, notices)
    typer.echo(f"wrote {out}: {len(found):,} turns of {len(found.starts):,} dialogues")


@app.command()
def propose(
    spec: Annotated[Path, typer.Argument(help="A spec with a `dialogue` section.", metavar="SPEC")],
    agent: Annotated[
        str,
        typer.Option(
            "--agent",
            help="A bundle that gives vectors of texts, and says what was understood where it is of "
            "task `understanding`: a folder, or NAME in the store.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="The file; what was decided in it is kept.")
    ] = Path("proposals.yaml"),
    least: Annotated[
        int, typer.Option("--least", min=2, help="Texts that make a question or an intent.")
    ] = 3,
    most: Annotated[int, typer.Option("--most", min=0, help="Sentences to label.")] = 50,
    sessions: SessionsOption = None,
    set_: SetOption = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Propose what to learn from dialogues that went badly or were not understood.

    Texts that were not understood are grouped by an encoder's vectors: new questions for the FAQ, or new
    intents. What stands alone, or was understood in vain, is to be labelled. A person decides in FILE.
    """
    from bertworks.dialogue.improving import proposals as files
    from bertworks.dialogue.improving.failing import failing
    from bertworks.dialogue.improving.proposing import proposals
    from bertworks.runtime.agent import Agent
    from bertworks.spec.dialogue import DialogueSpec
    from bertworks.spec.file import load_as
    from pipelines.cli.asking import bundle_of

    made = load_as(DialogueSpec, spec, set_ or [])
    before = files.read(out) if out.exists() else files.Proposals()
    over, going_on = _kept(made, sessions, root)
    found = failing(over)
    loaded = Agent.load(bundle_of(agent, root))
    understands = loaded if loaded.task.kind.name == "understanding" else None
    now = proposals(found, loaded, understands, least=least, most=most, context=loaded.task.context)
    merged = list(files.merged(before, now))
    files.write(out, files.Proposals(proposals=merged))
    _tell(going_on, [])
    kinds = Counter(one.kind for one in merged if one.accept is None)
    typer.echo(
        f"{len(over):,} dialogues, {len(found):,} texts that were not understood or went badly: "
        f"{kinds['faq']} questions, {kinds['intent']} intents, {kinds['label']} sentences to label"
    )
    typer.echo(f"wrote {out}: decide there, then bertworks dialogue accept {out}")


@app.command()
def accept(
    file: Annotated[Path, typer.Argument(help="Proposals that a person decided.", metavar="FILE")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="The folder to write to.", show_default="the file's"),
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Make data sources of what was accepted: faq.jsonl for matching, turns.jsonl for understanding."""
    from bertworks.dialogue.improving import accepting, proposals

    found = accepting.accepted(proposals.read(file), str(file))
    written = accepting.write(found, out or file.parent)
    if found.open:
        typer.echo(f"note: {found.open} proposals are not decided yet")
    typer.echo(
        f"{len(found.faq)} questions and {len(found.turns)} turns were accepted; {found.refused} "
        "proposals were refused"
    )
    for one in written:
        more = (
            " with columns: {text: text, document: document}" if one.name == accepting.FAQ else ""
        )
        typer.echo(f"Add to data.sources of that agent's spec: - uri: {one}{more}")


def _kept(made: DialogueSpec, sessions: Path | None, root: str | None) -> tuple[list[Kept], int]:
    """Dialogues that are over, and how many may go on."""
    from bertworks.dialogue import building
    from bertworks.dialogue.logs import kept_in
    from bertworks.dialogue.sessions import SqliteStore
    from pipelines.local.root import find_root

    place = sessions or find_root(root).path / "sessions.db"
    store = SqliteStore(place, made.dialogue.sessions.minutes * 60, dialogue=made.name)
    return kept_in(store, building.phrases_of(made.dialogue))


def _tell(going_on: int, notices: Iterable[Notice]) -> None:
    if going_on:
        typer.echo(f"note: {going_on} dialogues of the last hour may still go on; left out")
    for notice in notices:
        typer.echo(notice.line())
