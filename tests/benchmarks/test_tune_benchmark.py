"""The search's benchmark: every side is scored as the steps score, and the table has the medians."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from tiny_tokens import CLASSIFICATION, finetune_section, make_base, make_tokens

from benchmarks.training_runs import Trained
from benchmarks.tune import Outcome, score, side, table
from bertworks.spec import Task, Tune
from tests.helpers.steps import finetune


@pytest.mark.usefixtures("uncompiled")
def test_a_side_is_scored_as_its_step_scores(tmp_path):
    places = {
        "tokens": make_tokens(tmp_path / "tokens", rows=(96, 32, 16)),
        "base": make_base(tmp_path / "base"),
    }
    section = {**finetune_section(epochs=1)["finetune"], "precision": "float32"}
    given = Trained("run", {"finetune": section}, places)
    task = Task(**CLASSIFICATION)
    plain = side(given, task, None, None, seed=7)
    paths = {"tokens": places["tokens"], "initial": places["base"], "model": tmp_path / "model"}
    result = finetune({"task": CLASSIFICATION, "finetune": {**section, "seed": 7}}, **paths)
    assert plain.validation == result.metrics["validation_accuracy"] and plain.trials == 1
    assert plain.test == score(tmp_path / "model", places["tokens"], "test", task, None)
    random = Tune.model_validate({"trials": 2, "sampler": "random", "soup": 1})
    searched = side(given, task, None, random, seed=7)
    assert searched.trials == 2 and searched.validation >= plain.validation


def test_the_table_has_the_medians_of_each_side():
    def outcomes(*values: float) -> list[Outcome]:
        return [Outcome(value + 0.1, value, 60.0, 5) for value in values]

    found = {
        "default settings": outcomes(0.5, 0.6, 0.7),
        "random settings": outcomes(0.6, 0.7, 0.7),
        "search": outcomes(0.7, 0.9, 0.8),
    }
    result = table(found, "run-1", "accuracy", 10, [1, 2, 3])
    assert [(row.peer, row.what) for row in result.rows] == [
        (peer, f"{split}, accuracy")
        for peer in ("default settings", "random settings")
        for split in ("validation", "test")
    ]
    tested = result.rows[1]
    assert (tested.own, tested.peer_value, tested.rounds) == (0.8, 0.6, 3)
    assert "5 trials in 60 s" in tested.note and "accuracy" in result.markdown()
