"""Distillation: its losses, the teacher's kept answers, and that a student does learn."""

import numpy as np
import pytest
import tensorflow as tf

from bertworks.models import ops
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import all_shapes, initialize
from bertworks.models.model import BertModel, build, get_weights
from bertworks.spec import Prune, Task
from bertworks.storage.checkpoints import Checkpoints
from bertworks.tasks import for_task
from bertworks.text.ragged import Ragged
from bertworks.training.objectives import distillation
from bertworks.training.objectives.distillation import Split
from bertworks.training.objectives.labelled import LabelledFeed, Predictor
from bertworks.training.rows import LabelledRows

pytestmark = pytest.mark.usefixtures("uncompiled")
LABELS = ["a", "b"]
TASKS = {
    "classification": Task(),
    "multi-label": Task(multi_label=True),
    "regression": Task(type="regression"),
    "tagging": Task(type="tagging"),
}


def config(neurons: int) -> EncoderConfig:
    return EncoderConfig(
        vocab_size=30, hidden_size=16, num_heads=(2, 1), head_size=8,
        intermediate_sizes=(neurons, 0), max_positions=16,
    )  # fmt: skip


def model(head: Head, neurons: int, seed: int) -> BertModel:
    weights = initialize(all_shapes(config(neurons), head), seed)
    loud = {name: 10 * array if array.ndim == 2 else array for name, array in weights.items()}
    return build(config(neurons), head, loud)


def ragged(rows: list[np.ndarray]) -> Ragged:
    return Ragged(np.concatenate(rows), np.cumsum([0, *(len(row) for row in rows)]))


def rows(task: Task, count: int = 40, seed: int = 0) -> LabelledRows:
    random = np.random.default_rng(seed)
    ids = [random.integers(1, 30, random.integers(3, 12)) for _ in range(count)]
    targets: object = np.array([int(row[1] > 15) for row in ids], np.int32)
    if task.type == "regression":
        targets = random.standard_normal(count).astype(np.float32)
    elif task.type == "tagging":
        targets = ragged([np.where(row % 3 == 0, -100, row % 2) for row in ids])
    elif task.multi_label:
        targets = random.integers(0, 2, (count, 2)).astype(np.int8)
    return LabelledRows([str(row) for row in range(count)], ragged(ids), None, targets)


def settings(**more: object) -> Prune:
    return Prune.model_validate(
        {"epochs": 3, "batch_size": 8, "learning_rate": 3e-3, "precision": "float32"} | more
    )


@pytest.mark.parametrize("name", TASKS)
def test_the_soft_loss_is_least_where_student_and_teacher_agree(name: str) -> None:
    task = TASKS[name]
    random = np.random.default_rng(1)
    shape = {"regression": (4, 1), "tagging": (4, 5, 2)}.get(name, (4, 2))
    teacher = tf.constant(random.standard_normal(shape), tf.float32)
    targets = tf.constant(random.integers(0, 2, (4, 5)), tf.int32)
    loss = distillation.soft_loss(task, temperature=3.0)
    assert float(loss(teacher, teacher, targets)) == pytest.approx(0.0, abs=1e-5)
    for _ in range(5):
        other = teacher + tf.constant(random.standard_normal(shape), tf.float32)
        assert float(loss(other, teacher, targets)) > 1e-3


def test_the_soft_loss_of_tagging_reads_first_pieces_alone() -> None:
    loss = distillation.soft_loss(TASKS["tagging"], 1.0)
    student, teacher = tf.zeros((1, 2, 2)), tf.constant([[[0.0, 0.0], [9.0, 0.0]]])
    assert float(loss(student, teacher, tf.constant([[1, -100]]))) == pytest.approx(0.0, abs=1e-6)
    assert float(loss(student, teacher, tf.constant([[-100, 1]]))) > 0.5


def test_the_soft_loss_equals_the_divergence_by_hand() -> None:
    student, teacher = np.array([[1.0, -1.0]]), np.array([[0.5, 2.0]])
    known = np.exp(teacher / 2) / np.exp(teacher / 2).sum()
    given = np.exp(student / 2) / np.exp(student / 2).sum()
    wanted = 4 * (known * np.log(known / given)).sum()
    loss = distillation.soft_loss(Task(), 2.0)
    found = loss(tf.constant(student, tf.float32), tf.constant(teacher, tf.float32), tf.zeros(1))
    assert float(found) == pytest.approx(wanted, rel=1e-5)


