"""Puts the bundle into the model store, and makes it the champion if it passed its gates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bertworks.contracts.decision import DECISION
from bertworks.contracts.files import to_json
from bertworks.contracts.registered import REGISTERED, Registered
from bertworks.contracts.versions import Made
from bertworks.errors import ArtifactError
from bertworks.notices import Notice
from bertworks.retraining.verdict import note, still
from bertworks.storage import artifacts
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.storage.challengers import Challengers
from bertworks.storage.store import Store, Version
from components.contract import StepResult, StepSection


class Section(StepSection):
    """Where the bundle goes.

    Attributes:
        store: URI or path of the model store.
        retrain: Whether the bundle is a challenger.
        recipe: In a retraining, what tells ways to make a challenger apart.
        trial: Whether servers are to try the bundle on live traffic before it is promoted.
    """

    name: str
    store: str
    retrain: bool = False
    recipe: str | None = None
    trial: bool = False


def run(
    section: Section,
    *,
    bundle: Path,
    decision: Path,
    metrics: Path,
    model: Path,
    examples: Path,
    registered: Path,
) -> StepResult:
    """Adds the bundle to the store, promotes it and writes down which version it is.

    In a retraining a bundle that the gates did not let pass is kept too, marked, and not promoted; and
    so is one whose champion was replaced by another since the gate compared them.

    Args:
        section: name, store (URI or path of the model store), and in a retraining `retrain`: true and
            recipe (what tells ways to make a challenger apart). With `trial`: true the bundle becomes
            the challenger of the champion that there is, and servers that follow the store decide.
        bundle: Bundle artifact.
        decision: Decision artifact of that bundle.
        metrics: Metrics artifact of that bundle.
        model: The model artifact before compression: a challenger will start from it.
        examples: Every row known by now: a challenger's rows will be compared with them.
        registered: Where the registered artifact goes.

    Raises:
        GateRefused: The decision is no, and this is no retraining.
        ArtifactError: Decision or metrics are another bundle's.
    """
    packed = open_artifact(bundle, "bundle")
    allowed = open_artifact(decision, "decision")
    scored = open_artifact(metrics, "metrics")
    _same_bundle(packed, allowed, allowed.parents.get("bundle"))
    _same_bundle(packed, scored, scored.parents.get("agent"))
    parts = {
        "model": open_artifact(model, "model"),
        "examples": open_artifact(examples, "examples"),
    }

    store, name = Store(section.store), section.name
    verdict = DECISION.read(allowed)
    if section.retrain:
        verdict = still(store, name, packed, verdict)
    notices = []
    made = Made(verdict.champion.digest if verdict.champion else None, section.recipe)
    if section.retrain and not verdict.passed:
        rows = {"examples": parts["examples"]}
        version = store.refuse(packed, name, verdict, scored, rows, made)
    else:
        version = store.add(packed, name, verdict, scored, parts, made)
        if section.trial and _challenges(store, version):
            Challengers(section.store, name).challenge(version.number)
            reason = "is tried on live traffic first (serve.canary): its servers will decide"
            verdict = replace(verdict, outcome="kept", reasons=[reason])
            text = (
                f"{name}/{version.number} is no champion yet: servers that follow the store try it "
                "first, as serve.canary or serve.shadow asks"
            )
            notices.append(Notice(text, more=f"bertworks canary status {name}"))
        else:
            version = store.promote(name, version.number)

    parents = {"bundle": packed, "decision": allowed, "metrics": scored, **parts}
    facts = Registered(version.name, version.number, version.uri, version.digest, verdict.outcome)
    with artifacts.write(
        registered, kind="registered", producer="register", parents=parents, metadata=to_json(facts)
    ) as folder:
        REGISTERED.write(folder, facts)
    if section.retrain:
        note(section.store, version, verdict)
    promoted = verdict.passed and version.champion  # a no may be about the champion itself
    numbers = {"version": version.number, "promoted": int(promoted)}
    return StepResult(numbers, answer=facts.outcome, notices=notices)


def _challenges(store: Store, version: Version) -> bool:
    """Whether there is another champion that it could be tried against."""
    champion = store.pointer(version.name)
    return champion is not None and champion.digest != version.digest


def _same_bundle(bundle: Artifact, other: Artifact, digest: str | None) -> None:
    if digest != bundle.digest:
        raise ArtifactError(
            f"{other.path} is about another bundle ({str(digest)[:12]}…) than {bundle.path} "
            f"({bundle.digest[:12]}…).",
            "Give the decision and the metrics of the bundle that is to be registered.",
        )
