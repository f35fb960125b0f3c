"""Metrics against scikit-learn and hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from bertworks.contracts.files import to_json
from bertworks.contracts.metrics import value_of
from bertworks.errors import DataError, SpecError
from bertworks.evaluation import calibration, metrics
from bertworks.evaluation.measures import measure_of
from bertworks.evaluation.predictions import Predictions, decode, load, save
from bertworks.spec import Task

CLASSES = ["a", "b", "c"]


def classified(rows: int = 200, labels: int = 3, seed: int = 0) -> Predictions:
    random = np.random.default_rng(seed)
    truth = random.integers(0, labels, rows)
    # Two decimals, so that some scores are equal.
    raw = np.round(random.random((rows, labels)) + 0.4 * np.eye(labels)[truth], 2) + 0.01
    chances = raw / raw.sum(axis=1, keepdims=True)
    names = CLASSES[:labels]
    return Predictions(
        Task(), names, [f"{n:016x}" for n in range(rows)], truth, chances.argmax(1), chances
    )


def regressed(rows: int = 120) -> Predictions:
    random = np.random.default_rng(3)
    truth = np.round(random.normal(size=rows), 1)
    given_ = np.round(truth + random.normal(size=rows), 1)
    return Predictions(Task(type="regression"), [], [str(n) for n in range(rows)], truth, given_)


def tagged(truth: list[list[str]], prediction: list[list[str]]) -> Predictions:
    labels = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    ids = [str(n) for n in range(len(truth))]
    return Predictions(Task(type="tagging"), labels, ids, truth, prediction)


def values(predictions: Predictions) -> dict[str, float]:
    return {one.name: one.value for one in metrics.score(predictions, 0, 1)}


def sklearn_classification(p: Predictions) -> dict[str, float]:
    area = (
        sk.roc_auc_score(p.truth, p.probabilities[:, 1])
        if len(p.labels) == 2
        else sk.roc_auc_score(p.truth, p.probabilities, multi_class="ovr", average="macro")
    )
    return {
        "accuracy": sk.accuracy_score(p.truth, p.prediction),
        "macro_f1": sk.f1_score(p.truth, p.prediction, average="macro"),
        "micro_f1": sk.f1_score(p.truth, p.prediction, average="micro"),
        "mcc": sk.matthews_corrcoef(p.truth, p.prediction),
        "roc_auc": area,
    }


@pytest.mark.parametrize("labels", [2, 3])
def test_classification_is_scikit_learns(labels: int) -> None:
    p = classified(labels=labels)
    found = values(p)
    assert found.pop("calibration_error") >= 0
    assert found == pytest.approx(sklearn_classification(p))


@pytest.mark.parametrize("labels", [2, 3])
def test_a_resample_gives_the_metric_of_the_rows_that_were_drawn(labels: int) -> None:
    p = classified(rows=90, labels=labels)
    drawn = np.random.default_rng(5).integers(0, 90, 90)
    weights = np.bincount(drawn, minlength=90)[None].astype(float)
    found = {name: one[0] for name, one in measure_of(p)(weights).items()}
    assert found.pop("calibration_error") > 0
    assert found == pytest.approx(sklearn_classification(p.take(drawn)))


def test_calibration_error_by_hand() -> None:
    # Four answers at 0.9, three of them right; two at 0.6, none right.
    sure = np.array([0.9, 0.9, 0.9, 0.9, 0.6, 0.6])
    chances = np.stack([sure, 1 - sure], axis=1)
    p = Predictions(
        Task(), ["a", "b"], list("123456"), np.array([0, 0, 0, 1, 1, 1]), np.zeros(6, int), chances
    )
    expected = 4 / 6 * abs(3 / 4 - 0.9) + 2 / 6 * abs(0 - 0.6)
    assert values(p)["calibration_error"] == pytest.approx(expected)


def told(sure: float, right: float, rows: int = 400) -> list:
    """The notices on an agent that is always as sure, and right so often."""
    truth = (np.arange(rows) >= right * rows).astype(int)
    chances = np.tile([sure, 1 - sure], (rows, 1))
    ids = [str(row) for row in range(rows)]
    p = Predictions(Task(), ["a", "b"], ids, truth, np.zeros(rows, int), chances)
    return calibration.notices(p, values(p)["calibration_error"])


def test_scores_that_are_no_probabilities_are_told_with_what_to_do() -> None:
    (unsure,) = told(sure=0.58, right=0.94)
    assert unsure.level == "warning" and unsure.count == 400
    assert "error 0.36 on 400 rows" in unsure.text and "train longer" in unsure.text
    (too_sure,) = told(sure=0.99, right=0.7)
    assert "label_smoothing: 0.1" in too_sure.text
    assert told(sure=0.9, right=0.88) == []
    assert calibration.notices(regressed(), None) == []


def test_few_rows_are_no_ground_for_a_warning() -> None:
    # Ten rows of a perfectly calibrated agent are off by more than a tenth more often than not.
    random = np.random.default_rng(0)
    sure = random.uniform(0.5, 1.0, (300, 10))
    right = random.random(sure.shape) < sure
    chances = np.stack([sure, 1 - sure], axis=2)
    found = []
    for row in range(len(sure)):
        p = Predictions(
            Task(), ["a", "b"], list("0123456789"), (~right[row]).astype(int), np.zeros(10, int),
            chances[row],
        )  # fmt: skip
        found.append((values(p)["calibration_error"], bool(
            calibration.notices(p, values(p)["calibration_error"]))))  # fmt: skip
    assert np.mean([error > calibration.TOLERATED for error, _ in found]) > 0.8
    assert np.mean([warned for _, warned in found]) < 0.25


def test_one_class_has_no_roc_auc_and_no_rows_is_an_error() -> None:
    p = classified(labels=2)
    one = p.take(np.flatnonzero(p.truth == 1))
    assert "roc_auc" not in values(one)
    with pytest.raises(DataError, match="no rows"):
        metrics.score(p.take(np.array([], int)), 10, 1)


def test_multi_label_is_scikit_learns() -> None:
    random = np.random.default_rng(1)
    truth = random.integers(0, 2, (80, 3))
    chances = random.random((80, 3))
    given_ = (chances > 0.5).astype(int)
    task = Task(multi_label=True)
    p = Predictions(task, CLASSES, [str(n) for n in range(80)], truth, given_, chances)
    assert values(p) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(truth, given_),
            "micro_f1": sk.f1_score(truth, given_, average="micro"),
            "macro_f1": sk.f1_score(truth, given_, average="macro"),
            "roc_auc": sk.roc_auc_score(truth, chances, average="macro"),
        }
    )
    report = to_json(metrics.classification_report(p))["labels"]
    theirs = sk.classification_report(
        truth, given_, target_names=CLASSES, output_dict=True, zero_division=0
    )
    assert report["b"]["f1"] == pytest.approx(theirs["b"]["f1-score"])
    assert report["micro average"]["recall"] == pytest.approx(theirs["micro avg"]["recall"])


def test_regression_is_scipys() -> None:
    from scipy import stats

    p = regressed()
    drawn = np.random.default_rng(2).integers(0, 120, 120)
    weights = np.bincount(drawn, minlength=120)[None].astype(float)
    for rows, found in (
        (p, values(p)),
        (p.take(drawn), {name: one[0] for name, one in measure_of(p)(weights).items()}),
    ):
        assert found == pytest.approx(
            {
                "pearson": stats.pearsonr(rows.truth, rows.prediction)[0],
                "spearman": stats.spearmanr(rows.truth, rows.prediction)[0],
                "mae": sk.mean_absolute_error(rows.truth, rows.prediction),
                "rmse": sk.root_mean_squared_error(rows.truth, rows.prediction),
            }
        )


def test_a_constant_prediction_has_no_correlation() -> None:
    p = regressed()
    flat = Predictions(p.task, [], p.ids, p.truth, np.zeros(len(p)))
    assert set(values(flat)) == {"mae", "rmse"}


def test_tagging_by_hand() -> None:
    truth = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-LOC"]]
    given_ = [["B-PER", "O", "O", "B-LOC"], ["B-LOC", "B-LOC"]]
    found = values(tagged(truth, given_))
    # Entities: 3 true, 4 predicted, 2 right. Tokens: 4 of 6 right.
    assert found["entity_precision"] == pytest.approx(2 / 4)
    assert found["entity_recall"] == pytest.approx(2 / 3)
    assert found["entity_f1"] == pytest.approx(4 / 7)
    assert found["token_f1"] == found["token_accuracy"] == pytest.approx(4 / 6)
    # PER: F1 0. LOC: 2 right of 3 predicted and 2 true.
    assert found["entity_macro_f1"] == pytest.approx((0 + 4 / 5) / 2)
    flat = [tag for row in truth for tag in row], [tag for row in given_ for tag in row]
    assert found["token_macro_f1"] == pytest.approx(sk.f1_score(*flat, average="macro"))


def test_tagging_report_agrees_with_scikit_learn() -> None:
    truth = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-LOC"]]
    given_ = [["B-PER", "O", "O", "B-LOC"], ["B-LOC", "B-LOC"]]
    report = to_json(metrics.classification_report(tagged(truth, given_)))
    theirs = sk.classification_report(
        [tag for row in truth for tag in row],
        [tag for row in given_ for tag in row],
        output_dict=True,
        zero_division=0,
    )
    for tag in ("O", "B-PER", "I-PER", "B-LOC"):
        assert report["labels"][tag]["precision"] == pytest.approx(theirs[tag]["precision"])
        assert report["labels"][tag]["recall"] == pytest.approx(theirs[tag]["recall"])
        assert report["labels"][tag]["support"] == theirs[tag]["support"]
    weighted = report["labels"]["weighted average"]["f1"]
    assert weighted == pytest.approx(theirs["weighted avg"]["f1-score"])
    macro = report["labels"]["macro average"]["f1"]
    assert macro == pytest.approx(theirs["macro avg"]["f1-score"])
    assert set(report["entities"]) >= {"PER", "LOC", "micro average"}
    assert report["entities"]["LOC"] == pytest.approx(
        {"precision": 2 / 3, "recall": 1.0, "f1": 0.8, "support": 2}
    )


def test_confusion_matrix_is_scikit_learns() -> None:
    p = classified()
    found = to_json(metrics.confusion(p))
    assert found == {
        "labels": CLASSES,
        "matrix": sk.confusion_matrix(p.truth, p.prediction).tolist(),
    }
    assert metrics.confusion(regressed()) is None


def test_unknown_metric_names_those_there_are() -> None:
    with pytest.raises(SpecError, match="bleu") as caught:
        value_of(metrics.score(regressed(), 0, 1), "bleu")
    assert "pearson" in caught.value.fix


TAGS = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(TAGS, min_size=1, max_size=9), min_size=1, max_size=6))
def test_right_answers_score_one_and_scores_stay_in_range(rows: list[list[str]]) -> None:
    found = values(tagged(rows, rows))
    assert found["token_f1"] == 1
    has_entity = any(tag != "O" for row in rows for tag in row)
    assert found["entity_f1"] == (1 if has_entity else 0)
    against = values(tagged(rows, [row[::-1] for row in rows]))
    assert all(0 <= value <= 1 for value in against.values())


@pytest.mark.parametrize("kind", ["classes", "many", "numbers", "tags"])
def test_predictions_survive_the_file(kind: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    if kind == "classes":
        before = classified(rows=20)
    elif kind == "numbers":
        before = regressed(rows=20)
    elif kind == "tags":
        before = tagged([["B-PER", "O"], []], [["O", "O"], []])
    else:
        on = np.array([[1, 0, 1], [0, 0, 0]])
        before = Predictions(Task(multi_label=True), CLASSES, ["x", "y"], on, on, on * 0.8 + 0.1)
    save(tmp_path / "p.parquet", before)
    after = load(tmp_path / "p.parquet", before.task, before.labels)
    assert after.ids == before.ids
    assert values(after) == pytest.approx(values(before))


def test_words_without_a_piece_count_as_outside() -> None:
    logits = np.full((4, 3), -5.0)
    logits[1, 1] = 5.0  # [CLS] word word [SEP]: the second word has no piece, the last was cut off
    logits[2, 0] = 5.0
    rows = {
        "id": ["x"],
        "truth": [["B-PER", "B-PER", "O", "B-PER"]],
        "starts": [[1, 2]],
        "kept": [[0, 2]],
    }
    found = decode(Task(type="tagging"), ["O", "B-PER", "I-PER"], rows, [logits])
    assert found.prediction == [["B-PER", "O", "O", "O"]]
    assert values(found)["entity_recall"] == pytest.approx(1 / 3)


def test_regression_answers_come_back_in_the_scores_unit() -> None:
    rows = {"id": ["x", "y"], "truth": [1.0, 3.0]}
    logits = [np.array([-1.0]), np.array([1.0])]
    task = Task(type="regression")
    found = decode(task, [], rows, logits, {"mean": 2.0, "std": 1.0, "min": 1, "max": 3})
    assert found.prediction.tolist() == [1.0, 3.0]


def test_logits_that_do_not_fit_are_refused() -> None:
    rows = {"id": ["x"], "truth": [0]}
    with pytest.raises(DataError, match="2"):
        decode(Task(), ["a", "b"], rows, [np.zeros(3)])
    with pytest.raises(DataError, match="not finite"):
        decode(Task(), ["a", "b"], rows, [np.array([0.0, np.nan])])
