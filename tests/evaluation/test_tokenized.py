"""The run's metric: any that the evaluation has, on the rows that training and quantizing look at."""

import json

import numpy as np
import pytest

from bertworks.evaluation.tokenized import answers_on_tokens, value_on_tokens
from bertworks.spec import Task, metrics_of
from bertworks.spec import file as spec_file
from bertworks.spec.task_kinds import lower_is_better
from bertworks.tasks import for_task
from pipelines.dag import Dag
from pipelines.site import Kubeflow

TASKS = {
    "classification": ({"type": "classification"}, ["a", "b", "c"]),
    "multi_label": ({"type": "classification", "multi_label": True}, ["a", "b", "c"]),
    "tagging": ({"type": "tagging"}, ["O", "B-X", "I-X"]),
    "regression": ({"type": "regression"}, []),
}
SCORE = {"mean": 2.0, "std": 3.0, "min": 0.0, "max": 5.0}


def rows(kind, count=60):
    stream = np.random.default_rng(7)
    if kind == "tagging":
        lengths = stream.integers(4, 9, count)
        targets = [[-100, *stream.integers(0, 3, size - 2).tolist(), -100] for size in lengths]
        # Padding behind a row's tokens, as a batch leaves it, says nothing.
        return targets, [stream.normal(size=(size + 2, 3)) for size in lengths]
    if kind == "regression":
        targets = stream.normal(size=count)
        return targets, (targets + stream.normal(size=count))[:, None]
    if kind == "multi_label":
        return stream.integers(0, 2, (count, 3)), stream.normal(size=(count, 3))
    return stream.integers(0, 3, count), stream.normal(size=(count, 3))


@pytest.mark.parametrize("kind", TASKS)
def test_every_metric_of_the_evaluation_can_be_asked_on_tokens(kind):
    task, labels = TASKS[kind]
    task = Task.model_validate(task)
    targets, logits = rows(kind)
    score = SCORE if kind == "regression" else None
    for metric in metrics_of(task):
        handler = for_task(task, labels, score, metric)
        assert handler.default_metric == metric
        found = handler.metric(None, targets, logits)
        assert found == pytest.approx(value_on_tokens(handler, metric, targets, logits), abs=1e-9)
        assert handler.is_better(None, 0.1, 0.2) == lower_is_better(metric)
    assert len(answers_on_tokens(for_task(task, labels, score), targets, logits)) == len(targets)


def test_a_metric_that_the_rows_do_not_define_is_0():
    handler = for_task(Task(), ["a", "b"], metric="roc_auc")
    assert handler.metric(None, np.zeros(4, int), np.eye(2)[[0, 1, 0, 1]]) == 0.0


def settings_of(folder, text):
    (folder / "rows.csv").write_text("text,label\na,b\n")
    (folder / "spec.yaml").write_text(f"name: one\ndata: {{sources: [{{uri: rows.csv}}]}}\n{text}")
    loaded = spec_file.load(folder / "spec.yaml", [])
    made = Dag(loaded.spec, Kubeflow(str(folder / "store"))).sections()
    return {step: json.loads(section)["settings"] for step, section in made.items()}


STEPS = ("finetune", "evaluate", "evaluate-bundle", "prune", "quantize", "gate")


def test_the_gates_metric_is_that_of_every_step(tmp_path):
    settings = settings_of(tmp_path, "gates: {metric: macro_f1}\n")
    assert {settings[step]["metric"] for step in STEPS} == {"macro_f1"}
    settings = settings_of(tmp_path, "finetune: {metric: mcc}\n")
    assert {settings[step]["metric"] for step in STEPS} == {"accuracy"}
    assert settings["finetune"]["finetune"]["metric"] == "mcc"
