"""The training benchmarks: our side takes the product's steps, and what is counted is counted right."""

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from tiny_tokens import CONFIG, finetune_section, make_base, make_tokens

from benchmarks import efficiency, finetune, pretrain
from benchmarks.harness.arguments import arguments_of
from benchmarks.harness.results import Result
from benchmarks.harness.sides import OWN_PYTHON, Side, peer_python
from benchmarks.own_training import counted, finetuning, pretraining
from benchmarks.training_runs import Course, race
from bertworks.models.config import Head
from bertworks.models.layout import encoder_shapes, initialize
from bertworks.models.model import get_weights
from bertworks.models.weights import load_folder, save_folder
from bertworks.spec import Finetune, Pretrain
from bertworks.storage.artifacts import open_artifact, write, write_json
from bertworks.training.feed import MicroBatch
from components.finetune import step as finetune_step

LEARNER = """
from benchmarks.harness.sides import serve
done = 0
def answer(request):
    global done
    if "evaluate" in request:
        return {"value": done * %s, "step": done, "total": 100}
    done += request["steps"]
    return {"seconds": 0.5, "steps": request["steps"], "tokens": 100}
serve(answer)
"""

COUNT = """
import json, sys, torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification
config = BertConfig(**json.loads(sys.argv[1]), attn_implementation="eager")
for kind in (BertForSequenceClassification, BertForMaskedLM):
    model = kind(config)
    ids = torch.ones(4, 8, dtype=torch.long)
    labels = ids if kind is BertForMaskedLM else ids[:, 0]
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=labels).loss.backward()
    print(counter.get_total_flops())
"""


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    tokens, base = make_tokens(folder / "tokens"), make_base(folder / "base")
    return open_artifact(tokens, "tokens"), open_artifact(base, "base")


@pytest.fixture
def root(artifacts, tmp_path):
    """The folder of a run that has come as far as tokens, of a model that takes 128 places."""
    tokens, _ = artifacts
    config = dataclasses.replace(CONFIG, max_positions=128)
    weights = initialize(encoder_shapes(config), seed=1)
    with write(tmp_path / "base", kind="base", producer="ingest") as folder:
        save_folder(folder, config, weights, Head("encoder"))
        shutil.copy(tokens / "tokenizer.json", folder)
    texts = pa.table({"text": ["w10 w12", "w11 w13 w14"] * 32, "label": ["n", "y"] * 32})
    for split in ("train", "validation"):
        (tmp_path / "examples" / split).mkdir(parents=True)
        pq.write_table(texts, tmp_path / "examples" / split / "part-00000.parquet")
    write_json(tmp_path / "examples/info.json", {"labels": ["n", "y"]})
    places = {name: str(tmp_path / name) for name in ("examples", "base")}
    spec = {"finetune": {"epochs": 9, "batch_size": 32}, "pretrain": {"held_out": 0.1}}
    run = {"id": "one", "spec": spec, "artifacts": {**places, "tokens": str(tokens.path)}}
    (tmp_path / "runs/one").mkdir(parents=True)
    write_json(tmp_path / "runs/one/run.json", run)
    return tmp_path


@pytest.fixture
def learner(tmp_path):
    def start(name, gain):
        script = tmp_path / f"{name}.py"
        script.write_text(LEARNER % gain, encoding="utf-8")
        return Side(name, OWN_PYTHON, str(script))

    return start


def test_our_side_trains_as_the_product_does(artifacts, tmp_path):
    tokens, base = artifacts
    section = finetune_section(epochs=1)
    asked = finetune_step.Section.of(section)
    finetune_step.run(asked, tokens=tokens.path, initial=base.path, model=tmp_path / "model")
    training, evaluate = finetuning(tokens, base, Finetune.model_validate(section["finetune"]))
    first = training.advance(3)
    rest = training.advance(training.total - 3)
    assert first["rows"] + rest["rows"] == 160
    assert first["seconds"] > 0
    assert 0 <= evaluate() <= 1
    _, expected, _ = load_folder(tmp_path / "model")
    for name, weight in get_weights(training.model).items():
        np.testing.assert_array_equal(weight, expected[name], err_msg=name)


