"""Decides whether the dialogue may serve: the rules of the spec, on the policy that would talk."""

from __future__ import annotations

from pathlib import Path

from bertworks.contracts.decision import DECISION, Compared, Decision, Rule, Verdict
from bertworks.contracts.dialogue import JUDGEMENT, Judgement, Serving
from bertworks.dialogue import bundle
from bertworks.errors import ArtifactError, GateRefused
from bertworks.notices import Notice
from bertworks.pages.gates import gate_page
from bertworks.spec.dialogue import DialogueGates
from bertworks.storage import artifacts
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.store import Store
from components.contract import StepResult, StepSection

METRIC, BEATEN = "success", "beat_champion"
_FIXES = {
    "minimum": "let it learn longer (dialogue.learn.steps), mend rules or understanding, or lower "
    "gates.minimum",
    "true_answers": "mend the templates that the judge-policy step's page names: an answer must say its "
    "values, and no other",
    "beat_rules": "let it learn longer (dialogue.learn.steps), let rules choose "
    "(dialogue.learn.enabled: false), or set gates.beat_rules: false",
    "offline": "keep more dialogues, explore more while serving (dialogue.policy.explore), learn "
    "another policy, allow a loss by gates.max_loss, or set gates.offline: false",
}


class Section(StepSection):
    """Parts of the spec, and where models are kept.

    Attributes:
        store: URI or path of the model store.
        retrain: Whether the dialogue is to replace the one that serves, whose policy it has to beat.
    """

    name: str
    gates: DialogueGates
    store: str
    retrain: bool = False


def run(section: Section, *, dialogue: Path, judged: Path, decision: Path) -> StepResult:
    """Writes the decision; when it is no, keeps the dialogue in the store, marked, and raises.

    In a retraining a no is an ordinary outcome: the register step keeps the dialogue, nothing is raised.

    Args:
        section: name, gates, store (URI or path of the model store), retrain.
        dialogue: Bundle artifact of the dialogue.
        judged: Metrics artifact of that dialogue.
        decision: Where the decision artifact goes.

    Raises:
        GateRefused: A rule is not met.
        ArtifactError: The metrics are another dialogue's.
    """
    talking, scored = bundle.open_dialogue(dialogue), open_artifact(judged, "metrics")
    if scored.parents.get("agent") != talking.artifact.digest:
        raise ArtifactError(
            f"{scored.path} holds the metrics of another dialogue than {talking.folder}.",
            "Judge this dialogue, and give its own metrics to the gate.",
        )
    judgement = JUDGEMENT.read(scored)
    if section.retrain and judgement.serving is not None:
        rules = rules_of(section.gates, judgement, judgement.serving, talking.artifact.digest)
    else:
        rules = rules_of(section.gates, judgement)
    broken = [rule for rule in rules if not rule.passed]
    found = Decision(
        passed=not broken,
        metric=METRIC,
        rules=rules,
        reasons=[_reason(rule) for rule in broken],
        outcome=_outcome(rules, section.retrain),
        challenger=judgement.success,
        champion=_compared(judgement.serving) if section.retrain else None,
    )
    parents = {"bundle": talking.artifact, "bundle_metrics": scored}
    with artifacts.write(
        decision, kind="decision", producer="gate_dialogue", parents=parents,
        metadata={"passed": found.passed, "metric": METRIC},
    ) as folder:  # fmt: skip
        DECISION.write(folder, found)
        (folder / "view.html").write_text(gate_page(section.name, found), encoding="utf-8")
    if broken and not section.retrain:
        kept = Store(section.store).refuse(talking.artifact, section.name, found, scored)
        lines = "\n".join(f"  - {reason}" for reason in found.reasons)
        fixes = "; ".join(_FIXES[rule.name] for rule in broken)
        raise GateRefused(
            f"The gates refused the dialogue {section.name}:\n{lines}\n"
            f"  It is kept, marked as {kept.state}: {kept.uri}",
            f"{fixes[0].upper()}{fixes[1:]}.",
        )
    values = {rule.name: rule.value for rule in rules if rule.value is not None}
    notices = [
        Notice(f"{rule.name} was not judged: {rule.note}", "warning")
        for rule in rules
        if not rule.judged
    ]
    return StepResult({"passed": int(found.passed), **values}, html="view.html", notices=notices)


