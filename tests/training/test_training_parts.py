import os
import subprocess
import textwrap
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from bertworks.models.config import EncoderConfig, Head
from bertworks.models.model import build
from bertworks.spec import Optimizer, Task
from bertworks.text.ragged import Ragged
from bertworks.training import precision
from bertworks.training.feed import MicroBatch, ahead
from bertworks.training.objectives.labelled import LabelledFeed, evaluation_batches
from bertworks.training.objectives.losses import loss_for
from bertworks.training.optimizer import AdamW, Group, groups_of
from bertworks.training.rows import LabelledRows
from bertworks.training.schedule import learning_rate
from bertworks.training.stepper import frequent_shapes

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("flags", "vendor", "wanted"),
    [
        ({"avx2"}, "AuthenticAMD", "float32"),
        ({"avx512_bf16"}, "AuthenticAMD", "bfloat16"),
        ({"avx512_bf16"}, "GenuineIntel", "float32"),
        ({"avx512_bf16", "amx_bf16"}, "GenuineIntel", "bfloat16"),
    ],
)
def test_the_type_that_a_cpu_multiplies_faster_is_taken(monkeypatch, flags, vendor, wanted):
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("a GPU decides for itself")
    monkeypatch.setattr(precision, "instructions", lambda: flags)
    monkeypatch.setattr(precision, "vendor", lambda: vendor)
    assert precision.resolve("auto") == wanted
    assert precision.resolve("float32") == "float32"


@pytest.mark.parametrize(("decay", "middle"), [("linear", 0.5), ("cosine", 0.5), ("constant", 1.0)])
def test_schedules_rise_and_fall(decay, middle):
    settings = Optimizer(learning_rate=2.0, warmup=0.1, decay=decay)
    rates = [learning_rate(step, 110, settings) / 2.0 for step in range(110)]
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[10] == 1.0
    assert rates[11 + 49] == pytest.approx(middle, abs=0.02)
    assert min(rates) > 0
    assert decay == "constant" or rates[-1] < 0.02