def test_pretraining_lowers_the_loss_on_the_probe(artifacts, tmp_path):
    tokens, base = artifacts
    chosen = {"batch_size": 8, "sequence_length": 32, "learning_rate": 1e-2, "held_out": 0.2}
    settings = Pretrain.model_validate({**chosen, "steps": 40})
    texts, probe = tmp_path / "texts.npz", tmp_path / "probe.npz"
    pretrain.write_texts(texts, probe, tokens, settings)
    hidden = np.load(probe)
    flat = hidden["input_ids"].reshape(-1)
    assert (flat[hidden["masked"]] == 4).all()
    assert (hidden["targets"] > 4).all()
    training, loss = pretraining(tokens, base, settings, probe)
    before = loss()
    found = training.advance(40)
    assert found["predicted"] > 0
    assert loss() < before


def test_what_a_batch_holds():
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    padded = MicroBatch({"input_ids": mask, "mask": mask}, 2.0, 5)
    assert counted(padded) == {
        "rows": 2, "tokens": 5, "squares": 13, "places": 8, "place_squares": 32, "predicted": 0,
    }  # fmt: skip
    segments = np.array([[1, 1, 2, 0], [1, 2, 2, 2]], np.int32)
    arrays = {"input_ids": segments, "segments": segments, "masked": np.arange(2)}
    packed = counted(MicroBatch(arrays, 2.0, 7))
    assert (packed["tokens"], packed["squares"], packed["predicted"]) == (7, 4 + 1 + 1 + 9, 2)


def test_operations_are_those_of_the_products():
    counts = {
        "rows": 1, "tokens": 3, "squares": 9, "places": 4, "place_squares": 16, "predicted": 0,
    }  # fmt: skip
    hidden, neurons, layers, outputs = 16, 32, 2, 2
    projections = 2 * 3 * hidden * hidden * 4
    attention = 2 * (2 * 3 * 3 * hidden)
    feed_forward = 2 * (2 * 3 * hidden * neurons)
    head = 2 * hidden * hidden + 2 * hidden * outputs
    forward = layers * (projections + attention + feed_forward) + head
    assert efficiency.operations(CONFIG, counts, outputs, padding=False) == 3 * forward
    assert efficiency.operations(CONFIG, counts, outputs, padding=True) > 3 * forward
    masked = efficiency.operations(CONFIG, {**counts, "predicted": 1}, outputs, padding=False)
    vocabulary = 2 * hidden * hidden + 2 * hidden * CONFIG.vocab_size
    assert masked == 3 * (forward - head + vocabulary)


@pytest.mark.slow
def test_operations_are_those_that_torch_counts():
    sizes = json.dumps(CONFIG.to_huggingface())
    done = subprocess.run(
        [peer_python(), "-c", COUNT, sizes], capture_output=True, text=True, check=True
    )
    squares = 4 * 8 * 8
    counts = {
        "rows": 4, "tokens": 32, "squares": squares, "places": 32, "place_squares": squares,
        "predicted": 0,
    }  # fmt: skip
    classified = efficiency.operations(CONFIG, counts, 2, padding=False)
    predicted = efficiency.operations(CONFIG, {**counts, "predicted": 32}, 2, padding=True)
    assert [classified, predicted] == [float(line) for line in done.stdout.split()]


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [("--padding", "max_length"), ("--bf16", "--grouped")], ids=["example", "fast"]
)
def test_the_trainer_goes_on_when_told_to(root, settings):
    script = "benchmarks/peers/trainer_finetune.py"
    places = root / "examples", root / "base"
    with Side("trainer", peer_python(), script, *places, *settings) as side:
        found = side.ask({"steps": 3})
        value = side.ask({"evaluate": True})
    assert found["steps"] == value["step"] == 3
    assert found["tokens"] <= found["places"]
    assert found["places"] == 3 * 32 * 128 or "--grouped" in settings
    assert 0 <= value["value"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "more", "rows"),
    [
        ("finetune", ("--target", "0.1", "--steps", "2", "--example-steps", "1"), 6),
        ("pretrain", ("--steps", "1", "--rounds", "1"), 7),
    ],
)
def test_the_benchmarks_run_whole(root, name, more, rows):
    command = [OWN_PYTHON, "-m", f"benchmarks.{name}", "--root", root, "--out", root / "out", *more]
    subprocess.run(list(map(str, command)), check=True)
    result = Result.load(root / f"out/{name}.json")
    assert len(result.rows) == rows
    assert all(row.own > 0 and row.ratio and row.ratio > 0 for row in result.rows)


