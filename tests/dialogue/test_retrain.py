"""`bertworks retrain` of a dialogue: made anew where something is new, promoted where it is better."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from bertworks.contracts.decision import DECISION, Interval
from bertworks.contracts.dialogue import JUDGEMENT, Judgement, Offline, Serving
from bertworks.dialogue import building, features
from bertworks.dialogue.actions import names
from bertworks.dialogue.policies.graph import write
from bertworks.retraining.dialogue import compare
from bertworks.spec.dialogue import DialogueGates, DialogueSpec
from bertworks.spec.file import DialogueFile, load_any, load_as
from bertworks.storage.outcomes import Outcomes
from bertworks.storage.store import Store
from components.compare_dialogue import step as compare_step
from components.gate_dialogue import step as gate
from components.judge_policy import step as judge
from components.prepare_dialogue import step as prepare
from components.register_dialogue import step as register
from pipelines.cli.main import app
from pipelines.compile import dialogue_of
from pipelines.dialogue import DialogueDag
from pipelines.local.record import latest
from pipelines.local.root import find_root
from tests.dialogue.helpers import FILE
from tests.dialogue.test_dag import GOLDEN, GOOD, TOLD
from tests.dialogue.test_spec import SPEC

RULES = "  learn: {enabled: false, errors: [0.2]}\njudge: {dialogues: 50}\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    (tmp_path / "town.yaml").write_text(SPEC + RULES)
    return tmp_path / "town.yaml"


def bertworks(spec: Path, *arguments: str) -> Result:
    asked = [arguments[0], str(spec), *arguments[1:], "--root", str(spec.parent / "root")]
    found = CliRunner().invoke(app, asked)
    assert found.exit_code == 0, (found.output, found.exception)
    return found


def states(spec: Path) -> dict[str, str]:
    record = latest(find_root(str(spec.parent / "root")))
    return {one.name: one.state for one in record.steps}


def test_nothing_new_ends_at_once_and_what_is_new_is_made(spec: Path) -> None:
    bertworks(spec, "run")
    again = bertworks(spec, "retrain")
    assert "unchanged, after" in again.output
    assert "town: version 1 stays. Nothing is new: version 1 was made of the same." in again.output
    assert {name for name, state in states(spec).items() if state != "skipped"} == {
        "compare-dialogue", "notify",
    }  # fmt: skip

    # A fact that is new: the policy, which is the rules, is not worse.
    rows = FILE.read_text("utf-8").replace("Golden Lantern", "Silver Lantern")
    (spec.parent / "restaurants.csv").write_text(rows)
    changed = bertworks(spec, "retrain")
    assert "town: version 2 is the new champion" in changed.output, changed.output
    store = Store(str(spec.parent / "root/models"))
    champion = store.champion("town")
    assert champion is not None and champion.number == 2

    # Other rules alone, which talk worse: the champion stays, and the line says why.
    worse = ("--set", "dialogue.policy.rules=[{do: offer}, {do: ask}]")
    lost = bertworks(spec, "retrain", *worse)
    assert "town: version 2 stays; the challenger's beat_champion is -" in lost.output, lost.output
    assert "above version 2's with the same users" in lost.output
    champion = store.champion("town")
    assert champion is not None and champion.number == 2
    tried = bertworks(spec, "retrain", *worse)
    assert "Nothing is new since version 3, which did not replace it." in tried.output
    kinds = [one.outcome for one in Outcomes(store.uri, "town").every()]
    assert kinds == ["unchanged", "promoted", "kept", "unchanged"]
    listed = CliRunner().invoke(
        app, ["models", "outcomes", "town", "--root", str(spec.parent / "root")]
    )
    assert listed.exit_code == 0 and "version 2 stays" in listed.output


def test_what_nobody_wrote_down_counts_as_new(tmp_path: Path) -> None:
    found = compare(Store(str(tmp_path)), "town", {"spec": "a"})
    assert found.changed and found.reason == "There is no champion yet." and found.champion is None


def test_what_begins_a_retraining_comes_before_its_agents() -> None:
    loaded = load_any(GOLDEN / "dialogue.yaml")
    assert isinstance(loaded, DialogueFile)
    plain, dag = dialogue_of(loaded), dialogue_of(loaded, kind="retrain")
    branch = dag.graph.branches("retrain")["compare-dialogue"]
    assert {*branch.boxes, "compare-dialogue"} == {box.name for box in plain.boxes}
    assert [dag.boxes[0].name, dag.boxes[-1].name] == ["compare-dialogue", "notify"]
    # What makes the agents is told the same, so that a cache knows it again.
    alone, within = plain.sections(), dag.sections()
    assert {name for name in alone if alone[name] != within[name]} == {
        "compare-dialogue", "judge-policy", "gate-dialogue", "register-dialogue",
    }  # fmt: skip
    news = {"knowledge", "spec", "understanding.spec", "understanding.data.0"}
    assert news <= set(dag.made_of)
    other = DialogueDag(
        plain.spec.model_copy(update={"description": "another"}), plain.site, plain.agents
    )
    assert other.made_of == dag.made_of


SERVING = Serving(3, "before", True, 0.9, Interval(1.0, 0.2, 1.8), Interval(0.02, 0.0, 0.04))
FEW = Offline(False, "400 dialogues are worth 3 for this policy", 400, 3.0)


@pytest.mark.parametrize(
    ("serving", "found", "broken"),
    [
        (SERVING, GOOD, set()),
        # Nothing but the policy is new: it has to be better by more than chance.
        (replace(SERVING, gain=Interval(0.5, -0.1, 1.1)), GOOD, {"beat_champion"}),
        # Facts, words or documents are new: it must not be worse by more than chance.
        (replace(SERVING, alike=False, gain=Interval(-0.2, -0.5, 0.1)), GOOD, set()),
        (replace(SERVING, alike=False, gain=Interval(-1, -2, -0.1)), GOOD, {"beat_champion"}),
        # People's dialogues say what is better, where they tell.
        (
            replace(SERVING, gain=Interval(0.5, -0.1, 1.1)),
            replace(GOOD, offline=TOLD),
            set(),
        ),
        (
            SERVING,
            replace(GOOD, offline=replace(TOLD, gain_low=-0.4)),
            {"offline"},
        ),
        # Where they tell too little, simulated users do.
        (SERVING, replace(GOOD, offline=FEW), set()),
        (
            replace(SERVING, gain=Interval(0.5, -0.1, 1.1)),
            replace(GOOD, offline=FEW),
            {"beat_champion"},
        ),
        (replace(SERVING, success=None, gain=None, more=None), GOOD, set()),  # of other slots
        (
            replace(SERVING, digest="own", gain=None),
            GOOD,
            {"beat_champion"},
        ),  # it came out the same
    ],
)
def test_a_challenger_has_to_beat_what_serves(
    serving: Serving, found: Judgement, broken: set[str]
) -> None:
    rules = gate.rules_of(DialogueGates(), found, serving, "own")
    assert {rule.name for rule in rules if not rule.passed} == broken


def test_logs_that_are_not_asked_decide_nothing() -> None:
    serving = replace(SERVING, gain=Interval(0.5, -0.1, 1.1))
    gates = DialogueGates(offline=False)
    rules = gate.rules_of(gates, replace(GOOD, offline=TOLD), serving, "own")
    assert [rule.name for rule in rules if not rule.passed] == ["beat_champion"]


def learned(spec: Path, out: Path, seed: int) -> Path:
    """A dialogue whose policy is a graph of random weights: one that talks badly."""
    said = load_as(DialogueSpec, spec).dialogue
    domain = building.domain_of(said)
    random = np.random.default_rng(seed)
    shape = (len(names(domain)), len(features.names(domain)))
    weights = random.normal(size=shape).astype(np.float32)
    write(spec.parent / "p.onnx", [(weights, np.zeros(shape[0], np.float32))], domain, {})
    policy = said.policy.model_copy(update={"graph": "p.onnx"})
    text = said.model_copy(update={"policy": policy}).model_dump_json()
    section = prepare.Section(name="town", dialogue=text, spec_folder=str(spec.parent))
    prepare.run(section, dialogue=out)
    return out


def test_a_policy_that_is_worse_than_the_serving_one_is_kept_and_not_promoted(
    spec: Path, tmp_path: Path
) -> None:
    uri = str(tmp_path / "models")
    asked = load_as(DialogueSpec, spec).judge
    gates = DialogueGates(beat_rules=False)

    def through(dialogue: Path, retrain: bool) -> Path:
        place = dialogue.parent
        given = {"dialogue": dialogue, "judged": place / "judged"}
        judge.run(judge.Section(judge=asked, store=uri if retrain else None), **given)
        section = gate.Section(name="town", gates=gates, store=uri, retrain=retrain)
        gate.run(section, decision=place / "gate", **given)
        found = compare_step.Section(name="town", store=uri, made_of={"spec": place.name})
        compare_step.run(found, comparison=place / "comparison")
        register.run(
            register.Section(name="town", store=uri, retrain=retrain),
            decision=place / "gate", comparison=place / "comparison",
            registered=place / "registered", **given,
        )  # fmt: skip
        return place

    section = prepare.Section(
        name="town",
        dialogue=load_as(DialogueSpec, spec).dialogue.model_dump_json(),
        spec_folder=str(tmp_path),
    )
    for name in ("rules", "graph", "again"):
        (tmp_path / name).mkdir()
    prepare.run(section, dialogue=tmp_path / "rules/dialogue")
    through(tmp_path / "rules/dialogue", False)
    place = through(learned(spec, tmp_path / "graph/dialogue", 1), True)
    serving = JUDGEMENT.read(place / "judged").serving
    assert serving is not None and serving.alike and serving.gain is not None
    assert serving.gain.high is not None and serving.gain.high < 0
    assert DECISION.read(place / "gate").outcome == "kept"
    store = Store(uri)
    champion = store.champion("town")
    assert champion is not None and champion.number == 1
    assert store.show("town", 2).made.made_of == {"spec": "graph"}

    # What comes out the same is no challenger, and stays what it is.
    prepare.run(section, dialogue=tmp_path / "again/dialogue")
    place = through(tmp_path / "again/dialogue", True)
    (rule,) = [one for one in DECISION.read(place / "gate").rules if one.name == "beat_champion"]
    assert not rule.passed and "version 1 itself" in rule.note
    champion = store.champion("town")
    assert champion is not None and champion.number == 1 and champion.state == "passed"
    assert champion.made.made_of == {"spec": "again"}
