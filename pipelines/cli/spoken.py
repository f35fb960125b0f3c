"""Which dialogue `chat`, `serve` and `dialogue` take: a spec's file, a bundle's folder, or a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bertworks.dialogue.bundle import Bundle, holds_dialogue, open_dialogue
from bertworks.errors import BertworksError
from bertworks.spec.dialogue import MATCHING, UNDERSTANDING, Dialogue
from bertworks.storage.store import Store

if TYPE_CHECKING:
    from bertworks.dialogue.matching import Matching
    from bertworks.dialogue.understanding import Understanding
    from bertworks.serving.dialogues.joining import Challenger


@dataclass(frozen=True)
class Spoken:
    """A dialogue to talk with.

    Attributes:
        shown: What it is called: its name, and its version where it has one.
        section: The spec's section.
        folder: What its paths are relative to.
        understanding: The bundle of the agent that understands turns; None where lists of words do.
        matching: The bundle of the agent that finds documents; None: nothing answers other questions.
        digest: Of its bundle; "" of a spec.
        store: Keeps a bucket's copy alive.
        asked: Agents that a spec's file names, of which none is made by talking alone.
    """

    shown: str
    section: Dialogue
    folder: Path
    understanding: Path | None = None
    matching: Path | None = None
    digest: str = ""
    store: Store | None = None
    asked: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name, without a version: under it its talks are kept."""
        return self.shown.partition("/")[0]

    @property
    def agents(self) -> dict[str, Path]:
        """What each agent that it was made with is for, to its bundle."""
        made = {UNDERSTANDING: self.understanding, MATCHING: self.matching}
        return {task: folder for task, folder in made.items() if folder is not None}

    @classmethod
    def of(cls, found: Bundle, shown: str, store: Store | None = None) -> Spoken:
        """Of a dialogue that a run registered."""
        return cls(
            shown,
            found.talk.section,
            found.folder,
            found.understanding,
            found.matching,
            found.artifact.digest,
            store,
        )


@dataclass(frozen=True)
class Helpers:
    """The trained agents that a dialogue talks with in this process.

    Attributes:
        understanding: What understands turns; None: lists of words do.
        matching: What finds documents for what is not understood; None: nothing does.
    """

    understanding: Understanding | None = None
    matching: Matching | None = None


def helpers(spoken: Spoken, named: Sequence[str], root: str | None) -> Helpers:
    """Loads the agents that are named, each for what its task is; for the others those it was made with.

    Args:
        spoken: The dialogue.
        named: Folders, or names in the model store.
        root: Where the store is.

    Raises:
        BertworksError: One cannot be found or loaded, is of neither task, or two are of one.
    """
    from bertworks.dialogue import building
    from bertworks.runtime.agent import Agent
    from pipelines.cli.asking import bundle_of

    found: dict[str, tuple[Agent, str]] = {}
    for one in named:
        agent = Agent.load(bundle_of(one, root))
        task = agent.task.kind.name
        if task not in (UNDERSTANDING, MATCHING):
            raise BertworksError(
                f"The agent {one} is of task {task}; a dialogue asks agents of the tasks understanding "
                "and matching.",
                "Name another one, or none.",
            )
        if task in found:
            raise BertworksError(
                f"Two agents are of task {task}: {found[task][1]} and {one}.", "Name one of them."
            )
        found[task] = agent, one
    for task, folder in spoken.agents.items():
        if task not in found:
            found[task] = Agent.load(folder), spoken.shown
    understanding, matching = found.get(UNDERSTANDING), found.get(MATCHING)
    return Helpers(
        understanding and building.backed_of(spoken.section, *understanding),
        matching and building.matching_of(*matching),
    )


def challenged(given: str, talks: Spoken, store: Store) -> Challenger:
    """The policy that `--challenger` names.

    Args:
        given: A learned graph, or what `find` takes.
        talks: The dialogue that it challenges.
        store: Of the models; a version that wins becomes the champion of its name.

    Raises:
        BertworksError: There is no such policy.
    """
    from bertworks.serving.dialogues.joining import Challenger

    if Path(given).suffix == ".onnx":
        return Challenger(talks.section, talks.folder, Path(given))
    found = find(given, store)
    name, _, number = found.shown.rpartition("/")
    promoted = None
    if found.store is not None and number.isdigit():

        def promoted() -> None:
            store.promote(name, int(number))

    return Challenger(found.section, found.folder, None, promoted)


def find(given: str, store: Store, settings: list[str] | None = None) -> Spoken:
    """The dialogue that is named.

    Args:
        given: A spec's file, a bundle's folder, or NAME, NAME/VERSION, NAME/latest or NAME/champion.
        store: Of the models.
        settings: Over those of a spec's file; what a run has registered stays as it is.

    Raises:
        BertworksError: There is no such dialogue, or it is an agent.
    """
    from bertworks.spec.dialogue import DialogueSpec
    from bertworks.spec.file import load_as
    from pipelines.cli.served import named

    path = Path(given)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        made = load_as(DialogueSpec, path, settings or [])
        asked = tuple(name for name, agent in made.agents if agent is not None)
        return Spoken(made.name, made.dialogue, path.resolve().parent, asked=asked)
    if settings:
        raise BertworksError(
            f"--set changes a spec's file, and {given} is a dialogue that was made.",
            "Leave it out, or change the spec and run it.",
        )
    found = named(given, store)
    if isinstance(found, Path):
        opened = open_dialogue(found)
        return Spoken.of(opened, opened.talk.name)
    folder = store.fetch(found.name, found.number).path
    if not holds_dialogue(folder):
        raise BertworksError(
            f"{found.name}/{found.number} is an agent that does not talk.",
            "`bertworks predict` asks it. A dialogue is made by `bertworks run` of a spec with a "
            "`dialogue` section.",
        )
    return Spoken.of(open_dialogue(folder), f"{found.name}/{found.number}", store)
