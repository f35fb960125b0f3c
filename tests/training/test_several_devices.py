"""Two devices train as one does: the steps themselves, in a process with two logical CPUs."""

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_tokens
from safetensors.numpy import load_file

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
SCRIPT = """
    import json, os, sys
    from pathlib import Path
    import tensorflow as tf
    from safetensors.numpy import save_file

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

    from bertworks.storage.artifacts import open_artifact
    from bertworks.models.config import Head
    from bertworks.models.model import build, get_weights
    from bertworks.models.weights import load_folder
    from bertworks.spec import Prune, Task
    from bertworks.tasks import for_task
    from bertworks.training import distribution, stepper
    from bertworks.training.objectives import distillation
    from bertworks.training.rows import read_splits
    from tests.helpers.steps import finetune
    from tests.helpers.steps import pretrain

    root = Path(sys.argv[1])
    tokens, base = root / "tokens", root / "base"
    task = {"type": "classification", "max_length": 16}
    # 41 rows by 5: the last batch has one row, so that one of two devices gets none.
    shared = {"batch_size": 5, "precision": "float32", "learning_rate": 1e-3, "checkpoint_steps": 4}
    replicas, die_at = [], None
    step, logical = stepper.Stepper.step, tf.config.list_logical_devices

    def watched(self, batches, number, rate):
        replicas.append(self.replicas)
        if number == die_at:
            raise KeyboardInterrupt
        return step(self, batches, number, rate)

    stepper.Stepper.step = watched

    def on(devices):
        "Two CPUs stand in for two GPUs; all else is as on a machine that has them."
        gpus = logical("CPU") if devices == 2 else []
        tf.config.list_logical_devices = lambda kind=None: gpus if kind == "GPU" else logical(kind)
        distribution.strategy.cache_clear()

    def fine_tuned(name):
        section = {"task": task, "finetune": {**shared, "epochs": 2, "dropout": 0.0}}
        finetune(section, tokens=tokens, initial=base, model=root / name)

    def pretrained(name):
        section = {"task": task, "base": {}, "pretrain": {
            **shared, "steps": 12, "sequence_length": 32, "held_out": 0.1, "batch_size": 3}}
        pretrain(section, tokens=tokens, base=base, model=root / name)

    def distilled(name, kept_bytes):
        handler = for_task(Task.model_validate(task), ["n", "y"])
        split = distillation.Split(*read_splits(open_artifact(tokens), handler.target_column))
        config, known, _ = load_folder(root / "finetune-1")
        _, plain, _ = load_folder(base)
        with distribution.strategy().scope():
            teacher = build(config, handler.head(), known)
        with distribution.strategy().scope():
            student = build(config, handler.head(), plain, seed=3)
        distillation.distill(student, teacher, split, handler, Prune(**shared, epochs=2),
                             kept_bytes=kept_bytes)
        (root / name).mkdir()
        save_file(get_weights(student), root / name / "model.safetensors")

    seen = {}
    for devices in (1, 2):
        on(devices)
        for kind, run in {
            "finetune": fine_tuned, "pretrain": pretrained,
            "distil": lambda name: distilled(name, 10**9),
            "distil-asking": lambda name: distilled(name, 0),
        }.items():
            replicas.clear()
            run(f"{kind}-{devices}")
            seen[f"{kind}-{devices}"] = sorted(set(replicas))

    os.environ["BERTWORKS_CHECKPOINTS"] = str(root / "checkpoints")
    die_at = 10
    try:
        fine_tuned("finetune-cut")
    except KeyboardInterrupt:
        seen["cut"] = len(list((root / "checkpoints").glob("*/latest.safetensors")))
    die_at = None
    replicas.clear()
    fine_tuned("finetune-cut")
    seen["steps after the cut"] = len(replicas)
    (root / "seen.json").write_text(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("devices")
    tiny_tokens.make_tokens(folder / "tokens", rows=(41, 16, 8))
    with pytest.MonkeyPatch.context() as patch:
        calm = replace(tiny_tokens.CONFIG, dropout=0.0, attention_dropout=0.0)
        patch.setattr(tiny_tokens, "CONFIG", calm)  # each device draws its own dropout
        tiny_tokens.make_base(folder / "base")
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment.pop("BERTWORKS_CHECKPOINTS", None)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(folder)],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def weights(root, name):
    return load_file(root / name / "model.safetensors")


def farthest(one, two):
    return max(float(np.abs(one[name] - two[name]).max()) for name in one if name in two)


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    # The hidden-state loss of distillation is relative to each device's rows: about the same.
    [("finetune", 5e-4), ("pretrain", 5e-4), ("distil", 2e-3), ("distil-asking", 2e-3)],
)
def test_two_devices_train_as_one(root, kind, tolerance):
    seen = json.loads((root / "seen.json").read_text())
    assert (seen[f"{kind}-1"], seen[f"{kind}-2"]) == ([1], [2])
    one, two = weights(root, f"{kind}-1"), weights(root, f"{kind}-2")
    assert farthest(one, two) < tolerance
    assert farthest(weights(root, "base"), one) > 3 * tolerance  # training moved them farther


@pytest.mark.parametrize("kind", ["finetune", "pretrain"])
def test_their_losses_are_the_same(root, kind):
    losses = []
    for devices in (1, 2):
        history = json.loads((root / f"{kind}-{devices}/history.json").read_text())
        losses.append([point["value"] for point in history["points"]])
    assert np.allclose(*losses, atol=2e-3)


def test_asking_the_teacher_at_each_step_changes_nothing(root):
    """Teacher and student are of one strategy; asking them apart would not work at all."""
    one, two = weights(root, "distil-2"), weights(root, "distil-asking-2")
    assert farthest(one, two) < 2e-3


def test_two_devices_resume_to_the_same_bytes(root):
    seen = json.loads((root / "seen.json").read_text())
    assert seen["cut"] == 1
    assert 0 < seen["steps after the cut"] < 18
    first, second = (root / f"finetune-{name}/model.safetensors" for name in ("2", "cut"))
    assert first.read_bytes() == second.read_bytes()