def test_the_hidden_distance_ignores_padding_and_is_one_for_a_silent_student() -> None:
    teacher = tf.constant(np.random.default_rng(0).standard_normal((2, 3, 2, 4)), tf.float32)
    mask = tf.constant([[1, 1, 0], [1, 1, 1]])
    student = [teacher[:, :, layer] for layer in range(2)]
    padding = 5.0 * (1.0 - tf.cast(mask, tf.float32))[:, :, tf.newaxis]
    noisy = [state + padding for state in student]
    assert float(distillation.hidden_distance(noisy, teacher, mask)) == pytest.approx(0.0)
    silent = [tf.zeros_like(state) for state in student]
    assert float(distillation.hidden_distance(silent, teacher, mask)) == pytest.approx(1.0)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_hidden_distance_has_the_slope_that_differences_have(compiled: bool) -> None:
    random = np.random.default_rng(0)
    state, goal, way = (tf.constant(random.standard_normal((2, 3, 4)), tf.float32) for _ in "123")
    mask = tf.constant([[1, 1, 0], [1, 1, 1]])

    def distance_of(given: tf.Tensor) -> tf.Tensor:
        with ops.compiled(compiled):
            return ops.relative_distance(given, tf.cast(goal, tf.float16), mask)

    with tf.GradientTape() as tape:
        tape.watch(state)
        value = 3.0 * distance_of(state)
    slope = float(tf.reduce_sum(tape.gradient(value, state) * way))
    ahead, behind = (float(3.0 * distance_of(state + step * way)) for step in (1e-2, -1e-2))
    assert slope == pytest.approx((ahead - behind) / 2e-2, rel=1e-3)


@pytest.mark.parametrize("name", TASKS)
def test_kept_answers_give_the_same_loss_as_asking_each_time(name: str) -> None:
    task = TASKS[name]
    head = for_task(task, LABELS).head()
    teacher, student, data = model(head, 24, 1), model(head, 8, 2), rows(task)
    feed = LabelledFeed(data, task, 8, seed=0)
    taught = distillation.TaughtFeed(feed, distillation.answers(teacher, data))
    asking = distillation.objective(task, settings(), teacher)
    reading = distillation.objective(task, settings(), None)
    seed = tf.constant([0, 0])
    (first,) = feed.parts(feed.steps(0)[0], 0, 0, 1)
    (second,) = taught.parts(taught.steps(0)[0], 0, 0, 1)
    assert second.count == first.count
    wanted = float(asking(student, first.arrays, seed))
    assert float(reading(student, second.arrays, seed)) == pytest.approx(wanted, rel=2e-3)
    assert len(taught.parts(taught.steps(0)[0], 0, 0, 3)) == 3


def distance(student: BertModel, teacher: BertModel, data: LabelledRows) -> float:
    pairs = zip(Predictor(student).logits(data), Predictor(teacher).logits(data), strict=True)
    return float(np.mean([np.square(one - other).mean() for one, other in pairs]))


@pytest.mark.parametrize("kept_bytes", [10**9, 0])
def test_a_student_comes_nearer_to_its_teacher(kept_bytes: int) -> None:
    handler = for_task(Task(), LABELS)
    teacher, student = model(handler.head(), 24, 1), model(handler.head(), 8, 2)
    split = Split(rows(Task(), 64), rows(Task(), 32, seed=5))
    before = distance(student, teacher, split.validation)
    kept = get_weights(teacher)
    state = distillation.distill(
        student, teacher, split, handler, settings(epochs=6), kept_bytes=kept_bytes
    )
    assert distance(student, teacher, split.validation) < 0.7 * before
    assert state.step == 6 * 8 and state.best is not None
    names = {(point.split, point.name) for point in state.points}
    averaged = ("validation, averaged", "accuracy")
    assert names == {("train", "loss"), ("validation", "accuracy"), averaged}
    assert all((array == kept[name]).all() for name, array in get_weights(teacher).items())


def test_a_killed_distillation_resumes_to_the_same_weights(tmp_path, monkeypatch) -> None:
    handler = for_task(Task(), LABELS)
    split = Split(rows(Task(), 32), rows(Task(), 16, seed=5))
    wanted = settings(epochs=2, checkpoint_steps=1)

    def distilled(folder) -> dict[str, np.ndarray]:
        teacher, student = model(handler.head(), 24, 1), model(handler.head(), 8, 2)
        with Checkpoints(folder) as checkpoints:
            distillation.distill(student, teacher, split, handler, wanted, checkpoints=checkpoints)
        return get_weights(student)

    undisturbed = distilled(tmp_path / "one")
    parts = distillation.TaughtFeed.parts
    calls = []

    def dies(self, item, epoch, number, count):
        calls.append(number)
        if len(calls) > 5:
            raise KeyboardInterrupt
        return parts(self, item, epoch, number, count)

    monkeypatch.setattr(distillation.TaughtFeed, "parts", dies)
    with pytest.raises(KeyboardInterrupt):
        distilled(tmp_path / "two")
    monkeypatch.setattr(distillation.TaughtFeed, "parts", parts)
    resumed = distilled(tmp_path / "two")
    for name, array in undisturbed.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)
