"""A dialogue joins a server: its paths, and the served model that understands its turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from bertworks.dialogue import building
from bertworks.dialogue.sessions import Room, SqliteStore
from bertworks.serving.assembly import Serving
from bertworks.serving.dialogues.asking import OfModel
from bertworks.serving.dialogues.routes import Dialogues, asks, described
from bertworks.spec.dialogue import Dialogue

TASK = "understanding"


def talking(
    spec: Dialogue,
    folder: Path,
    sessions: Path,
    policy: Path | None = None,
    version: str = "",
    digest: str = "",
) -> Callable[[Serving], None]:
    """What has a server talk.

    The first served model of task `understanding` understands; where there is none, values of the
    knowledge base and lists of words do.

    Args:
        spec: The section.
        folder: What its paths are relative to.
        sessions: Where dialogues are kept.
        policy: A learned policy; None: the spec's.
        version: What the dialogue is called on record.
        digest: Of its bundle; "": it has none.

    Raises:
        BertworksError: See `building.agent_of`; raised when the server is put together.
    """

    def join(serving: Serving) -> None:
        model = next(
            (one for one in serving.models if one.champion.agent.task.kind.name == TASK), None
        )
        understanding = None
        if model is not None:
            asking = OfModel(model, serving.limits)
            understanding = building.backed_of(spec, asking, model.name)

            async def begun() -> None:
                asking.runs_on(asyncio.get_running_loop())

            serving.started.append(begun)
        agent = building.agent_of(spec, folder, understanding, policy)
        store = SqliteStore(sessions, spec.sessions.minutes * 60)
        name = None if model is None else model.name
        found = Dialogues(Room(agent, store), name, serving.limits, version, digest)
        serving.routes += found.routes()
        serving.asking.append(asks)
        serving.dialogue = version or "the dialogue"
        first = next(iter(serving.models)).name
        serving.described.append(lambda one: described() if one.name == first else {})

    return join