def test_adamw_is_the_papers():
    """Against algorithm 2 of Loshchilov and Hutter 2019, written out in numpy."""
    random = np.random.default_rng(0)
    start = random.standard_normal(5).astype(np.float32)
    groups = [
        Group("w", tf.Variable(start), rate=0.5, decays=True),
        Group("b", tf.Variable(start), rate=1.0, decays=False),
    ]
    optimizer = AdamW(groups, weight_decay=0.1, clip_norm=1.0)
    expected = [start.astype(np.float64), start.astype(np.float64)]
    moments = np.zeros((2, 2, 5))
    for step in range(1, 6):
        gradients = random.standard_normal((2, 5))
        optimizer.apply(
            [tf.constant(row, tf.float32) for row in gradients],
            tf.constant(0.01),
            tf.constant(float(step)),
        )
        gradients /= max(1.0, np.sqrt(np.square(gradients).sum()))
        for index, (factor, decay) in enumerate(((0.5, 0.1), (1.0, 0.0))):
            own = 0.01 * factor
            first, second = moments[index]
            first[:] = 0.9 * first + 0.1 * gradients[index]
            second[:] = 0.999 * second + 0.001 * gradients[index] ** 2
            ratio = (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
            expected[index] = expected[index] * (1 - own * decay) - own * ratio
    for group, value in zip(groups, expected, strict=True):
        np.testing.assert_allclose(group.variable.numpy(), value, rtol=1e-4)


def test_layers_below_learn_slower_and_norms_do_not_decay():
    config = EncoderConfig(20, 8, (2, 2), 4, (8, 8), 8)
    groups = {
        group.name: group
        for group in groups_of(build(config, Head("sequence", ("a", "b"))), layer_decay=0.5)
    }
    rates = {name: group.rate for name, group in groups.items()}
    assert rates["classifier.weight"] == 1.0
    assert rates["bert.encoder.layer.1.output.dense.weight"] == 0.5
    assert rates["bert.encoder.layer.0.output.dense.weight"] == 0.25
    assert rates["bert.embeddings.word_embeddings.weight"] == 0.125
    still = {name for name, group in groups.items() if not group.decays}
    assert all(name.endswith("bias") or "LayerNorm" in name for name in still)
    assert "bert.embeddings.LayerNorm.weight" in still


def test_losses_by_hand():
    logits = tf.constant([[2.0, 0.0], [0.0, 1.0]])
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    plain = loss_for(Task())(logits, tf.constant([0, 1]))
    assert float(plain) == pytest.approx(-np.log(chances[0, 0]) - np.log(chances[1, 1]))
    weighted = loss_for(Task(), weights=np.array([2.0, 1.0], "f4"))(logits, tf.constant([0, 1]))
    assert float(weighted) == pytest.approx(-2 * np.log(chances[0, 0]) - np.log(chances[1, 1]))
    smooth = loss_for(Task(), smoothing=0.2)(logits[:1], tf.constant([0]))
    assert float(smooth) == pytest.approx(
        -0.9 * np.log(chances[0, 0]) - 0.1 * np.log(chances[0, 1])
    )
    tags = loss_for(Task(type="tagging"))(logits[tf.newaxis], tf.constant([[0, -100]]))
    assert float(tags) == pytest.approx(-np.log(chances[0, 0]))
    several = loss_for(Task(multi_label=True))(logits[:1], tf.constant([[1, 0]]))
    assert float(several) == pytest.approx((np.log(1 + np.exp(-2)) + np.log(2)) / 2)
    number = loss_for(Task(type="regression"))(tf.constant([[2.0], [1.0]]), tf.constant([0.5, 1.0]))
    assert float(number) == pytest.approx(2.25)


class Counting:
    """A feed of two epochs of three steps."""

    def steps(self, epoch):
        return [10 * epoch + place for place in range(3)]

    def parts(self, item, epoch, number, parts):
        if item == 12 and parts == 2:
            raise ValueError("broken row")
        return [MicroBatch({"item": np.array([item])}, 1.0, 1)] * parts


def test_the_feed_goes_on_in_the_middle_of_an_epoch():
    items = [batches[0].arrays["item"][0] for batches in ahead(Counting(), 2, 6, 1)]
    assert items == [2, 10, 11, 12]


def test_a_broken_feed_stops_training():
    with pytest.raises(ValueError, match="broken row"):
        list(ahead(Counting(), 0, 6, 2))


def test_evaluation_batches_hold_every_row_once_and_bound_memory():
    lengths = np.random.default_rng(0).integers(1, 300, 500)
    batches = evaluation_batches(lengths, places=1024)
    assert sorted(np.concatenate(batches)) == list(range(500))
    wide = [lengths[batch].max() for batch in batches]
    assert all(len(b) * width <= 1024 for b, width in zip(batches, wide, strict=True))


def test_two_replicas_train_as_one(tmp_path, warm_python):
    """MirroredStrategy over two logical CPUs, in a process of its own, against one device."""
    script = """
        import numpy as np, tensorflow as tf
        from pathlib import Path
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        from bertworks.models.config import EncoderConfig, Head
        from bertworks.models.model import build, get_weights
        from bertworks.training.feed import MicroBatch
        from bertworks.training.objectives.labelled import objective_of
        from bertworks.training.objectives.losses import loss_for
        from bertworks.training.optimizer import AdamW, groups_of
        from bertworks.training.stepper import Stepper
        from bertworks.spec import Task

        config = EncoderConfig(20, 8, (2,), 4, (8,), 8, dropout=0.0, attention_dropout=0.0)
        random = np.random.default_rng(0)
        ids = random.integers(0, 20, (12, 8)).astype("i4")
        batch = {"input_ids": ids, "mask": np.ones_like(ids), "targets": ids[:, 0] % 2}
        mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        found = []
        for strategy, parts in ((tf.distribute.get_strategy(), 1), (mirrored, 2), (mirrored, 4)):
            with strategy.scope():
                model = build(config, Head("sequence", ("a", "b")), seed=1)
            optimizer = AdamW(groups_of(model), 0.01, 1.0)
            stepper = Stepper(model, optimizer, objective_of(loss_for(Task())), seed=3)
            for step in range(3):
                split = [dict(zip(batch, p)) for p in zip(*(np.array_split(a, parts)
                         for a in batch.values()))]
                loss = stepper.step([MicroBatch(p, len(p["targets"]), 1) for p in split], step, 1e-2)
            found.append((stepper.replicas, loss, get_weights(model)))
        assert [replicas for replicas, _, _ in found] == [1, 2, 2]
        for _, loss, weights in found[1:]:
            assert abs(loss - found[0][1]) < 1e-4, (loss, found[0][1])
            for name, array in weights.items():
                assert np.abs(array - found[0][2][name]).max() < 5e-3, name
        print("equal")
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(script), encoding="utf-8")
    done = subprocess.run([warm_python, program], env=environment, capture_output=True, text=True)
    assert done.stdout.endswith("equal\n"), done.stderr[-3000:]


def test_shapes_that_come_back_often_are_compiled_for():
    lengths = [6] * 64 + [14] * 32 + [30] * 4
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = np.ones(int(offsets[-1]), np.int32)
    rows = LabelledRows(
        [str(i) for i in range(100)], Ragged(values, offsets), None, np.zeros(100, int)
    )
    feed = LabelledFeed(rows, Task(), 32, seed=0)
    steps = len(feed.steps(0))
    assert steps == 4
    assert frequent_shapes(feed, total=2 * steps) == frozenset()
    assert frequent_shapes(feed, total=6 * steps) == {(32, 8)}
    assert frequent_shapes(feed, total=12 * steps) == {(32, 8), (32, 16), (4, 32)}
