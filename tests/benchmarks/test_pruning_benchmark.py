"""The pruning benchmark: its peers' students, and how points are compared with curves."""

import numpy as np
import pytest

from benchmarks import pruning, pruning_students
from benchmarks.pruning import DENSE, MAGNITUDE, OURS, Point
from benchmarks.pruning_agents import Agent
from benchmarks.pruning_training import Classroom, Trained
from bertworks.compression.pruning.latency import LatencyTable, LayerTimes, Shape, Subject
from bertworks.compression.pruning.shrink import Model
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import all_shapes, initialize
from bertworks.models.model import build
from bertworks.spec import Prune, Task
from bertworks.tasks import for_task
from bertworks.text.ragged import Ragged
from bertworks.training.rows import LabelledRows
from tests.helpers.records import tokens_info

CONFIG = EncoderConfig(
    vocab_size=30, hidden_size=16, num_heads=(4,) * 6, head_size=4, intermediate_sizes=(64,) * 6,
    max_positions=12,
)  # fmt: skip
HEAD = Head("sequence", ("a", "b"))
FULL = Model(CONFIG, initialize(all_shapes(CONFIG, HEAD), seed=1))
TIMES = LayerTimes({0: 0.0, 4: 4.0}, {0: 0.0, 64: 8.0})
TABLE = LatencyTable(
    inner=TIMES, last=TIMES, fixed=2.0, spread=0.0, rounds=5, threads=1,
    subject=Subject(16, 4, 4, 64, "sequence", pair=False), shapes=(Shape(1, 8, 1.0),),
)  # fmt: skip


def speedup(config: EncoderConfig) -> float:
    full = TABLE.encoder_time(CONFIG.num_heads, CONFIG.intermediate_sizes)
    return full / TABLE.encoder_time(config.num_heads, config.intermediate_sizes)


def test_magnitude_pruning_keeps_the_neurons_of_greatest_norm_in_every_layer() -> None:
    student = pruning_students.by_magnitude(FULL, TABLE, 1.4)
    assert student.reached and speedup(student.model.config) >= 1.4
    assert student.model.config.num_heads == CONFIG.num_heads
    assert student.model.config.intermediate_sizes == (32,) * 6
    name = "bert.encoder.layer.3.{}.dense.weight"
    inner, outer = (FULL.weights[name.format(part)] for part in ("intermediate", "output"))
    norms = np.square(inner).sum(axis=1) + np.square(outer).sum(axis=0)
    kept = np.sort(np.argsort(norms)[32:])
    np.testing.assert_array_equal(student.model.weights[name.format("intermediate")], inner[kept])
    np.testing.assert_array_equal(student.model.weights[name.format("output")], outer[:, kept])


def test_magnitude_pruning_says_where_it_ends() -> None:
    student = pruning_students.by_magnitude(FULL, TABLE, 4.0)
    assert not student.reached
    assert student.model.config.intermediate_sizes == (0,) * 6
    assert speedup(student.model.config) < 4.0


@pytest.mark.parametrize(
    ("wanted", "layers", "taught"),
    [(1.1, (0, 1, 2, 4, 5), (0, 1, 2, 3, 5)), (1.9, (0, 2, 5), (1, 3, 5)), (2.8, (0, 5), (2, 5))],
)
def test_the_dense_student_takes_layers_from_all_over_the_teacher(wanted, layers, taught) -> None:
    student = pruning_students.shallower(FULL, TABLE, wanted)
    assert student.reached and speedup(student.model.config) >= wanted
    assert student.taught == taught
    for place, layer in enumerate(layers):
        name = "bert.encoder.layer.{}.attention.self.key.weight"
        mine, teachers = (student.model.weights, place), (FULL.weights, layer)
        np.testing.assert_array_equal(*(weights[name.format(n)] for weights, n in (mine, teachers)))
    build(student.model.config, HEAD, student.model.weights)  # no weight is missing


def test_one_layer_that_is_too_slow_becomes_narrower() -> None:
    student = pruning_students.shallower(FULL, TABLE, 7.4)
    assert student.reached and student.model.config.intermediate_sizes == (32,)
    assert not pruning_students.shallower(FULL, TABLE, 20.0).reached


