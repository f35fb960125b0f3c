"""Temperature, thresholds and sets: what is fitted on one half holds on the other."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bertworks.contracts.confidence import Calibration
from bertworks.errors import ArtifactError
from bertworks.evaluation.confidence import fitting, measuring
from bertworks.evaluation.predictions import decode
from bertworks.runtime import confidence
from bertworks.spec import Confidence, Task
from bertworks.spec.confidence import Abstain
from bertworks.tasks import for_task
from bertworks.tasks.measuring import softmax

LABELS = [f"label {number}" for number in range(6)]
MULTI = Task(multi_label=True)
TAGGING = Task(type="tagging")
FEATURES = st.floats(-8, 8, width=32)


def drawn(temperature: float, rows: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose probabilities are true once they are divided by the temperature."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (rows, len(LABELS)))
    chances = softmax(logits / temperature)
    return logits, (chances.cumsum(axis=1) > random.random((rows, 1))).argmax(axis=1)


@pytest.mark.parametrize("known", [0.3, 0.7, 1.0, 1.8, 4.0])
def test_a_known_temperature_is_found_and_the_error_falls_on_other_rows(known: float) -> None:
    found = fitting.temperature(*drawn(known))
    assert found == pytest.approx(known, rel=0.1)
    logits, truth = drawn(known, seed=1)
    before = measuring.calibration_error((logits, truth))
    after = measuring.calibration_error((logits / found, truth))
    assert after < 0.03 and (before > after + 0.02 or 0.6 < known < 1.3)


def test_a_temperature_is_the_likeliest_one() -> None:
    logits, truth = drawn(1.7, rows=300)
    found = fitting.temperature(logits, truth)
    spared = 1 / (len(truth) + 2)

    def loss(temperature: float) -> float:
        chances = np.log(softmax(logits / temperature))
        true = chances[np.arange(len(truth)), truth]
        return float(-((1 - spared) * true + spared * chances.mean(axis=1)).sum())

    assert all(loss(found) < loss(found * factor) for factor in (0.97, 1.03))


def test_a_temperature_that_calibrates_worse_on_other_rows_is_not_kept() -> None:
    logits, truth = drawn(2.5)
    assert fitting.kept_temperature(logits, truth) == fitting.temperature(logits, truth)
    # Few rows of scores that are chances already: what is fitted to them is fitted to their noise.
    kept = [fitting.kept_temperature(*drawn(1.0, rows=40, seed=seed)) for seed in range(20)]
    fitted = [fitting.temperature(*drawn(1.0, rows=40, seed=seed)) for seed in range(20)]
    left = [place for place, one in enumerate(kept) if one == 1.0]
    assert len(left) >= 5 and all(kept[n] in (1.0, fitted[n]) for n in range(20))
    assert fitting.kept_temperature(logits[:3], truth[:3]) == fitting.temperature(
        logits[:3], truth[:3]
    )


def test_rows_that_are_all_right_leave_a_temperature() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 1.0]] * 5)
    found = fitting.temperature(logits, np.array([0, 1] * 5))
    assert fitting.COLDEST < found < 1
    assert fitting.temperature(np.zeros((0, 3)), np.zeros(0, int)) == 1.0
    assert fitting.temperature(np.ones((4, 1)), np.zeros(4, int)) == 1.0


@settings(max_examples=200, deadline=None)
@given(arrays(np.float32, (3, 5), elements=FEATURES), st.floats(fitting.COLDEST, fitting.HOTTEST))
def test_no_temperature_changes_what_is_answered(logits: np.ndarray, temperature: float) -> None:
    over = confidence.scaled(logits, temperature)
    assert (over.argmax(axis=1) == logits.argmax(axis=1)).all()
    labels = LABELS[:5]
    before, after = (for_task(MULTI, labels).decode(one) for one in (logits, over))
    assert [one["labels"] for one in before] == [one["labels"] for one in after]
    starts = [[0, 1, 2]]
    tags = [for_task(TAGGING, labels).decode([one], starts)[0]["tags"] for one in (logits, over)]
    first = [[one["label"] for one in for_task(Task(), labels).decode(x)] for x in (logits, over)]
    # Logits as near as a bit of float32 may be equally likely in float64: then the first is given.
    sorted_ = np.sort(logits, axis=1)
    if (np.abs(sorted_[:, -1] - sorted_[:, -2]) > 1e-6).all():
        assert first[0] == first[1] and tags[0] == tags[1]


def test_how_sure_is_what_the_evaluation_says() -> None:
    random = np.random.default_rng(3)
    logits = random.normal(0, 2, (7, 6))
    cases = [
        (Task(), {"truth": [0] * 7}, list(logits), None),
        (MULTI, {"truth": [[0] * 6] * 7}, list(logits), None),
        (TAGGING, {"truth": [["label 0"] * 4], "starts": [[1, 3, 4]], "kept": [[0, 1, 3]]},
         [logits], [[1, 3, 4]]),
    ]  # fmt: skip
    for task, rows, said, starts in cases:
        handler = for_task(task, LABELS)
        ids = [str(row) for row in range(len(said))]
        answers = decode(task, LABELS, {"id": ids, **rows}, said)
        sure = handler.sureness(handler.decode(said, starts))
        np.testing.assert_allclose(sure, answers.confidence())


def test_choices_are_the_decisions_that_the_tasks_make() -> None:
    logits = np.random.default_rng(4).normal(0, 2, (5, 6))
    truth = [0, 5, -100, 2, 2]
    found = for_task(Task(), LABELS).choices({"truth": truth}, list(logits))
    assert found is not None and len(found[0]) == 4 and found[1].tolist() == [0, 5, 2, 2]
    several = np.eye(6, dtype=int)[[0, 1, 2, 3, 4]]
    wide, true = for_task(MULTI, LABELS).choices({"truth": several}, list(logits)) or ()
    np.testing.assert_allclose(softmax(wide)[:, 1], 1 / (1 + np.exp(-logits.reshape(-1))))
    assert true.sum() == 5 and len(true) == 30
    rows = {"truth": [["label 1", "label 2", "new"]], "starts": [[1, 3]], "kept": [[0, 2]]}
    wide, true = for_task(TAGGING, LABELS).choices(rows, [logits]) or ()
    assert true.tolist() == [1] and (wide == logits[1]).all()
    number = for_task(Task(type="regression")).choices({"truth": [1.0]}, [np.ones(1)])
    assert number is None


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 400), st.integers(0, 9), st.floats(0.02, 0.99))
def test_what_is_asked_is_reached_on_the_rows_that_chose(
    rows: int, seed: int, asked: float
) -> None:
    random = np.random.default_rng(seed)
    sure = random.random(rows).round(2)  # some are equal
    right = random.random(rows) < sure
    least = fitting.least_sure(sure, right, Abstain(coverage=asked))
    assert (sure >= least).mean() >= asked - 1e-9
    assert (sure > least).mean() < asked
    least = fitting.least_sure(sure, right, Abstain(precision=asked))
    kept = sure >= least
    shares = [right[sure >= one].mean() for one in np.unique(sure)]
    if least == fitting.NEVER:
        assert not kept.any() and max(shares) < asked
    else:
        assert right[kept].mean() >= asked
        assert all(right[sure >= one].mean() < asked for one in np.unique(sure) if one < least)
    refused = fitting.least_scope(sure, asked)
    assert (sure < refused).mean() <= asked + 1e-9


def test_rows_that_are_out_of_scope_are_never_confident() -> None:
    sure = np.array([-np.inf, 0.9, 0.8, 0.7])
    right = np.array([False, True, True, False])
    assert fitting.least_sure(sure, right, Abstain(coverage=0.99)) == 0.0
    assert fitting.least_sure(sure, right, Abstain(precision=0.6)) == 0.7
    known = Calibration(4, confident_from=0.0, in_scope_from=1.0)
    read = confidence.Read([np.array([5.0, 0.0]), np.zeros(2)], np.array([2.0, 0.5]))
    found = confidence.marks(known, np.array([0.9, 0.9]), read)
    assert found.confident is not None and found.confident.tolist() == [True, False]
    assert dict(found.fields(["a", "b"])) == {
        "confident": [True, False], "out_of_scope": [False, True]
    }  # fmt: skip


@pytest.mark.parametrize("wanted", [0.8, 0.9, 0.95])
def test_sets_hold_the_true_label_as_often_as_asked(wanted: float) -> None:
    """The guarantee is of the mean over draws: wanted to wanted + 1 / (n + 1), and what is added."""
    random = np.random.default_rng(5)
    held = []
    for _ in range(300):
        logits = random.normal(0, 1.5, (240, 6))
        # Scores that are no probabilities: the guarantee asks only that rows be exchangeable.
        truth = (softmax(logits * 0.4).cumsum(axis=1) > random.random((240, 1))).argmax(axis=1)
        chances = softmax(logits)[np.arange(240), truth]
        least = fitting.least_in_set(chances[:99], wanted)
        held.append((chances[99:] >= least).mean())
        sets = confidence.label_sets(logits[99:], least)
        assert sets[np.arange(141), logits[99:].argmax(axis=1)].all()
    noise = 4 * np.std(held) / math.sqrt(len(held))
    assert wanted - noise <= np.mean(held) <= wanted + 1 / 100 + noise


def test_too_few_rows_put_every_label_into_a_set() -> None:
    assert fitting.least_in_set(np.array([0.5, 0.9]), 0.9) == 0.0
    told = fitting.notices(Calibration(2, asked=Confidence(conformal=0.9), set_from=0.0))
    assert any("Every label is in every set" in one.text for one in told)
    assert fitting.notices(Calibration(2)) == fitting.notices(None) == []
    never = Calibration(
        500, asked=Confidence(abstain=Abstain(precision=0.99)), confident_from=fitting.NEVER
    )
    (told_never,) = fitting.notices(never)
    assert "right 99% of the time" in told_never.text


def test_the_whole_calibration_of_a_task() -> None:
    logits, truth = drawn(2.0, rows=2000)
    handler = for_task(Task(), LABELS)
    asked = Confidence(abstain=Abstain(precision=0.9), out_of_scope=0.05, conformal=0.9)
    scope = np.random.default_rng(9).random(2000)
    found = fitting.calibrated(handler, truth, list(logits), asked, scope)
    assert found is not None and found.rows == 2000 and found.asked == asked
    over = confidence.scaled(logits, found.temperature)
    read = confidence.Read(list(over), scope)
    said = confidence.marks(found, softmax(over).max(axis=1), read)
    assert said.confident is not None and said.out_of_scope is not None and said.sets is not None
    right = over.argmax(axis=1) == truth
    assert right[said.confident].mean() >= 0.9
    assert said.out_of_scope.mean() == pytest.approx(0.05)
    assert not (said.confident & said.out_of_scope).any()
    assert said.sets[np.arange(2000), truth].mean() >= 0.9
    plain = fitting.calibrated(handler, truth, list(logits), Confidence(calibrate=False))
    assert plain == Calibration(2000, asked=Confidence(calibrate=False))
    assert confidence.names(plain) == [] == confidence.names(None)
    number = for_task(Task(type="regression"), (), {"mean": 0.0, "std": 1.0})
    assert fitting.calibrated(number, np.ones(3), list(np.ones((3, 1))), Confidence()) is None


def test_the_risk_coverage_curve_by_hand() -> None:
    found = measuring.curve(np.array([0.2, 0.9, 0.5, 0.7]), np.array([False, True, False, True]))
    assert [one.coverage for one in found] == [0.25, 0.5, 0.75, 1.0]
    assert [one.accuracy for one in found] == pytest.approx([1.0, 1.0, 2 / 3, 0.5])
    assert len(measuring.curve(np.random.default_rng(0).random(999), np.ones(999, bool))) == 50
    assert measuring.curve(np.zeros(0), np.zeros(0, bool)) == []


def test_out_of_scope_is_measured_against_the_test_rows() -> None:
    outside, inside = np.array([0.0, 1.0, 5.0]), np.array([4.0, 6.0])
    found = measuring.out_of_scope(outside, inside, 3.0, ["a", "b", "a"])
    assert found.rows == 3 and found.recall == pytest.approx(2 / 3)
    assert found.auroc == pytest.approx(5 / 6)
    assert [(one.uri, one.rows, one.recall) for one in found.sources] == [
        ("a", 2, 0.5), ("b", 1, 1.0)
    ]  # fmt: skip


def test_scope_scores_are_mahalanobis_distances_to_the_nearest_label() -> None:
    random = np.random.default_rng(8)
    mixing = random.normal(0, 1, (4, 4))
    centres = np.array([[0.0, 0, 0, 0], [6, 0, 0, 0], [0, 6, 6, 0]])
    labels = random.integers(0, 3, 3000)
    vectors = (centres[labels] + random.normal(0, 1, (3000, 4))) @ mixing
    scope = confidence.Scope(fitting.scope_matrix(vectors, labels))
    assert scope.width == 4
    means = np.stack([vectors[labels == one].mean(axis=0) for one in range(3)])
    inverse = np.linalg.inv(np.cov((vectors - means[labels]).T))
    asked = np.concatenate([vectors[:20], random.normal(0, 9, (20, 4))])
    apart = asked[:, None] - means[None]
    expected = -np.einsum("nkd,de,nke->nk", apart, inverse, apart).min(axis=1)
    np.testing.assert_allclose(scope.scores(asked), expected, rtol=0.05, atol=0.05)
    alone = [scope.scores(row[None])[0] for row in asked]
    np.testing.assert_allclose(alone, scope.scores(asked), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rows", [3, 12])
def test_a_scope_of_few_rows_tells_what_is_far(rows: int) -> None:
    """Fewer rows than the vector has numbers, and one label of a single row."""
    random = np.random.default_rng(1)
    vectors = random.normal(0, 1, (rows, 40))
    scope = confidence.Scope(fitting.scope_matrix(vectors, np.array([1, *[0] * (rows - 1)])))
    near, far = scope.scores(vectors), scope.scores(vectors + 50.0)
    assert np.isfinite(near).all() and near.min() > far.max()


def test_a_vector_stands_behind_the_logits() -> None:
    logits, vectors = confidence.parted([np.arange(5.0), np.arange(5.0) + 1], 2, 3)
    assert [row.tolist() for row in logits] == [[0, 1], [1, 2]]
    assert vectors.tolist() == [[2, 3, 4], [3, 4, 5]]
    assert confidence.parted([], 2, 3)[1].shape == (0, 3)
    with pytest.raises(ValueError, match="are not 2 logits and 4 more"):
        confidence.parted([np.arange(5.0)], 2, 4)


def test_a_scope_that_is_damaged_is_refused_by_its_file(tmp_path: Path) -> None:
    for content in (None, b"no array", np.ones((2, 3), np.float32)):
        if isinstance(content, bytes):
            (tmp_path / "scope.npy").write_bytes(content)
        elif content is not None:
            np.save(tmp_path / "scope.npy", content)
        with pytest.raises(ArtifactError, match=r"scope\.npy cannot be read") as caught:
            confidence.Scope.load(tmp_path)
        assert "quantize" in caught.value.fix
