"""Decides whether the bundle may serve: the rules of the spec, on the COMPRESSED bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bertworks import artifacts
from bertworks.artifacts import Artifact, open_artifact
from bertworks.errors import ArtifactError, GateRefused
from bertworks.evaluation import gates, predictions
from bertworks.evaluation.bootstrap import Difference
from bertworks.evaluation.gates_view import gate_page
from bertworks.spec import Gates, Task, task_metric
from bertworks.store import Store


def run(
    section: dict[str, Any],
    *,
    bundle: Path,
    bundle_metrics: Path,
    model_metrics: Path,
    decision: Path,
) -> dict[str, Any]:
    """Writes the decision; when it is no, keeps the bundle in the store, marked, and raises.

    Args:
        section: name, task, gates, and store (URI or path of the model store).
        bundle: Bundle artifact.
        bundle_metrics: Metrics artifact of that bundle.
        model_metrics: Metrics artifact of the uncompressed model.
        decision: Where the decision artifact goes.

    Raises:
        GateRefused: A rule is not met.
        ArtifactError: The metrics are another bundle's, or come from other test rows.
    """
    task = Task.model_validate(section["task"])
    rules = Gates.model_validate(section["gates"])
    metric = rules.metric or task_metric(task)
    packed = open_artifact(bundle, "bundle")
    ours, before = open_artifact(bundle_metrics, "metrics"), open_artifact(model_metrics, "metrics")
    _check_parents(packed, ours, before)

    champion = None
    store = Store(section["store"])
    challenged = store.champion(section["name"]) if rules.beat_champion else None
    if challenged is not None and challenged.digest != packed.digest:
        theirs = store.fetch(section["name"], challenged.number, "metrics")
        champion = _compare(task, packed.json("agent.json")["labels"], ours, theirs, metric)
    measured = gates.Measured(
        bundle=ours.json("metrics.json"),
        model=before.json("metrics.json"),
        floor=ours.json("floor.json") or before.json("floor.json"),
        latency=ours.json("latency.json"),
        champion=champion,
    )
    found = gates.decide(rules, metric, measured)

    parents = {"bundle": packed, "bundle_metrics": ours, "model_metrics": before}
    facts = {"passed": found["passed"], "metric": metric}
    with artifacts.write(
        decision, kind="decision", producer="gate", parents=parents, metadata=facts
    ) as folder:
        artifacts.write_json(folder / "decision.json", found)
        (folder / "view.html").write_text(gate_page(section["name"], found), encoding="utf-8")
    if not found["passed"]:
        kept = store.refuse(packed, section["name"], found, ours)
        raise _refusal(section["name"], kept.uri, found)
    values = {rule["name"]: rule["value"] for rule in found["rules"] if rule["value"] is not None}
    return {"metrics": {"passed": 1, **values}, "html": "view.html", "confusion": None}


def _check_parents(bundle: Artifact, ours: Artifact, before: Artifact) -> None:
    if ours.parents.get("agent") != bundle.digest:
        raise ArtifactError(
            f"{ours.path} holds the metrics of another agent than the bundle {bundle.path}.",
            "Evaluate this bundle, and give its own metrics to the gate.",
        )
    if ours.parents.get("examples") != before.parents.get("examples"):
        raise ArtifactError(
            f"{ours.path} and {before.path} were measured on different examples.",
            "Evaluate the bundle and the uncompressed model on the same examples.",
        )


def _compare(
    task: Task, labels: list[str], ours: Artifact, theirs: Artifact, metric: str
) -> Difference:
    their_labels = theirs.metadata.get("labels", labels)
    return gates.against_champion(
        predictions.load(ours / "predictions.parquet", task, labels),
        predictions.load(theirs / "predictions.parquet", task, their_labels),
        metric,
        seed=42,
    )


def _refusal(name: str, uri: str, found: dict[str, Any]) -> GateRefused:
    failed = [rule["name"] for rule in found["rules"] if not rule["passed"]]
    reasons = "\n".join(f"  - {reason}" for reason in found["reasons"])
    fixes = "; ".join(gates.REMEDIES[rule] for rule in failed)
    return GateRefused(
        f"The gates refused the bundle of {name}:\n{reasons}\n"
        f"  The bundle is kept, marked as refused: {uri}",
        fixes[0].upper() + fixes[1:] + ".",
    )
