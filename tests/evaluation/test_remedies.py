"""Every piece of advice of the gates is taken, and the refusal goes."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from gate_rules import OFF, entries, gate_section
from made_candidates import measured as made
from made_candidates import scored

from bertworks.compression.candidates import Candidate, Limits
from bertworks.compression.choosing import choose
from bertworks.contracts.bundle import Tried
from bertworks.contracts.confidence import MeasuredConfidence, OutOfScope, SplitConfidence
from bertworks.contracts.decision import DECISION
from bertworks.contracts.latency import Load, Speed
from bertworks.errors import ArtifactError, GateRefused
from bertworks.evaluation.bootstrap import Difference
from bertworks.evaluation.gating.drops import Drop
from bertworks.evaluation.gating.gates import Measured, against_champion, decide, notices
from bertworks.evaluation.gating.remedies import fix
from bertworks.runtime.inference import batches
from bertworks.spec import Confidence, Gates
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.store import REFUSED, Version
from components.gate.step import _refusal
from tests.helpers.steps import gate

# "gates.max_drop to 0.02", "gates.beat_floor: false"
ADVICE = re.compile(r"(gates\.\w+|compress\.quantize\.max_drop)(?:: | to )(-?[\d.]*\d|true|false)")


def state(**changes: Any) -> Measured:
    plain = Measured(
        bundle=entries(accuracy=0.81234, mae=1.23456, pearson=-0.12345),
        model=entries(accuracy=0.86, mae=0.9, pearson=0.5),
        floor=entries(accuracy=0.9, mae=0.5, pearson=0.4),
        latency=Speed(5.4321, 5.4321, 5.4321, Load(1.0, 1.0, 1.0, 1.0), size_mb=70.04),
        champion=Difference(-0.01, -0.02, 0.01, 0.2),
        sure=MeasuredConfidence(
            temperature=0.7,
            splits={
                "test": SplitConfidence(
                    300, 0.31234, 0.08765, 0.02345, 0.81234, coverage=0.61234, refused=0.05
                )
            },
            out_of_scope=OutOfScope(90, 0.71234, 0.9),
        ),
    )
    return dataclasses.replace(plain, **changes)


LOSS: Drop = scored(90, 0, 867, 0.95)[0]
REFUSALS: dict[str, tuple[dict[str, Any], str, Measured]] = {
    "minimum": ({"minimum": 0.82}, "accuracy", state()),
    "minimum of an error": ({"minimum": 1.0}, "mae", state()),
    "minimum below 0": ({"minimum": 0.0}, "pearson", state()),
    "drop": ({"max_drop": 0.02}, "accuracy", state(drop=LOSS)),
    "drop of the values alone": ({"max_drop": 0.02}, "accuracy", state()),
    "latency": ({"max_latency_ms": 5.0}, "accuracy", state()),
    "size": ({"max_size_mb": 25.0}, "accuracy", state()),
    "floor": ({"beat_floor": True}, "accuracy", state()),
    "champion": ({"beat_champion": True}, "accuracy", state()),
    "coverage": ({"min_coverage": 0.7}, "accuracy", state()),
    "calibration": ({"max_calibration_error": 0.06}, "accuracy", state()),
    "out of scope": ({"min_out_of_scope_recall": 0.8}, "accuracy", state()),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_each_value_that_is_advised_suffices(name: str) -> None:
    rules, metric, given = REFUSALS[name]
    found = decide(Gates(**{**OFF, **rules}), metric, given)
    assert not found.passed
    advised = ADVICE.findall(fix(found, given))
    assert len(advised) == 1, fix(found, given)
    for setting, value in advised:
        taken = {setting.removeprefix("gates."): yaml.safe_load(value)}
        again = decide(Gates(**{**OFF, **rules, **taken}), metric, given)
        assert again.passed, (fix(found, given), again.reasons)


def test_all_broken_rules_are_advised_on_and_all_advice_together_passes() -> None:
    asked = {"minimum": 0.9, "max_drop": 0.0, "max_latency_ms": 1, "max_size_mb": 1,
             "beat_floor": True, "beat_champion": True, "min_coverage": 0.7,
             "max_calibration_error": 0.06, "min_out_of_scope_recall": 0.8}  # fmt: skip
    given = state(drop=LOSS)
    found = decide(Gates(**asked), "accuracy", given)
    advised = ADVICE.findall(fix(found, given))
    assert {setting.removeprefix("gates.") for setting, _ in advised} == set(asked)
    taken = {name.removeprefix("gates."): yaml.safe_load(value) for name, value in advised}
    assert decide(Gates(**taken), "accuracy", given).passed


SPEC = {"onnxruntime-fp32": (70.0, 4.0, 0, 0), "openvino-int8": (18.0, 1.3, 60, 0)}
LIMITS = Limits(0.005, max_drop=0.5, max_size_mb=25.0)


def chosen(limits: Limits, **listed: Any) -> tuple[Candidate, list[Tried]]:
    found = made(SPEC, limits=limits)
    winner = choose(found, "balanced", listed.get("names"))
    return winner, [dataclasses.replace(one.tried(), times=one.times()) for one in found]


def refused_on_size(candidates: list[Tried], size: float) -> tuple[str, bool]:
    speed = dataclasses.replace(state().latency, size_mb=size)
    given = state(latency=speed, candidates=candidates)
    found = decide(Gates(**OFF, max_size_mb=25.0), "accuracy", given)
    return (fix(found, given) if found.reasons else ""), bool(found.passed)


def test_a_size_that_an_accuracy_limit_caused_names_that_limit() -> None:
    winner, table = chosen(LIMITS)
    assert winner.name == "onnxruntime-fp32"
    advice, passed = refused_on_size(table, winner.size_mb or 0)
    assert not passed and "openvino-int8 is small enough, but was left out" in advice
    advised = dict(ADVICE.findall(advice))
    assert set(advised) == {"compress.quantize.max_drop", "gates.max_size_mb"}
    winner, table = chosen(
        dataclasses.replace(LIMITS, own_drop=float(advised["compress.quantize.max_drop"]))
    )
    assert winner.name == "openvino-int8" and refused_on_size(table, winner.size_mb or 0)[1]


def test_int8_candidates_are_small_enough_where_float32_is_not() -> None:
    alone = made({"onnxruntime-fp32": SPEC["onnxruntime-fp32"]}, limits=LIMITS)
    size = choose(alone).size_mb or 0
    advice, passed = refused_on_size([], size)
    assert not passed and "list int8 candidates (compress.quantize.candidates)" in advice
    both = made({**SPEC, "openvino-int8": (18.0, 1.3, 0, 0)}, limits=LIMITS)
    assert refused_on_size([], choose(both).size_mb or 0)[1]


def test_float32_alone_and_unpruned_loses_nothing(evaluated: Any, tmp_path: Path) -> None:
    """ "Set compress.prune.enabled: false; list onnxruntime-fp32 alone": the bundle is the model."""
    advice = fix(decide(Gates(max_drop=0.02, beat_floor=False), "accuracy", state()), state())
    assert "compress.prune.enabled: false" in advice and "onnxruntime-fp32 alone" in advice
    section = gate_section(tmp_path / "store", evaluated.task, max_drop=0.0, max_size_mb=0.001)
    paths = {
        "bundle": evaluated.bundle, "bundle_metrics": tmp_path / "bundle_metrics",
        "model_metrics": tmp_path / "model_metrics", "examples": evaluated.examples,
        "decision": tmp_path / "decision",
    }  # fmt: skip
    with pytest.raises(GateRefused) as caught:
        gate(section, **paths)
    # Only the size is refused, and the advice that the step prints is enough.
    ((setting, value),) = ADVICE.findall(caught.value.fix)
    assert setting == "gates.max_size_mb"
    section["gates"]["max_size_mb"] = float(value)
    assert gate(section, **paths).metrics["passed"] == 1
    rule = DECISION.read(open_artifact(tmp_path / "decision")).rules[0]
    assert rule.name == "max_drop" and rule.value == 0.0


def test_shorter_rows_are_less_to_compute() -> None:
    """ "Lower task.max_length": what is computed for a row that was cut."""
    row = list(range(60))
    whole, cut = (batches([row[:length]])[0].input_ids.size for length in (60, 32))
    assert cut < whole


def test_a_missing_floor_and_a_strange_champion_have_a_way_out() -> None:
    without = state(floor=[])
    with pytest.raises(ArtifactError) as caught:
        decide(Gates(max_drop=None), "accuracy", without)
    assert "gates.beat_floor: false" in caught.value.fix
    assert decide(Gates(max_drop=None, beat_floor=False), "accuracy", without).passed

    from bertworks.evaluation.predictions import Predictions
    from bertworks.spec import Task

    ours, theirs = (
        Predictions(Task(), ["a", "b"], [name], np.zeros(1, int), np.zeros(1, int)) for name in "xy"
    )
    with pytest.raises(ArtifactError) as caught:
        against_champion(ours, theirs, "accuracy", seed=1)
    assert "gates.beat_champion: false" in caught.value.fix


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"precision": 0.95}, "lower confidence.abstain.precision"),
        ({"coverage": 0.8}, "raise confidence.abstain.coverage"),
    ],
)
def test_only_the_setting_that_the_spec_has_is_named(asked: dict[str, float], said: str) -> None:
    given = state(asked=Confidence.model_validate({"abstain": asked, "calibrate": True}))
    rules = {**OFF, "min_coverage": 0.7, "max_calibration_error": 0.06}
    advice = fix(decide(Gates(**rules), "accuracy", given), given)
    assert said in advice and advice.count("confidence.") == 1
    without = state(asked=Confidence.model_validate({"abstain": asked, "calibrate": False}))
    advice = fix(decide(Gates(**rules), "accuracy", without), without)
    assert "set confidence.calibrate: true" in advice


@pytest.mark.parametrize(
    ("limit", "note", "text", "level"),
    [
        (0.2, "", None, None),
        (
            0.07,
            "met within chance only",
            "is met within chance only: 0.0877 on 300 rows",
            "warning",
        ),
        (0.02, None, None, None),
    ],
)
def test_a_limit_on_calibration_that_chance_meets_is_told(
    limit: float, note: str | None, text: str | None, level: str | None
) -> None:
    given, asked = state(), Gates(**OFF, max_calibration_error=limit)
    found = decide(asked, "accuracy", given)
    assert found.passed == (note is not None)
    assert note is None or note in found.rules[0].note
    told = [(one.text, one.level) for one in notices(found, asked, given)]
    assert len(told) == (text is not None)
    assert text is None or (text in told[0][0] and told[0][1] == level)


@pytest.mark.parametrize(("error", "level"), [(0.165, "warning"), (0.02, "note")])
def test_rows_too_few_for_the_limit_on_calibration_are_named(error: float, level: str) -> None:
    test = SplitConfidence(59, 0.2, error, 0.1493, 0.8)
    given = state(sure=MeasuredConfidence(1.0, {"test": test}))
    asked = Gates(**OFF, max_calibration_error=0.03)
    found = decide(asked, "accuracy", given)
    assert found.passed and "so few rows cannot tell 0.03" in found.rules[0].note
    (told,) = notices(found, asked, given)
    assert told.level == level and told.count == 59
    assert "0.03, but 59 test rows cannot tell it" in told.text and "0.1493" in told.text


def test_a_refusal_tells_the_warnings_about_rules_that_were_met() -> None:
    test = SplitConfidence(59, 0.2, 0.165, 0.1493, 0.8)
    given = state(sure=MeasuredConfidence(1.0, {"test": test}))
    asked = Gates(**OFF, max_calibration_error=0.03, minimum=0.9)
    found = decide(asked, "accuracy", given)
    kept = Version("intents", 1, REFUSED, False, None, "models/intents/1")
    refused = _refusal(kept, found, notices(found, asked, given), fix(found, given))
    assert "- accuracy is 0.8123" in refused.message
    assert "Note: gates.max_calibration_error is 0.03, but 59 test rows" in refused.message
    assert "calibration" not in refused.fix


def test_a_calibration_error_within_chance_is_none() -> None:
    """0.08765, of which 0.02345 is what chance makes of so few rows."""
    rules = {**OFF, "max_calibration_error": 0.065}
    found = decide(Gates(**rules), "accuracy", state())
    assert found.passed and "0.0234 of it is what chance makes of 300 rows" in found.rules[0].note