def test_a_race_ends_when_all_have_reached_the_target(learner):
    with learner("fast", 0.1) as fast, learner("slow", 0.05) as slow:
        courses = race([fast, slow], target=0.6, steps=3, rounds=9)
    assert courses["fast"].reached(0.6) == 2
    assert courses["slow"].reached(0.6) == 4
    assert len(courses["fast"].values) == 4
    assert courses["slow"].curve()[-1] == (2.0, pytest.approx(0.6))


def test_a_race_that_not_all_finish_is_an_error(learner):
    with (
        learner("fast", 0.1) as fast,
        learner("never", 0) as never,
        pytest.raises(SystemExit, match="not reached by all"),
    ):
        race([fast, never], target=0.6, steps=3, rounds=2)


def test_a_side_that_is_only_timed_is_not_evaluated(learner):
    with learner("fast", 0.1) as fast, learner("timed", 0) as timed:
        courses = race([fast], target=0.6, steps=3, rounds=9, timed={timed: 2})
    assert courses["timed"].values == []
    assert courses["timed"].step_seconds == 0.25


def test_time_to_the_target_and_its_goal():
    def course(seconds, values):
        return Course([seconds + 1, seconds, seconds], [5, 5, 5], [100, 100, 100], values)

    courses = {
        finetune.OWN: course(1.0, [0.5, 0.83, 0.84]),
        finetune.EXAMPLE: course(10.0, []),
        finetune.DYNAMIC: course(3.0, [0.5, 0.6, 0.82]),
        finetune.GROUPED: course(1.0, [0.5, 0.82, 0.83]),
    }
    example, _, dynamic, rate, grouped, _ = finetune.rows_of([courses], 0.82, 1e-4)
    assert (dynamic.own, dynamic.peer_value, dynamic.quality["peer steps"]) == (3.0, 10.0, 15)
    assert (example.peer_value, example.quality["peer steps"]) == (15 * 2.0, 15)
    assert (dynamic.met, example.met, grouped.met) == (True, True, False)
    assert rate.ratio == pytest.approx(3.0)


def test_pretraining_rates_and_their_goals():
    def course(rate):
        return Course([9.0, 1.0, 1.0], [2, 3, 3], [50, rate, rate], [5.0])

    own = {name: course(300) for name in pretrain.OWN}
    rows = pretrain.rows_of(own | {name: course(150) for name in pretrain.PEERS})
    assert [row.goal for row in rows] == [3.0, 3.0, 3.0, 1.5, 1.5, None, None]
    assert all(row.ratio == 2.0 and row.rounds == 2 for row in rows)
    assert [row.met for row in rows[:5]] == [False, False, False, True, True]


def test_sides_with_unequal_work_are_refused():
    few, many = Course(tokens=[100, 100]), Course(tokens=[130, 130])
    with pytest.raises(SystemExit, match="did not get as many tokens"):
        pretrain.require_equal_work({"few": few, "many": many})
    pretrain.require_equal_work({"few": few, "few more": Course(tokens=[105, 105])})


def test_efficiency_is_of_the_rounds_best_product():
    counts = {
        "rows": 1, "tokens": 3, "squares": 9, "places": 6, "place_squares": 36, "predicted": 0,
        "seconds": 1e-3,
    }  # fmt: skip
    best = [(1e9, "TensorFlow 8x8x8"), (2e9, "torch 8x8x8")]
    row = efficiency.row_of("fine-tuning", "bf16", [counts, counts], best, CONFIG, 2, "no GPU")
    done = efficiency.operations(CONFIG, counts, 2, padding=False)
    assert row.own == pytest.approx(done / 1e-3 / 1e9)
    assert row.peer_value == pytest.approx(1.5)
    assert row.quality["tokens/s"] == pytest.approx(3000)
    assert row.quality["share with padding counted"] > row.ratio


def test_what_was_not_the_default_is_in_the_command():
    defaults = argparse.Namespace(**efficiency.DEFAULTS, seed=42)
    assert arguments_of(defaults, efficiency.DEFAULTS) == ""
    changed = argparse.Namespace(**{**vars(defaults), "rounds": 3, "batch_size": 256})
    assert arguments_of(changed, efficiency.DEFAULTS) == ' ARGS="--rounds 3 --batch-size 256"'


def test_a_gpu_is_tried_with_a_larger_square_too():
    cpu, gpu = efficiency.shapes_of(CONFIG), efficiency.shapes_of(CONFIG, [8192])
    assert set(gpu) - set(cpu) == {(8192, 8192, 8192)}
