"""The gate's rules, and the gate and register steps together with the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gate_rules import OFF, entries, gate_section

from bertworks.contracts.decision import DECISION, Decision
from bertworks.contracts.latency import Load, Speed
from bertworks.contracts.metrics import Metric
from bertworks.errors import ArtifactError, GateRefused, SpecError
from bertworks.evaluation.bootstrap import Difference
from bertworks.evaluation.gating.drops import Drop
from bertworks.evaluation.gating.gates import Measured, against_champion, decide, notices
from bertworks.evaluation.gating.remedies import fix
from bertworks.evaluation.predictions import Predictions
from bertworks.pages.gates import rules as rules_page
from bertworks.spec import Gates, Task
from bertworks.storage import artifacts
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.store import Store
from tests.helpers.steps import gate, register

QUIET = Load(1.0, 1.0, 1.0, 1.0)


MEASURED = Measured(
    bundle=[*entries(accuracy=0.84, mae=1.0), Metric("accuracy", 0.1, slice="x=y")],
    model=entries(accuracy=0.86, mae=0.9),
    floor=entries(accuracy=0.77, mae=1.2),
    latency=Speed(5.0, 5.0, 5.0, QUIET, size_mb=20.0),
    champion=Difference(0.01, -0.01, 0.03, 0.8),
)


@pytest.mark.parametrize(
    ("rule", "met", "broken"),
    [
        ("minimum", 0.84, 0.8401),
        ("max_drop", 0.02, 0.0199),
        ("max_latency_ms", 5.0, 4.99),
        ("max_size_mb", 20.0, 19.9),
    ],
)
def test_limits_are_met_exactly_and_broken_just_beyond(
    rule: str, met: float, broken: float
) -> None:
    passed = decide(Gates(**{**OFF, rule: met}), "accuracy", MEASURED)
    assert passed.passed and passed.reasons == []
    refused = decide(Gates(**{**OFF, rule: broken}), "accuracy", MEASURED)
    assert not refused.passed
    assert [one.name for one in refused.rules if not one.passed] == [rule]
    assert len(refused.reasons) == 1 and f"{broken:g}" in refused.reasons[0]
    assert f"gates.{rule} to {met:.4f}".rstrip("0").rstrip(".") in fix(refused, MEASURED)


def test_lower_is_better_turns_the_rules_round() -> None:
    assert decide(Gates(**{**OFF, "minimum": 1.0}), "mae", MEASURED).passed
    assert not decide(Gates(**{**OFF, "minimum": 0.99}), "mae", MEASURED).passed
    assert decide(Gates(max_drop=0.1), "mae", MEASURED).passed
    assert not decide(Gates(max_drop=0.09), "mae", MEASURED).passed
    worse = Measured(MEASURED.bundle, MEASURED.model, entries(mae=0.95), MEASURED.latency)
    assert not decide(Gates(max_drop=None), "mae", worse).passed


def test_the_floor_must_be_beaten() -> None:
    assert decide(Gates(max_drop=None), "accuracy", MEASURED).passed
    equal = Measured(MEASURED.bundle, MEASURED.model, entries(accuracy=0.84), MEASURED.latency)
    found = decide(Gates(max_drop=None), "accuracy", equal)
    assert "floor" in found.reasons[0]
    without = Measured(MEASURED.bundle, MEASURED.model, [], MEASURED.latency)
    with pytest.raises(ArtifactError, match="no floor was measured"):
        decide(Gates(), "accuracy", without)


def test_the_champion_must_be_beaten_where_there_is_one() -> None:
    rules = Gates(**OFF, beat_champion=True)
    assert decide(rules, "accuracy", MEASURED).passed
    for value, passed in ((0.0, False), (-0.01, False), (0.001, True)):
        other = Measured(
            MEASURED.bundle, MEASURED.model, [], MEASURED.latency,
            Difference(value, -0.02, 0.02, 0.5),
        )  # fmt: skip
        assert decide(rules, "accuracy", other).passed == passed
    alone = Measured(MEASURED.bundle, MEASURED.model, [], MEASURED.latency)
    assert decide(rules, "accuracy", alone).passed


def test_every_broken_rule_is_named() -> None:
    everything = Gates(minimum=0.9, max_drop=0.0, max_latency_ms=1, max_size_mb=1, beat_floor=True)
    found = decide(everything, "accuracy", MEASURED)
    broken = {one.name for one in found.rules if not one.passed}
    assert broken == {"minimum", "max_drop", "max_latency_ms", "max_size_mb"}
    assert len(found.reasons) == 4


def test_a_metric_that_was_not_measured_is_a_spec_error() -> None:
    with pytest.raises(SpecError, match="bleu"):
        decide(Gates(minimum=1), "bleu", MEASURED)


def answers(right: list[bool], first: int = 0) -> Predictions:
    truth = np.zeros(len(right), int)
    ids = [str(first + number) for number in range(len(right))]
    return Predictions(Task(), ["a", "b"], ids, truth, 1 - np.array(right, int))


def test_the_champion_is_compared_on_shared_rows_only() -> None:
    challenger = answers([True] * 6 + [False] * 4)  # rows 0 to 9
    champion = answers([True] * 3 + [False] * 7, first=5)  # rows 5 to 14
    # Shared are rows 5 to 9: the challenger has 1 right, the champion 3.
    found = against_champion(challenger, champion, "accuracy", seed=1)
    assert found.value == pytest.approx(1 / 5 - 3 / 5)
    with pytest.raises(ArtifactError, match="none is the same"):
        against_champion(challenger, answers([True], first=99), "accuracy", seed=1)


DEFAULT = Gates(beat_floor=False)


def compressed(lost: int, won: int, rows: int, **more: Any) -> Measured:
    """Of a model that has 100 rows wrong: the bundle gets `lost` of the others wrong, `won` right."""
    before = answers([True] * (rows - 100) + [False] * 100)
    flat = [number >= lost for number in range(rows - 100)] + [
        number < won for number in range(100)
    ]
    now = answers(flat)
    scores = [
        entries(accuracy=float(np.mean(one.prediction == one.truth))) for one in (now, before)
    ]
    drop = Drop.between(now, before, "accuracy", 0.95)
    return Measured(scores[0], scores[1], [], MEASURED.latency, drop=drop, **more)


def test_a_drop_is_refused_when_it_is_more_than_chance() -> None:
    # 0.024 on 827 rows: 45 answers differ, and chance alone reaches as far.
    few = compressed(lost=32, won=12, rows=827)
    found = decide(DEFAULT, "accuracy", few)
    assert found.passed and found.rules[0].value == pytest.approx(20 / 827)
    note = found.rules[0].note
    assert "827 rows" in note and "44 answers differ" in note and "95%" in note
    said = [one.text for one in notices(found, DEFAULT, few)]
    assert any("within chance only" in text for text in said)
    # The same shares of ten times the rows, and a clear loss on few rows, are no chance.
    assert not decide(
        Gates(beat_floor=False, max_drop=0.015), "accuracy", compressed(320, 120, 8270)
    ).passed
    assert not decide(DEFAULT, "accuracy", compressed(lost=90, won=0, rows=827)).passed


def test_a_limit_that_the_rows_cannot_tell_is_said_to_be_so() -> None:
    few = compressed(lost=0, won=0, rows=120)
    found = decide(DEFAULT, "accuracy", few)
    (said,) = notices(found, DEFAULT, few)
    assert "gates.max_drop is 0.02" in said.text and "120 test rows" in said.text
    assert said.text.count("0.0250") == 1  # the rule of three: ln(20) / 120
    many = compressed(lost=0, won=0, rows=1200)
    assert notices(decide(DEFAULT, "accuracy", many), DEFAULT, many) == []


def test_a_value_is_promised_as_measured_and_shown_with_its_interval() -> None:
    wide = [Metric("accuracy", 0.8, 0.7, 0.88, rows=90)]
    given = Measured(wide, entries(accuracy=0.8), [], MEASURED.latency)
    for minimum, passed in ((0.8, True), (0.81, False)):
        found = decide(Gates(**OFF, minimum=minimum), "accuracy", given)
        assert found.passed is passed
        assert found.rules[0].note == "95 % interval 0.7000 to 0.8800 on 90 rows"
    floor = Difference(0.01, -0.02, 0.04, 0.7)
    below, time = entries(accuracy=0.79), MEASURED.latency
    near = Measured(wide, entries(accuracy=0.8), below, time, above_floor=floor)
    found = decide(Gates(max_drop=None), "accuracy", near)
    assert found.passed and "-0.0200 to +0.0400" in found.rules[0].note
    (said,) = notices(found, Gates(max_drop=None), near)
    assert said.level == "warning" and "above the floor within chance only" in said.text


def busy(p95: float, quiet: float, undisturbed: float) -> Measured:
    times = Speed(1.0, p95, quiet, Load(1.0, 2.0, 9.0, undisturbed, attempts=3), size_mb=1.0)
    return Measured(entries(accuracy=0.8), entries(accuracy=0.8), [], times)


def test_a_busy_machine_alone_refuses_nothing() -> None:
    rules = Gates(**OFF, max_latency_ms=5.0)
    found = decide(rules, "accuracy", busy(40.0, 4.0, undisturbed=0.5))
    assert found.passed and found.rules[0].judged
    assert "40.00 ms as measured, without the load: 4.00 ms" in found.rules[0].note
    # Slow even in its quiet moments: that is the agent.
    assert not decide(rules, "accuracy", busy(40.0, 6.0, undisturbed=0.5)).passed
    # No quiet moment in three attempts: nobody can tell, and that is said.
    blind = busy(40.0, 6.0, undisturbed=0.01)
    found = decide(rules, "accuracy", blind)
    assert found.passed and not found.rules[0].judged
    (said,) = notices(found, rules, blind)
    assert (
        said.level == "warning" and "could not be judged" in said.text and "3 attempts" in said.text
    )
    assert "not judged" in str(rules_page(found))
    # Within the limit as it is: no load can have made it faster.
    assert decide(rules, "accuracy", busy(4.9, 4.8, undisturbed=0.01)).rules[0].judged


def test_what_was_refused_is_named_by_its_rule() -> None:
    found = decide(Gates(**OFF, max_size_mb=10.0), "accuracy", MEASURED)
    assert "refused</span> on size (metric: accuracy)" in str(rules_page(found))


@pytest.fixture
def made(evaluated: Any, tmp_path: Path) -> dict[str, Any]:
    """A bundle, its metrics and its model's metrics, as keyword arguments of the gate."""
    return {
        "bundle": evaluated.bundle,
        "bundle_metrics": tmp_path / "bundle_metrics",
        "model_metrics": tmp_path / "model_metrics",
        "examples": evaluated.examples,
        "decision": tmp_path / "decision",
    }


