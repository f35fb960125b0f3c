"""A dialogue joins a server: its paths, and the served models that it asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bertworks.dialogue import building
from bertworks.dialogue.policies import Tried
from bertworks.dialogue.sessions import Room, SqliteStore
from bertworks.serving.assembly import Serving
from bertworks.serving.dialogues.asking import OfModel
from bertworks.serving.dialogues.routes import NAME, PATH, Dialogues, asks, described
from bertworks.serving.dialogues.trial import PolicyTrial
from bertworks.serving.meters import Ended
from bertworks.spec.dialogue import MATCHING, UNDERSTANDING, Dialogue


@dataclass(frozen=True)
class Challenger:
    """A policy that is tried on a share of the dialogues that begin.

    Attributes:
        spec: A section whose policy it is.
        folder: What that section's paths are relative to.
        graph: A learned policy; None: the section's.
        promoted: Called when it was promoted.
    """

    spec: Dialogue
    folder: Path
    graph: Path | None = None
    promoted: Callable[[], None] | None = None


def talking(
    spec: Dialogue,
    folder: Path,
    sessions: Path,
    policy: Path | None = None,
    version: str = "",
    digest: str = "",
    challenger: Challenger | None = None,
    *,
    helped: bool = True,
) -> Callable[[Serving], None]:
    """What has a server talk.

    The first served model of task `understanding` understands; where there is none, values of the
    knowledge base and lists of words do. The first one of task `matching` finds documents for what is
    not understood; where there is none, nothing does.

    Args:
        spec: The section.
        folder: What its paths are relative to.
        sessions: Where dialogues are kept.
        policy: A learned policy; None: the spec's.
        version: What the dialogue is called on record.
        digest: Of its bundle; "": it has none.
        challenger: Another policy, which is tried; None: there is none.
        helped: Whether the served models were named; one that is served because nobody named another
            has learned something else.

    Raises:
        BertworksError: See `building.agent_of`; raised when the server is put together.
    """

    def join(serving: Serving) -> None:
        asked: dict[str, OfModel] = {}
        for model in serving.models if helped else ():
            task = model.champion.agent.task.kind.name
            if task in (UNDERSTANDING, MATCHING):
                if task in asked:
                    told = f"{model.name} is of task {task} too, and is not asked by the dialogue"
                    serving.told.append(told)
                asked.setdefault(task, OfModel(model, serving.limits))

        async def begun() -> None:
            for one in asked.values():
                one.runs_on(asyncio.get_running_loop())

        serving.started.append(begun)
        understanding = matching = None
        if (hears := asked.get(UNDERSTANDING)) is not None:
            understanding = building.backed_of(spec, hears, hears.name)
        if (finds := asked.get(MATCHING)) is not None:
            matching = building.matching_of(finds, finds.name)
        own = version.partition("/")[0]
        store = SqliteStore(sessions, spec.sessions.minutes * 60, dialogue=own)
        chooses, trial = building.policy_of(spec, folder, policy), None
        if challenger is not None:
            tried = building.policy_of(challenger.spec, challenger.folder, challenger.graph)
            trial = PolicyTrial(
                store, (chooses.name, tried.name), spec.policy.canary, building.phrases_of(spec),
                challenger.promoted,
            )  # fmt: skip
            chooses = Tried(chooses, tried, trial.may_talk)
        agent = building.agent_of(spec, folder, understanding, chooses, matching)
        names = [one.name for one in asked.values()]
        found = Dialogues(Room(agent, store, trial), names, serving.limits, version, digest)
        serving.routes += found.routes()
        serving.asking.append(asks)
        serving.observers.add(Ended({NAME: found.meters}.get))
        serving.dialogue = version or "the dialogue"
        hears_by = (
            f"{asked[UNDERSTANDING].name} understands"
            if UNDERSTANDING in asked
            else "lists of words understand"
        )
        finds_by = f"; {asked[MATCHING].name} knows other answers" if MATCHING in asked else ""
        serving.told.append(
            f"the dialogue {serving.dialogue} talks at {PATH}: {hears_by}{finds_by}"
        )
        first = next(iter(serving.models)).name
        serving.described.append(lambda one: described(serving.limits) if one.name == first else {})

    return join
