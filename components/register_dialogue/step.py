"""Puts the dialogue into the model store, and makes it the champion."""

from __future__ import annotations

from pathlib import Path

from bertworks.contracts.decision import DECISION
from bertworks.contracts.files import to_json
from bertworks.contracts.registered import REGISTERED, Registered
from bertworks.contracts.retraining import COMPARISON
from bertworks.contracts.versions import Made
from bertworks.dialogue import bundle
from bertworks.errors import ArtifactError
from bertworks.retraining.verdict import note, still
from bertworks.storage import artifacts
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.storage.store import Store
from components.contract import StepResult, StepSection


class Section(StepSection):
    """Where the dialogue goes.

    Attributes:
        store: URI or path of the model store.
        retrain: Whether it is to replace the dialogue that serves.
    """

    name: str
    store: str
    retrain: bool = False


def run(
    section: Section,
    *,
    dialogue: Path,
    decision: Path,
    judged: Path,
    comparison: Path,
    registered: Path,
) -> StepResult:
    """Adds the dialogue to the store, promotes it and writes down which version it is.

    In a retraining a dialogue that the gates did not let pass is kept too, marked, and not promoted; and
    so is one whose champion was replaced by another since the gate compared them.

    Args:
        section: name, store (URI or path of the model store), retrain.
        dialogue: Bundle artifact of the dialogue.
        decision: Decision artifact of that dialogue.
        judged: Metrics artifact of that dialogue.
        comparison: Comparison artifact of this run: what the dialogue was made of, with which a
            retraining compares.
        registered: Where the registered artifact goes.

    Raises:
        GateRefused: The decision is no, and this is no retraining.
        ArtifactError: Decision or metrics are another dialogue's.
    """
    talking = bundle.open_dialogue(dialogue).artifact
    allowed, scored = open_artifact(decision, "decision"), open_artifact(judged, "metrics")
    _same(talking, allowed, "bundle")
    _same(talking, scored, "agent")
    compared = open_artifact(comparison, "comparison")
    store = Store(section.store)
    verdict = DECISION.read(allowed)
    if section.retrain:
        verdict = still(store, section.name, talking, verdict)
    against = verdict.champion
    made_of = COMPARISON.read(compared).made_of
    made = Made(against.digest if against else None, made_of=made_of)
    if section.retrain and not verdict.passed:
        version = store.refuse(talking, section.name, verdict, scored, made=made)
    else:
        version = store.add(talking, section.name, verdict, scored, made=made)
        version = store.promote(section.name, version.number)
    facts = Registered(version.name, version.number, version.uri, version.digest, verdict.outcome)
    parents = {
        "bundle": talking, "decision": allowed, "metrics": scored, "comparison": compared,
    }  # fmt: skip
    with artifacts.write(
        registered, kind="registered", producer="register_dialogue", parents=parents,
        metadata=to_json(facts),
    ) as folder:  # fmt: skip
        REGISTERED.write(folder, facts)
    if section.retrain:
        note(section.store, version, verdict)
    numbers = {"version": version.number, "promoted": int(verdict.passed)}
    return StepResult(numbers, answer=facts.outcome)


def _same(dialogue: Artifact, other: Artifact, parent: str) -> None:
    if other.parents.get(parent) != dialogue.digest:
        raise ArtifactError(
            f"{other.path} is about another dialogue than {dialogue.path}.",
            "Give the decision and the metrics of the dialogue that is to be registered.",
        )
