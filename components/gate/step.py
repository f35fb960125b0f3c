"""Decides whether the bundle may serve: the rules of the spec, on the COMPRESSED bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bertworks.contracts.agent import AGENT
from bertworks.contracts.decision import DECISION, Compared, Decision, Interval, Verdict
from bertworks.contracts.metrics import value_of
from bertworks.errors import ArtifactError, GateRefused
from bertworks.evaluation import predictions
from bertworks.evaluation.bootstrap import Difference
from bertworks.evaluation.gating import gates
from bertworks.evaluation.gating.champion import champion_predictions
from bertworks.evaluation.gating.new_labels import NewLabels, unknown_to
from bertworks.evaluation.gating.remedies import fix
from bertworks.notices import Notice
from bertworks.pages.gates import gate_page
from bertworks.spec import Gates, Task
from bertworks.storage import artifacts
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.storage.store import REFUSED, Store, Version
from components.contract import StepResult, StepSection


class Section(StepSection):
    """Parts of the spec, and where models are kept.

    Attributes:
        metric: Which the run goes by.
        store: URI or path of the model store.
        retrain: Whether the bundle is a challenger, which has to be better than the champion by more
            than the noise.
        min_new_label_recall: Share of each new label's test rows that a challenger must find.
    """

    name: str
    task: Task
    gates: Gates
    store: str
    metric: str
    retrain: bool = False
    min_new_label_recall: float = 0.5


def run(
    section: Section,
    *,
    bundle: Path,
    bundle_metrics: Path,
    model_metrics: Path,
    examples: Path,
    decision: Path,
) -> StepResult:
    """Writes the decision; when it is no, keeps the bundle in the store, marked, and raises.

    A bundle that earlier gates let through stays as it was recorded, and serves if it is the champion.

    In a retraining a no is an ordinary outcome: the register step keeps the bundle, nothing is raised.

    Args:
        section: name, task, gates, `metric` (which the run goes by), store (URI or path of the model
            store), and `retrain`: whether the bundle is a challenger, which has to be better than
            the champion by more than the noise.
        bundle: Bundle artifact.
        bundle_metrics: Metrics artifact of that bundle.
        model_metrics: Metrics artifact of the uncompressed model.
        examples: Examples artifact that both were measured on; so is the champion.
        decision: Where the decision artifact goes.

    Raises:
        GateRefused: A rule is not met.
        ArtifactError: The metrics are another bundle's, or come from other test rows.
    """
    retrain = section.retrain
    task = section.task
    rules = section.gates
    metric = section.metric
    packed = open_artifact(bundle, "bundle")
    ours, before = open_artifact(bundle_metrics, "metrics"), open_artifact(model_metrics, "metrics")
    rows = open_artifact(examples, "examples")
    _check_parents(packed, ours, before, rows)

    store = Store(section.store)
    champion = store.champion(section.name) if retrain or rules.beat_champion else None
    if champion is not None and champion.digest == packed.digest:
        champion = None
    gap, labels = None, None
    if champion is not None:
        gap, labels = _against(store, champion, task, packed, ours, rows, metric, rules.confidence)
    measured = gates.Measured.of(packed, ours, before, task, metric, rules, gap, labels)
    least = section.min_new_label_recall
    found = gates.decide(rules, metric, measured, challenge=retrain, least_recall=least)
    value = value_of(measured.bundle, metric)
    found = replace(
        found,
        new_labels=list(labels.labels) if labels else [],
        outcome=outcome_of(found),
        challenger=value,
        champion=None if champion is None else _compared(champion, value, gap),
    )

    parents = {"bundle": packed, "bundle_metrics": ours, "model_metrics": before}
    facts = {"passed": found.passed, "metric": metric}
    with artifacts.write(
        decision, kind="decision", producer="gate", parents=parents, metadata=facts
    ) as folder:
        DECISION.write(folder, found)
        (folder / "view.html").write_text(gate_page(section.name, found), encoding="utf-8")
    notices = gates.notices(found, rules, measured)
    if not found.passed and not retrain:
        kept = store.refuse(packed, section.name, found, ours)
        raise _refusal(kept, found, notices, fix(found, measured))
    values = {rule.name: rule.value for rule in found.rules if rule.value is not None}
    passed = int(found.passed)
    return StepResult({"passed": passed, **values}, html="view.html", notices=notices)


def outcome_of(found: Decision) -> Verdict:
    """ "promoted", "kept" (good, but not better than the champion) or "refused"."""
    failed = {rule.name for rule in found.broken}
    if not failed:
        return "promoted"
    return "kept" if failed <= {"beat_noise", "finds_new_labels", "keeps_old_labels"} else "refused"


def _compared(champion: Version, value: float, gap: Difference | None) -> Compared:
    """The champion beside the bundle's value; without a difference where it does another task."""
    if gap is None:
        return Compared(champion.number, champion.digest)
    interval = Interval(gap.value, gap.low, gap.high)
    return Compared(champion.number, champion.digest, value - gap.value, interval)


def _check_parents(bundle: Artifact, ours: Artifact, before: Artifact, rows: Artifact) -> None:
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
    if ours.parents.get("examples") != rows.digest:
        raise ArtifactError(
            f"{ours.path} was measured on other examples than {rows.path}.",
            "Give the gate the examples that the bundle was evaluated on.",
        )


def _against(
    store: Store,
    champion: Version,
    task: Task,
    bundle: Artifact,
    ours: Artifact,
    rows: Artifact,
    metric: str,
    confidence: float,
) -> tuple[Difference | None, NewLabels | None]:
    """How much the bundle is above the champion, both asked for the test rows of this run.

    And what it does with labels that the champion does not know, where it has any. None and None where
    the champion does another task.
    """
    agent = AGENT.read(bundle)
    theirs = store.fetch(champion.name, champion.number)
    before = AGENT.read(theirs)
    if not before.task.like(task):
        return None, None
    answers = predictions.load(ours / "predictions.parquet", task, agent.labels)
    champions = champion_predictions(theirs, rows, task, agent.labels)
    gap = gates.against_champion(answers, champions, metric, gates.SEED)
    unknown = unknown_to(before, agent)
    if not unknown:
        return gap, None
    labels = NewLabels.between(answers, champions, unknown, metric, confidence, gates.SEED)
    return gap, labels


def _refusal(kept: Version, found: Decision, notices: Sequence[Notice], advice: str) -> GateRefused:
    """The refusal, with the warnings about rules that were met."""
    said = [f"- {reason}" for reason in found.reasons]
    said += [f"Note: {one.text}" for one in notices if one.level == "warning"]
    lines = "\n".join(f"  {line}" for line in [*said, _what_becomes_of(kept)])
    return GateRefused(f"The gates refused the bundle of {kept.name}:\n{lines}", advice)


def _what_becomes_of(kept: Version) -> str:
    """What the store has of a refused bundle: other gates may have let it through before."""
    if kept.state == REFUSED:
        return f"The bundle is kept, marked as refused: {kept.uri}"
    serves = " and goes on serving, as the champion, until another is promoted" * kept.champion
    return (
        f"It is {kept.name}/{kept.number}, which earlier gates let through: it stays as it was "
        f"recorded{serves}: {kept.uri}"
    )