def to_register(made: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Keyword arguments of register for what the gate was given."""
    return {
        "bundle": made["bundle"],
        "decision": made["decision"],
        "metrics": made["bundle_metrics"],
        "model": made["bundle"].parent / "model",
        "examples": made["examples"],
        "registered": folder / "registered",
    }


def section(folder: Path, **gates: Any) -> dict[str, Any]:
    return gate_section(folder / "store", Task(max_length=16), **gates)


def test_a_bundle_that_passes_becomes_the_champion(made: dict[str, Any], tmp_path: Path) -> None:
    result = gate(section(tmp_path, max_drop=0.0, max_size_mb=50), **made)
    assert result.metrics["passed"] == 1
    decision = open_artifact(made["decision"], "decision")
    assert decision.parents["bundle"] == open_artifact(made["bundle"]).digest
    assert decision.json("decision.json")["passed"] is True
    register(section(tmp_path), **to_register(made, tmp_path))
    noted = open_artifact(tmp_path / "registered", "registered").json("registered.json")
    champion = Store(tmp_path / "store").champion("tiny")
    assert champion is not None
    assert noted == {
        "name": "tiny", "version": 1, "uri": champion.uri, "digest": champion.digest,
        "outcome": "promoted",
    }  # fmt: skip
    assert champion.has("model") and champion.has("examples")
    assert champion.digest == open_artifact(made["bundle"]).digest
    # The champion itself, judged again, is not refused for failing to beat itself.
    assert gate(section(tmp_path, beat_champion=True), **made).metrics["passed"] == 1


def test_a_refused_bundle_is_kept_with_the_reasons(made: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(GateRefused) as caught:
        gate(section(tmp_path, minimum=1.0, max_size_mb=0.001), **made)
    text = str(caught.value)
    assert "the gate asks for 1" in text and "at most 0.001 MB" in text
    assert "gates.max_size_mb" in caught.value.fix and "gates.minimum" in caught.value.fix
    found = DECISION.read(open_artifact(made["decision"], "decision"))
    assert found.passed is False and len(found.reasons) == 2
    kept = Store(tmp_path / "store").show("tiny", 1)
    assert kept.state == "refused" and kept.record is not None and kept.record.decision == found
    assert kept.uri in text
    with pytest.raises(GateRefused):
        register(section(tmp_path), **to_register(made, tmp_path))
    assert not (tmp_path / "registered").exists()
    assert Store(tmp_path / "store").champion("tiny") is None


def test_stricter_gates_refuse_the_champion_and_leave_its_record(
    made: dict[str, Any], tmp_path: Path
) -> None:
    """The same bundle, run again with another spec under the same name."""
    gate(section(tmp_path), **made)
    register(section(tmp_path), **to_register(made, tmp_path))
    store = Store(tmp_path / "store")
    before = store.champion("tiny")
    assert before is not None
    with pytest.raises(GateRefused, match="tiny/1, which earlier gates let through") as caught:
        gate(section(tmp_path, max_size_mb=0.001), **made)
    assert "goes on serving, as the champion" in str(caught.value)
    assert "at most 0.001 MB" in str(caught.value) and "gates.max_size_mb" in caught.value.fix
    assert store.champion("tiny") == before and before.state == "passed"
    store.add(open_artifact(other_bundle(made, tmp_path / "other")), "tiny",
              Decision(True, "accuracy", [], []), open_artifact(made["bundle_metrics"]))  # fmt: skip
    store.promote("tiny", 2)
    with pytest.raises(GateRefused, match="tiny/1, which earlier gates let through") as caught:
        gate(section(tmp_path, max_size_mb=0.001), **made)
    assert "goes on serving" not in str(caught.value)
    assert store.rollback("tiny").number == 1


def copy_of(source: Path, target: Path, kind: str, change: Callable[[Path], None]) -> Path:
    old = open_artifact(source)
    parents = {"agent": open_artifact(source.parent / "bundle")} if kind == "metrics" else {}
    with artifacts.write(target, kind=kind, producer="test", parents=parents) as folder:
        for file in old.path.iterdir():
            if file.name != "manifest.json":
                (folder / file.name).write_bytes(file.read_bytes())
        change(folder)
    return target


def other_bundle(made: dict[str, Any], target: Path) -> Path:
    return copy_of(
        made["bundle"], target, "bundle", lambda folder: (folder / "note").write_text("x") and None
    )


def test_metrics_of_another_bundle_are_refused(made: dict[str, Any], tmp_path: Path) -> None:
    other = other_bundle(made, tmp_path / "other")
    with pytest.raises(ArtifactError, match="another agent"):
        gate(section(tmp_path), **{**made, "bundle": other})
    gate(section(tmp_path), **made)
    with pytest.raises(ArtifactError, match="another bundle"):
        register(section(tmp_path), **{**to_register(made, tmp_path), "bundle": other})
    assert Store(tmp_path / "store").names() == []


def test_a_challenger_meets_the_champion_on_the_same_rows(
    made: dict[str, Any], tmp_path: Path
) -> None:
    """The champion in the store is this bundle's twin: no better, so not replaced."""
    twin = other_bundle(made, tmp_path / "twin")
    store = Store(tmp_path / "store")
    allowed = Decision(True, "accuracy", [], [])
    store.add(open_artifact(twin), "tiny", allowed, open_artifact(made["bundle_metrics"]))
    store.promote("tiny", 1)
    with pytest.raises(GateRefused, match="from the champion's on the same rows"):
        gate(section(tmp_path, beat_champion=True), **made)
    found = DECISION.read(made["decision"])
    rule = next(one for one in found.rules if one.name == "beat_champion")
    assert rule.value == 0 and "95 % interval" in rule.note


def test_metrics_of_other_examples_are_refused(made: dict[str, Any], tmp_path: Path) -> None:
    other = tmp_path / "other_examples"
    with artifacts.write(other, kind="examples", producer="test") as folder:
        (folder / "note").write_text("other rows")
    with pytest.raises(ArtifactError, match="on other examples"):
        gate(section(tmp_path), **{**made, "examples": other})
