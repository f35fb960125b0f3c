"""What becomes of a challenger when it is registered."""

from __future__ import annotations

import os
from dataclasses import replace

from bertworks import failures
from bertworks.contracts.decision import Decision
from bertworks.contracts.retraining import Challenge
from bertworks.storage.artifacts import Artifact
from bertworks.storage.outcomes import Outcomes
from bertworks.storage.store import Store, Version


def still(store: Store, name: str, bundle: Artifact, verdict: Decision) -> Decision:
    """The verdict, or a no where the champion is not the one that the gate compared with."""
    present = store.champion(name)
    before = verdict.champion.digest if verdict.champion else None
    now = present.digest if present else None
    if not verdict.passed or now in (before, bundle.digest):
        return verdict
    reason = "champion was replaced while this run was under way, so that it has to be judged again"
    return replace(verdict, passed=False, outcome="kept", reasons=[reason])


def note(store: str, version: Version, verdict: Decision) -> None:
    """Tells the notify step of this run what became of the challenger.

    Args:
        store: URI or path of the model store.
        version: What it became there.
        verdict: What was decided.
    """
    if run_id := os.environ.get(failures.RUN):
        found = Challenge(
            outcome=verdict.outcome,
            version=version.number,
            metric=verdict.metric,
            reasons=verdict.reasons,
            challenger=verdict.challenger,
            champion=verdict.champion,
            digest=version.digest,
        )
        Outcomes(store, version.name).note(run_id, "register", found)
