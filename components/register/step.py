"""Puts the bundle that passed its gates into the model store and makes it the champion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bertworks import artifacts
from bertworks.artifacts import Artifact, open_artifact
from bertworks.errors import ArtifactError
from bertworks.store import Store


def run(
    section: dict[str, Any], *, bundle: Path, decision: Path, metrics: Path, registered: Path
) -> dict[str, Any]:
    """Adds the bundle to the store, promotes it and writes down which version it is.

    Args:
        section: name, and store (URI or path of the model store).
        bundle: Bundle artifact.
        decision: Decision artifact of that bundle.
        metrics: Metrics artifact of that bundle.
        registered: Where the registered artifact goes.

    Raises:
        GateRefused: The decision is no.
        ArtifactError: Decision or metrics are another bundle's.
    """
    packed = open_artifact(bundle, "bundle")
    allowed = open_artifact(decision, "decision")
    scored = open_artifact(metrics, "metrics")
    _same_bundle(packed, allowed, allowed.parents.get("bundle"))
    _same_bundle(packed, scored, scored.parents.get("agent"))

    store = Store(section["store"])
    verdict = allowed.json("decision.json")
    version = store.add(packed, section["name"], verdict, scored)
    version = store.promote(section["name"], version.number)

    parents = {"bundle": packed, "decision": allowed, "metrics": scored}
    facts = {
        "name": version.name,
        "version": version.number,
        "uri": version.uri,
        "digest": version.digest,
    }
    with artifacts.write(
        registered, kind="registered", producer="register", parents=parents, metadata=facts
    ) as folder:
        artifacts.write_json(folder / "registered.json", facts)
    return {"metrics": {"version": version.number}, "html": None, "confusion": None}


def _same_bundle(bundle: Artifact, other: Artifact, digest: str | None) -> None:
    if digest != bundle.digest:
        raise ArtifactError(
            f"{other.path} is about another bundle ({str(digest)[:12]}…) than {bundle.path} "
            f"({bundle.digest[:12]}…).",
            "Give the decision and the metrics of the bundle that is to be registered.",
        )