def _outcome(rules: list[Rule], retrain: bool) -> Verdict:
    """In a retraining "kept" where it is good, but not better than what serves."""
    broken = {rule.name for rule in rules if not rule.passed}
    if not broken:
        return "promoted"
    return "kept" if retrain and broken <= {BEATEN, "offline"} else "refused"


def rules_of(
    gates: DialogueGates, found: Judgement, serving: Serving | None = None, digest: str = ""
) -> list[Rule]:
    """Every rule that is asked, and whether it is met.

    Args:
        gates: As the spec has them.
        found: How good the policy is.
        serving: In a retraining, what is to be replaced.
        digest: Of the dialogue.
    """
    rules = []
    if gates.minimum is not None:
        shares = ", ".join(f"{one.success:.3f} at {one.errors}" for one in found.users)
        note = f"of {found.dialogues} dialogues at each rate of errors: {shares}"
        met = found.success >= gates.minimum
        rules.append(Rule("minimum", gates.minimum, found.success, met, note=note, metric=METRIC))
    note = f"with a value that is not in the knowledge base, or not as asked, of {found.answers:,}"
    rules.append(Rule("true_answers", 0.0, float(found.untrue), found.untrue == 0, note=note))
    if found.learned and gates.beat_rules:
        low, high = found.against_rules_low, found.against_rules_high
        note = f"reward of a dialogue above the rules', 95 %: {low:+.2f} to {high:+.2f}"
        rules.append(Rule("beat_rules", 0.0, found.against_rules, high >= 0, note=note))
    if found.learned and gates.offline and found.offline is not None:
        rules.append(_offline(gates, found, serving is not None))
    if serving is not None:
        rules.append(_beats(gates, serving, found, digest))
    return rules


def _beats(gates: DialogueGates, serving: Serving, found: Judgement, digest: str) -> Rule:
    """Whether the policy is better than the one that serves.

    Simulated users tell nothing of facts, words and documents that are new: where these are, the policy
    must not be worse. Where people's dialogues have told, they have the last word of what is better.
    """
    name = f"version {serving.version}"
    if serving.digest == digest:
        return Rule(BEATEN, None, None, False, note=f"what came out is {name} itself")
    gain = serving.gain
    if gain is None or gain.low is None or gain.high is None:
        note = f"{name} has other slots: its policy cannot be asked"
        return Rule(BEATEN, None, None, True, judged=False, note=note)
    told = found.learned and found.offline is not None and found.offline.told
    better = serving.alike and not (told and gates.offline)
    note = (
        f"reward of a dialogue above {name}'s with the same users, 95 %: {gain.low:+.2f} to "
        f"{gain.high:+.2f}, which must "
        + ("be above 0: nothing but the policy is new" if better else "not be below 0")
    )
    met = gain.low > 0 if better else gain.high >= 0
    return Rule(BEATEN, 0.0, gain.value, met, note=note)


def _compared(serving: Serving | None) -> Compared | None:
    if serving is None:
        return None
    return Compared(serving.version, serving.digest, serving.success, serving.more)


def _offline(gates: DialogueGates, found: Judgement, retrain: bool) -> Rule:
    said = found.offline
    assert said is not None
    limit = -gates.max_loss
    if not said.told:
        # Before anybody was served there is nothing to judge by; later, too little to tell is a no,
        # but in a retraining: there it has to beat the policy that serves with simulated users.
        passed = said.dialogues == 0 or retrain
        return Rule("offline", limit, None, passed, judged=not passed, note=said.reason)
    note = (
        f"lower bound of what a dialogue gains over {said.logged:+.2f}, by {said.dialogues} that were "
        f"kept, in effect {said.effective:.0f}; 95 %: {said.gain_low:+.2f} to {said.gain_high:+.2f}"
    )
    met = said.gain_low is not None and said.gain_low >= limit
    return Rule("offline", limit, said.gain_low, met, note=note)


def _reason(rule: Rule) -> str:
    value = "" if rule.value is None else f" is {rule.value:.3f}, and the limit {rule.limit:g}"
    return f"{rule.name}{value}: {rule.note}"
