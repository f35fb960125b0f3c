"""Puts the bundle into the model store, and makes it the champion if it passed its gates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from bertworks import artifacts, failures
from bertworks.artifacts import Artifact, open_artifact
from bertworks.errors import ArtifactError
from bertworks.store import Store, Version
from bertworks.store_outcomes import Outcomes


def run(
    section: dict[str, Any],
    *,
    bundle: Path,
    decision: Path,
    metrics: Path,
    model: Path,
    examples: Path,
    registered: Path,
) -> dict[str, Any]:
    """Adds the bundle to the store, promotes it and writes down which version it is.

    In a retraining a bundle that the gates did not let pass is kept too, marked, and not promoted; and
    so is one whose champion was replaced by another since the gate compared them.

    Args:
        section: name, store (URI or path of the model store), and in a retraining `retrain`: true and
            recipe (what tells ways to make a challenger apart).
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

    store, name = Store(section["store"]), section["name"]
    verdict = allowed.json("decision.json")
    if section.get("retrain"):
        verdict = _still(store, name, packed, verdict)
    challenged = verdict.get("champion") or {}
    facts = {"challenged": challenged.get("digest"), "recipe": section.get("recipe")}
    if section.get("retrain") and not verdict["passed"]:
        rows = {"examples": parts["examples"]}
        version = store.refuse(packed, name, verdict, scored, rows, facts)
    else:
        version = store.add(packed, name, verdict, scored, parts, facts)
        version = store.promote(name, version.number)

    parents = {"bundle": packed, "decision": allowed, "metrics": scored, **parts}
    facts = {
        "name": version.name,
        "version": version.number,
        "uri": version.uri,
        "digest": version.digest,
        "outcome": verdict.get("outcome", "promoted"),
    }
    with artifacts.write(
        registered, kind="registered", producer="register", parents=parents, metadata=facts
    ) as folder:
        artifacts.write_json(folder / "registered.json", facts)
    if section.get("retrain") and (run_id := os.environ.get(failures.RUN)):
        _note(section, run_id, version, verdict)
    return {
        "metrics": {"version": version.number, "promoted": int(version.champion)},
        "html": None,
        "confusion": None,
    }


def _still(store: Store, name: str, bundle: Artifact, verdict: dict[str, Any]) -> dict[str, Any]:
    """The verdict, or a no where the champion is not the one that the gate compared with."""
    present = store.champion(name)
    before = (verdict["champion"] or {}).get("digest")
    now = present.digest if present else None
    if not verdict["passed"] or now in (before, bundle.digest):
        return verdict
    reason = "champion was replaced while this run was under way, so that it has to be judged again"
    return {**verdict, "passed": False, "outcome": "kept", "reasons": [reason]}


def _note(section: dict[str, Any], run_id: str, version: Version, verdict: dict[str, Any]) -> None:
    """Tells the notify step what became of the challenger."""
    facts = {
        "outcome": verdict["outcome"],
        "version": version.number,
        "digest": version.digest,
        **{key: verdict[key] for key in ("metric", "challenger", "champion", "reasons")},
    }
    Outcomes(section["store"], section["name"]).note(run_id, "register", facts)


def _same_bundle(bundle: Artifact, other: Artifact, digest: str | None) -> None:
    if digest != bundle.digest:
        raise ArtifactError(
            f"{other.path} is about another bundle ({str(digest)[:12]}…) than {bundle.path} "
            f"({bundle.digest[:12]}…).",
            "Give the decision and the metrics of the bundle that is to be registered.",
        )
