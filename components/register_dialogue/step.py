"""Puts the dialogue into the model store, and makes it the champion."""

from __future__ import annotations

from pathlib import Path

from bertworks.contracts.decision import DECISION
from bertworks.contracts.files import to_json
from bertworks.contracts.registered import REGISTERED, Registered
from bertworks.dialogue import bundle
from bertworks.errors import ArtifactError
from bertworks.storage import artifacts
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.storage.store import Store
from components.contract import StepResult, StepSection


class Section(StepSection):
    """Where the dialogue goes.

    Attributes:
        store: URI or path of the model store.
    """

    name: str
    store: str


def run(
    section: Section, *, dialogue: Path, decision: Path, judged: Path, registered: Path
) -> StepResult:
    """Adds the dialogue to the store, promotes it and writes down which version it is.

    Args:
        section: name, store (URI or path of the model store).
        dialogue: Bundle artifact of the dialogue.
        decision: Decision artifact of that dialogue.
        judged: Metrics artifact of that dialogue.
        registered: Where the registered artifact goes.

    Raises:
        GateRefused: The decision is no.
        ArtifactError: Decision or metrics are another dialogue's.
    """
    talking = bundle.open_dialogue(dialogue).artifact
    allowed, scored = open_artifact(decision, "decision"), open_artifact(judged, "metrics")
    _same(talking, allowed, "bundle")
    _same(talking, scored, "agent")
    store = Store(section.store)
    verdict = DECISION.read(allowed)
    version = store.add(talking, section.name, verdict, scored)
    version = store.promote(section.name, version.number)
    facts = Registered(version.name, version.number, version.uri, version.digest, verdict.outcome)
    parents = {"bundle": talking, "decision": allowed, "metrics": scored}
    with artifacts.write(
        registered, kind="registered", producer="register_dialogue", parents=parents,
        metadata=to_json(facts),
    ) as folder:  # fmt: skip
        REGISTERED.write(folder, facts)
    return StepResult({"version": version.number, "promoted": 1}, answer=facts.outcome)


def _same(dialogue: Artifact, other: Artifact, parent: str) -> None:
    if other.parents.get(parent) != dialogue.digest:
        raise ArtifactError(
            f"{other.path} is about another dialogue than {dialogue.path}.",
            "Give the decision and the metrics of the dialogue that is to be registered.",
        )
