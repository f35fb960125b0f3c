"""The schema's text-aware constraints, and the gate's metric inside TFMA. Needs no tfx."""

import numpy as np
import pytest
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from bertworks.evaluation.measures import measure_of
from bertworks.evaluation.predictions import Predictions
from bertworks.spec import Checks, Task
from bertworks.tasks import for_task
from pipelines.tfx.steps.constraints import constrain
from pipelines.tfx.steps.rows import FIT, PIECES, WORDS


def _inferred(*names):
    schema = schema_pb2.Schema()
    for name in names:
        feature = schema.feature.add(name=name, type=schema_pb2.BYTES)
        feature.value_count.min, feature.value_count.max = 2, 9
        feature.domain = name
        schema.string_domain.add(name=name, value=["b", "a"])
    for name in ("length", WORDS, "row.characters"):
        schema.feature.add(name=name, type=schema_pb2.INT)
    return schema


def _statistics(longest):
    statistics = statistics_pb2.DatasetFeatureStatistics()
    feature = statistics.features.add()
    feature.path.step.append(WORDS)
    feature.num_stats.max = longest
    return statistics


def _constrained(checks, task=None):
    inferred = _inferred("label", "source", "text", FIT, PIECES)
    schema = constrain(inferred, _statistics(40), task or Task(max_length=64), checks)
    return schema, {feature.name: feature for feature in schema.feature}


def test_shares_of_cut_rows_and_unknown_tokens_are_bounded():
    _, found = _constrained(Checks(max_too_long=0.1, max_unknown_tokens=0.03))

    assert list(found[FIT].string_domain.value) == ["whole"]
    assert found[FIT].distribution_constraints.min_domain_mass == pytest.approx(0.9)
    assert list(found[PIECES].string_domain.value) == ["known"]
    assert found[PIECES].distribution_constraints.min_domain_mass == pytest.approx(0.97)


def test_what_is_ignored_is_not_constrained():
    _, found = _constrained(Checks(too_long="ignore", unknown_tokens="ignore"))

    assert not found[FIT].HasField("string_domain")
    assert not found[PIECES].HasField("distribution_constraints")


def test_lengths_are_bounded_by_the_task_and_twice_the_longest_row():
    _, found = _constrained(Checks())

    assert found["length"].int_domain.max == 64
    assert found[WORDS].int_domain.max == 128  # 2 * 40, rounded up


def test_only_labels_keep_their_values_and_lists_may_be_of_any_length():
    schema, found = _constrained(Checks())

    assert list(found["label"].string_domain.value) == ["a", "b"]
    assert not found["source"].WhichOneof("domain_info")
    assert not schema.string_domain
    assert found["text"].value_count.min == 0
    assert not found["text"].value_count.HasField("max")


def test_tensors_have_a_form_of_their_own():
    schema, _ = _constrained(Checks())

    tensors = schema.tensor_representation_group[""].tensor_representation
    assert tensors["length"].WhichOneof("kind") == "dense_tensor"
    assert tensors["label"].WhichOneof("kind") == "varlen_sparse_tensor"


CASES = {
    "classification": (
        Task(),
        [("a", {"label": "a", "scores": {"a": 0.9, "b": 0.1}}),
         ("b", {"label": "a", "scores": {"a": 0.6, "b": 0.4}}),
         ("b", {"label": "b", "scores": {"a": 0.2, "b": 0.8}})],
        Predictions(Task(), ["a", "b"], list("012"), np.array([0, 1, 1]), np.array([0, 0, 1]),
                    np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])),
    ),
    "multi-label": (
        Task(multi_label=True),
        [(["a"], {"labels": ["a", "b"], "scores": {"a": 0.9, "b": 0.7}}),
         ([], {"labels": [], "scores": {"a": 0.1, "b": 0.2}})],
        Predictions(Task(multi_label=True), ["a", "b"], list("01"), np.array([[1, 0], [0, 0]]),
                    np.array([[1, 1], [0, 0]]), np.array([[0.9, 0.7], [0.1, 0.2]])),
    ),
    "regression": (
        Task(type="regression"),
        [(1.0, {"score": 1.5}), (2.0, {"score": 1.0}), (4.0, {"score": 3.0})],
        Predictions(Task(type="regression"), [], list("012"), np.array([1.0, 2.0, 4.0]),
                    np.array([1.5, 1.0, 3.0])),
    ),
    "tagging": (
        Task(type="tagging"),
        [(["O", "B-X"], {"tags": ["O", "B-X"], "scores": [0.9, 0.8]}),
         (["B-X"], {"tags": ["O"], "scores": [0.7]})],
        Predictions(Task(type="tagging"), [], list("01"), [["O", "B-X"], ["B-X"]],
                    [["O", "B-X"], ["O"]], [[0.9, 0.8], [0.7]]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_answers_of_a_server_give_the_same_metrics(name):
    task, pairs, wanted = CASES[name]
    ones = np.ones((1, len(pairs)))

    found = measure_of(for_task(task).of_answers(*map(list, zip(*pairs, strict=True))))(ones)

    expected = measure_of(wanted)(ones)
    assert set(found) == set(expected)
    for metric, value in expected.items():
        np.testing.assert_allclose(found[metric], value, err_msg=metric)


def test_a_label_that_no_model_knows_counts_as_wrong():
    pairs = [("new", {"label": "a", "scores": {"a": 0.9, "b": 0.1}})]

    answers = for_task(Task()).of_answers(*map(list, zip(*pairs, strict=True)))
    assert measure_of(answers)(np.ones((1, 1)))["accuracy"][0] == 0.0
