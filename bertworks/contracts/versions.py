"""What the model store says of its versions, and of which one serves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from bertworks.contracts.decision import Decision, with_outcome
from bertworks.contracts.files import OMIT, File
from bertworks.contracts.metrics import Metric

_LOST = "Restore it from a backup, or delete its folder."


@dataclass(frozen=True)
class Made:
    """How a version was made.

    Attributes:
        challenged: The digest of the champion that it was compared with; null without one.
        recipe: Tells ways to make a challenger apart; null outside a retraining.
        made_of: Of a dialogue: place of a source, a file or a spec to what tells its content.
    """

    challenged: str | None = None
    recipe: str | None = None
    made_of: dict[str, str] | None = field(default=None, metadata=OMIT)


@dataclass(frozen=True)
class Record:
    """record.json of a version.

    Attributes:
        name: The agent.
        digest: Of the bundle.
        state: "passed" or "refused".
        decision: What the gates decided.
        metrics: metrics.json of the bundle.
        created: When it was kept, ISO 8601, UTC.
        parents: Name to digest of what the bundle was made from.
        parts: "model" and "examples", where they were kept, to their digests.
        facts: How it was made.
        task: "dialogue" where the bundle is a dialogue's; else left out, and its agent.json tells.
        format: Of the record; 1 was written before there were seals.
        seal: sha256 of all that it says.
    """

    name: str
    digest: str
    state: Literal["passed", "refused"]
    decision: Decision
    metrics: list[Metric]
    created: str = ""
    parents: dict[str, str] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    facts: Made = Made()
    task: str | None = field(default=None, metadata=OMIT)
    format: int = 2
    seal: str | None = field(default=None, metadata=OMIT)


@dataclass(frozen=True)
class Served:
    """A version that serves, or did.

    Attributes:
        version: Its number.
        digest: Of its bundle: a number may be taken again when its folder was deleted.
        since: When it was promoted, ISO 8601, UTC.
    """

    version: int
    digest: str
    since: str = ""


@dataclass(frozen=True)
class Champion(Served):
    """champion.json: which version serves.

    Attributes:
        history: Which ones did before, the oldest first.
        format: As that of a record.
        seal: As that of a record.
    """

    history: list[Served] = field(default_factory=list)
    format: int = 2
    seal: str | None = field(default=None, metadata=OMIT)


@dataclass(frozen=True)
class Challenger(Served):
    """challenger.json: which version is to be tried on a share of the traffic.

    Attributes:
        format: As that of a record.
        seal: As that of a record.
    """

    format: int = 2
    seal: str | None = field(default=None, metadata=OMIT)


def _decided(record: Any) -> Any:
    return {"name": "", **record, "decision": with_outcome(record["decision"])}


RECORD: File[Record] = File("record.json", Record, version=2, migrate=_decided, fix=_LOST)
CHAMPION: File[Champion] = File("champion.json", Champion, version=2)
CHALLENGER: File[Challenger] = File("challenger.json", Challenger, version=2)