def point(method: str, speed: float, value: float) -> Point:
    return Point(method, speed, Trained(FULL, {"accuracy": value}, 0.9, 1.0, 1.0), speed)


def test_our_points_are_compared_at_the_same_speed_and_the_least_margin_is_the_verdict() -> None:
    points = [
        point(OURS, 2.0, 0.88), point(OURS, 3.0, 0.80),
        point(MAGNITUDE, 1.5, 0.88), point(MAGNITUDE, 2.5, 0.80),
        point(DENSE, 3.0, 0.82),
    ]  # fmt: skip
    rows = pruning.compared("x", "accuracy", points, {"accuracy": 0.9}, 100)
    at_two, past_the_end, magnitude, dense_at_two, dense_at_three, dense = rows
    assert at_two.peer_value == pytest.approx(0.84) and at_two.own == 0.88
    assert past_the_end.peer_value is None and "ends at 2.50x" in past_the_end.note
    assert at_two.quality["peer as the teacher"] == pytest.approx(0.9)
    assert magnitude.own == pytest.approx(0.04) and magnitude.met
    assert dense_at_two.peer_value == pytest.approx(0.86)
    assert dense_at_three.peer_value == pytest.approx(0.82)
    assert dense.own == pytest.approx(-0.02) and not dense.met


def test_a_curve_begins_with_the_unpruned_model() -> None:
    points = [point(MAGNITUDE, 2.5, 0.80), point(MAGNITUDE, 1.5, 0.88)]
    curves = pruning.curves_of(points, 0.9, lambda trained: trained.metrics["accuracy"])
    assert curves == {MAGNITUDE: [(1.0, 0.9), (1.5, 0.88), (2.5, 0.80)]}
    assert pruning.interpolated(curves[MAGNITUDE], 1.25) == pytest.approx(0.89)
    assert pruning.interpolated(curves[MAGNITUDE], 2.6) is None


def rows_of(task: Task, count: int, seed: int) -> LabelledRows:
    random = np.random.default_rng(seed)
    ids = [random.integers(1, 30, random.integers(4, 9)) for _ in range(count)]
    targets: object = np.array([int(row[1] > 15) for row in ids], np.int32)
    if task.type == "tagging":
        targets = ragged([np.where(row % 4 == 0, -100, row % 2) for row in ids])
    return LabelledRows(list(map(str, range(count))), ragged(ids), None, targets)


def ragged(rows: list[np.ndarray]) -> Ragged:
    return Ragged(np.concatenate(rows), np.cumsum([0, *(len(row) for row in rows)]))


@pytest.mark.parametrize(
    ("task", "labels"), [(Task(), ["a", "b"]), (Task(type="tagging"), ["O", "B-X"])]
)
def test_students_learn_for_the_given_time_and_are_scored_on_all_held_out_rows(
    task: Task, labels: list[str]
) -> None:
    handler = for_task(task, labels)
    full = Model(CONFIG, initialize(all_shapes(CONFIG, handler.head()), seed=1))
    info = tokens_info(max_length=12, length_quantiles=[4, 5, 6, 6, 7, 8, 8])
    held_out = (rows_of(task, 20, 1), rows_of(task, 30, 2))
    agent = Agent("tiny", full, handler, info, rows_of(task, 64, 0), held_out)
    room = Classroom(agent, Prune(precision="float32", batch_size=8))
    untrained = room.train(pruning_students.Student(full, tuple(range(6))), 0.0)
    assert untrained.agreement == 1.0 and untrained.metrics == room.metrics
    assert next(iter(room.metrics)) == handler.default_metric
    student = pruning_students.shallower(full, TABLE, 2.8)
    trained = room.train(student, 0.3)
    assert trained.epochs > 0 and trained.seconds >= 0.3
    assert trained.model.config.num_layers == 2
    found = pruning.timed(agent, TABLE, [Point(DENSE, 2.8, trained)], seconds=0.1)
    assert found[0].speedup > 0
