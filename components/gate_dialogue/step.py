"""Decides whether the dialogue may serve: the rules of the spec, on the policy that would talk."""

from __future__ import annotations

from pathlib import Path

from bertworks.contracts.decision import DECISION, Decision, Rule
from bertworks.contracts.dialogue import JUDGEMENT, Judgement
from bertworks.dialogue import bundle
from bertworks.errors import ArtifactError, GateRefused
from bertworks.notices import Notice
from bertworks.pages.gates import gate_page
from bertworks.spec.dialogue import DialogueGates
from bertworks.storage import artifacts
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.store import Store
from components.contract import StepResult, StepSection

METRIC = "success"
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
    """

    name: str
    gates: DialogueGates
    store: str


def run(section: Section, *, dialogue: Path, judged: Path, decision: Path) -> StepResult:
    """Writes the decision; when it is no, keeps the dialogue in the store, marked, and raises.

    Args:
        section: name, gates, store (URI or path of the model store).
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
    rules = rules_of(section.gates, judgement)
    broken = [rule for rule in rules if not rule.passed]
    found = Decision(
        passed=not broken,
        metric=METRIC,
        rules=rules,
        reasons=[_reason(rule) for rule in broken],
        outcome="refused" if broken else "promoted",
        challenger=judgement.success,
    )
    parents = {"bundle": talking.artifact, "bundle_metrics": scored}
    with artifacts.write(
        decision, kind="decision", producer="gate_dialogue", parents=parents,
        metadata={"passed": found.passed, "metric": METRIC},
    ) as folder:  # fmt: skip
        DECISION.write(folder, found)
        (folder / "view.html").write_text(gate_page(section.name, found), encoding="utf-8")
    if broken:
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
    return StepResult({"passed": 1, **values}, html="view.html", notices=notices)


def rules_of(gates: DialogueGates, found: Judgement) -> list[Rule]:
    """Every rule that is asked, and whether it is met."""
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
        rules.append(_offline(gates, found))
    return rules


def _offline(gates: DialogueGates, found: Judgement) -> Rule:
    said = found.offline
    assert said is not None
    limit = -gates.max_loss
    if not said.told:
        # Before anybody was served there is nothing to judge by; later, too little to tell is a no.
        first = said.dialogues == 0
        return Rule("offline", limit, None, first, judged=not first, note=said.reason)
    note = (
        f"lower bound of what a dialogue gains over {said.logged:+.2f}, by {said.dialogues} that were "
        f"kept, in effect {said.effective:.0f}; 95 %: {said.gain_low:+.2f} to {said.gain_high:+.2f}"
    )
    met = said.gain_low is not None and said.gain_low >= limit
    return Rule("offline", limit, said.gain_low, met, note=note)


def _reason(rule: Rule) -> str:
    value = "" if rule.value is None else f" is {rule.value:.3f}, and the limit {rule.limit:g}"
    return f"{rule.name}{value}: {rule.note}"
