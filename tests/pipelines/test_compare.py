"""`bertworks runs compare`, `list` and `show` of runs on this machine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.errors import ArtifactError
from bertworks.evaluation import predictions
from bertworks.evaluation.pairing import Evaluated, pair
from bertworks.evaluation.predictions import Predictions
from bertworks.spec import Task
from bertworks.storage import artifacts
from bertworks.storage.artifacts import open_artifact
from pipelines.local import compared, sides
from pipelines.local.sides import Side, StepTime

Bertworks = Callable[..., subprocess.CompletedProcess[str]]
TASK = Task()
LABELS = ["bad", "good"]
NOWHERE = {"KUBECONFIG": "", "KFP_HOST": "", "HOME": "/nonexistent"}


def answered(
    folder: Path, right: list[bool], task: Task = TASK, ids: str = "r", labels: list[str] = LABELS
) -> Evaluated:
    """What an evaluation keeps of an agent that is right on some rows."""
    truth = np.arange(len(right)) % 2
    given_ = np.where(right, truth, 1 - truth)
    found = Predictions(task, labels, [f"{ids}{row}" for row in range(len(right))], truth, given_)
    with artifacts.write(folder, kind="metrics", producer="evaluate") as place:
        predictions.save(place / "predictions.parquet", found)
    return Evaluated(open_artifact(folder), task, labels)


def test_what_lies_beyond_chance_is_told_from_what_does_not(tmp_path: Path) -> None:
    worse = answered(tmp_path / "a", [row % 4 > 0 for row in range(200)])
    better = answered(tmp_path / "b", [row % 10 > 0 for row in range(200)])
    found = pair(worse, better)
    (accuracy,) = (one for one in found.scores if one.metric == "accuracy")
    assert (accuracy.first, accuracy.second) == (0.75, 0.9)
    assert accuracy.difference == pytest.approx(0.15)
    assert 0 < accuracy.low < 0.15 < accuracy.high and accuracy.better == "second"
    assert found.rows == found.first_rows == found.second_rows == 200
    again = pair(better, worse)
    assert [one.better for one in again.scores if one.metric == "accuracy"] == ["first"]
    same = pair(worse, worse)
    assert same.changed == 0 and {one.better for one in same.scores} == {None}


def test_only_rows_that_both_answered_count(tmp_path: Path) -> None:
    first = answered(tmp_path / "a", [True] * 30 + [False] * 10)
    second = answered(tmp_path / "b", [True] * 30)
    found = pair(first, second)
    assert (found.rows, found.first_rows, found.second_rows) == (30, 40, 30)
    assert {one.first for one in found.scores if one.metric == "accuracy"} == {1.0}


def test_what_cannot_be_compared_says_why(tmp_path: Path) -> None:
    first = answered(tmp_path / "a", [True] * 9)
    elsewhere = answered(tmp_path / "b", [True] * 9, ids="other")
    with pytest.raises(ArtifactError, match="other rows"):
        pair(first, elsewhere)
    scores = replace(elsewhere, task=Task(type="regression"))
    with pytest.raises(ArtifactError, match="other tasks: classification and regression"):
        pair(first, scores)
    sides_ = [
        Side(name, "agent", "succeeded", evaluated={"bundle": one}, values={"bundle": {"f": 1.0}})
        for name, one in (("a", first), ("b", elsewhere))
    ]
    (told,) = compared.compare(*sides_).scores
    assert told.paired is None and "other rows" in told.why and told.first == {"f": 1.0}
    bare = replace(sides_[1], evaluated={})
    (told,) = compared.compare(sides_[0], bare).scores
    assert told.why == "no answers row by row of the bundle of b"


def test_labels_that_one_alone_knows_are_named(tmp_path: Path) -> None:
    first = answered(tmp_path / "a", [True] * 20)
    second = answered(tmp_path / "b", [True] * 20, labels=["bad", "good", "neutral"])
    found = pair(first, second)
    assert (found.only_first, found.only_second) == ([], ["neutral"])
    assert {one.better for one in found.scores} == {None}


Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)
Specs = st.dictionaries(st.text("abc", min_size=1), Json, max_size=4)


@given(Specs, Specs)
def test_specs_differ_where_values_do(first: dict[str, Any], second: dict[str, Any]) -> None:
    def settings(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
        found = compared.compare(
            Side("a", "x", "succeeded", spec=one), Side("b", "x", "succeeded", spec=other)
        )
        return {each.key: (each.first, each.second) for each in found.settings or []}

    assert settings(first, first) == {}
    there = settings(first, second)
    assert all(one != other for one, other in there.values())
    assert settings(second, first) == {key: pair_[::-1] for key, pair_ in there.items()}


def test_boxes_stand_in_the_order_of_the_dag() -> None:
    took = StepTime(1.0, "succeeded")
    first = Side("a", "x", "succeeded", steps=dict.fromkeys(["ingest", "finetune", "gate"], took))
    second = Side("b", "x", "succeeded", steps=dict.fromkeys(["ingest", "tune", "finetune"], took))
    found = compared.compare(first, second).times
    assert [one.step for one in found] == ["ingest", "tune", "finetune", "gate"]
    assert [one.first for one in found] == [took, None, took, took]


@pytest.mark.parametrize(
    ("run_id", "here"),
    [
        ("20261126-190922-tiny", True), ("20261126", True), ("20261126-1909", True),
        ("00000249", False), ("latest", False), ("20261126-1909-4abc-8def-001122334455", False),
        ("a0b1c2d3-1909-4abc-8def-001122334455", False),
    ],
)  # fmt: skip
def test_ids_of_both_places_are_told_apart(run_id: str, here: bool) -> None:
    assert sides.is_of_this_machine(run_id) is here


def test_two_runs_side_by_side(tiny_run: tuple[Path, Any], bertworks: Bertworks) -> None:
    folder, _ = tiny_run
    for limit in ("0.3", "0.29"):
        again = bertworks("run", "spec.yaml", "--set", f"gates.max_drop={limit}", cwd=folder)
        assert again.returncode == 0, again.stderr
    # The two that were just made: what other tests do to earlier ones does not matter here.
    runs = sorted(one.name for one in (folder / ".bertworks/runs").iterdir())[-2:]
    asked = ("runs", "compare", runs[0], "latest")
    shown = bertworks(*asked, cwd=folder, environment=NOWHERE)
    assert shown.returncode == 0, shown.stderr
    for wanted in (runs[0], runs[-1], "gates.max_drop", "0.3", "0.29", "rows that both answered",
                   "size, MB", "finetune"):  # fmt: skip
        assert wanted in shown.stdout
    found = json.loads(bertworks(*asked, "--json", cwd=folder, environment=NOWHERE).stdout)
    assert [one["key"] for one in found["settings"]] == ["gates.max_drop"]
    assert found["metric"] == "accuracy"
    bundle, model = found["scores"]
    assert (bundle["of"], model["of"]) == ("bundle", "model")
    assert model["paired"]["changed"] == 0
    assert found["speeds"][0]["first"]["size_mb"] > 0
    # A version is its bundle in the store, with the run that made it.
    version = bertworks("runs", "compare", "tiny/latest", runs[0], "--json", cwd=folder,
                        environment=NOWHERE)  # fmt: skip
    assert version.returncode == 0, version.stderr
    kept = json.loads(version.stdout)
    assert kept["first"]["id"].startswith("tiny/") and kept["first"]["lacks"] == []
    assert kept["scores"][0]["paired"]["rows"] == bundle["paired"]["rows"]
    assert kept["times"]


def test_runs_of_this_machine_are_listed_and_shown(
    tiny_run: tuple[Path, Any], bertworks: Bertworks
) -> None:
    folder, _ = tiny_run
    listed = bertworks("runs", "list", "--json", cwd=folder, environment=NOWHERE)
    assert listed.returncode == 0, listed.stderr
    lines = json.loads(listed.stdout)
    names = sorted((one.name for one in (folder / ".bertworks/runs").iterdir()), reverse=True)
    assert [one["id"] for one in lines] == names
    assert names[0] in bertworks("runs", "list", "tiny", cwd=folder, environment=NOWHERE).stdout
    assert (
        "no runs of nobody"
        in bertworks("runs", "list", "nobody", cwd=folder, environment=NOWHERE).stdout
    )
    # With its day an id is of this machine, whatever cluster is named.
    elsewhere = {"KFP_HOST": "http://127.0.0.1:1"}
    shown = bertworks("runs", "show", names[-1], cwd=folder, environment=elsewhere)
    assert "finetune" in shown.stdout, shown.stderr
    wrong = bertworks("runs", "show", "20200101", cwd=folder, environment=NOWHERE)
    assert wrong.returncode == 1 and names[0] in wrong.stderr
    unknown = bertworks("runs", "compare", "20200101", "other/1", cwd=folder, environment=NOWHERE)
    assert unknown.returncode == 1 and names[0] in unknown.stderr
