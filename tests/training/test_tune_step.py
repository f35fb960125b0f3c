"""The tune step on a tiny model: the same seed finds the same, and finetune takes the winner over."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from tiny_tokens import finetune_section, make_base, make_tokens

from bertworks.models.weights import load_folder
from bertworks.storage.artifacts import open_artifact
from tests.helpers.steps import finetune
from tests.helpers.steps import tune as run

HERE = Path(__file__).parent
pytestmark = pytest.mark.usefixtures("uncompiled")


def section(trials: int = 4, **settings):
    space = {"learning_rate": {"low": 1e-4, "high": 1e-2}, "max_length": None}
    wanted = {"trials": trials, "space": space}
    return {
        **finetune_section(epochs=2),
        "tune": {**wanted, **settings.pop("tune", {})},
        **settings,
    }


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    tokens = make_tokens(folder / "tokens", rows=(96, 32, 16))
    return {"tokens": tokens, "initial": make_base(folder / "base")}


def test_the_same_seed_finds_the_same(inputs, tmp_path):
    results = [run(section(), **inputs, tuned=tmp_path / name) for name in ("a", "b")]
    first, second = (open_artifact(tmp_path / name, "tuned") for name in ("a", "b"))
    assert first.digest == second.digest
    assert results[0].metrics == results[1].metrics
    tuned = first.json("tuned.json")
    assert [one["number"] for one in tuned["trials"]] == [0, 1, 2, 3]
    assert tuned["trials"][0]["settings"]["learning_rate"] == 5e-3
    best = tuned["trials"][tuned["best"]]
    assert best["value"] == max(one["value"] for one in tuned["trials"]) <= tuned["value"]
    assert tuned["averaged"][0] == tuned["best"]
    assert results[0].metrics["validation_accuracy"] == tuned["value"]
    times = first.json("search_times.json")
    assert len(times["trials"]) == 4 and all(seconds > 0 for seconds in times["trials"])
    page = (first / "tuning.html").read_text("utf-8")
    assert "Trials" in page and "learning rate" in page


def test_epochs_that_are_not_searched_may_be_auto(inputs, tmp_path):
    given = section(1, tune={"space": {"epochs": None, "learning_rate": None}})
    given["finetune"] |= {"epochs": "auto", "patience": 1, "batch_size": 48}
    run(given, **inputs, tuned=tmp_path / "tuned")
    (trial,) = open_artifact(tmp_path / "tuned").json("tuned.json")["trials"]
    assert trial["ended"] == "complete" and "epochs" not in trial["settings"]


def test_finetune_takes_the_winner_over_with_the_bytes_that_its_settings_give(inputs, tmp_path):
    given = section(3, tune={"soup": 1})
    run(given, **inputs, tuned=tmp_path / "tuned")
    tuned = open_artifact(tmp_path / "tuned")
    paths = {"tokens": inputs["tokens"], "initial": tuned.path, "model": tmp_path / "model"}
    result = finetune(given, **paths)
    model = open_artifact(tmp_path / "model", "model")
    assert (model / "model.safetensors").read_bytes() == (tuned / "model.safetensors").read_bytes()
    assert model.json("agent.json")["parents"] == dict(model.parents)
    assert result.metrics["validation_accuracy"] == tuned.json("tuned.json")["value"]
    assert "taken over" in result.notices[0].text
    assert load_folder(model.path)[0].num_layers == 2
    # What the settings that won give by themselves is the same model.
    won = tuned.json("tuned.json")["settings"]
    settings = {**given["finetune"], **won}
    alone = {**paths, "initial": inputs["initial"], "model": tmp_path / "alone"}
    finetune({**given, "finetune": settings}, **alone)
    assert open_artifact(tmp_path / "alone").json("history.json") == model.json("history.json")
    same = (tmp_path / "alone/model.safetensors").read_bytes()
    assert same == (model / "model.safetensors").read_bytes()


def start(python, inputs, work, name, checkpoints=None):
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment.pop("BERTWORKS_CHECKPOINTS", None)
    if checkpoints:
        environment["BERTWORKS_CHECKPOINTS"] = str(checkpoints)
    given = {**section(4), **finetune_section(epochs=4, checkpoint_steps=2)}
    (work / "section.json").write_text(json.dumps({"section": given, "inputs": str(inputs)}))
    command = [python, HERE / "tiny_search.py", work / "section.json", work / name]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def finish(process):
    output = process.communicate()[1]
    assert process.returncode == 0, output[-2000:]
    return output


def begun(output: str) -> list[str]:
    """The trials that a run said it was at."""
    return [
        line.split("trial ")[1].split(" ")[0] for line in output.splitlines() if "trial " in line
    ]


@pytest.mark.slow
def test_killed_between_trials_and_within_one_it_ends_with_the_same_bytes(
    inputs, tmp_path, warm_python
):
    folder, kept = inputs["tokens"].parent, tmp_path / "checkpoints"
    kept.mkdir()
    undisturbed = start(warm_python, folder, tmp_path, "undisturbed")
    chance, finished = random.Random(7), 0
    for _ in range(2):
        process = start(warm_python, folder, tmp_path, "resumed", kept)
        wanted = finished + 1
        while process.poll() is None and told(kept) < wanted:
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.3))
        process.kill()
        output = process.communicate()[1]
        numbers = [int(number) for number in begun(output)]
        # A trial that was finished is not begun again.
        assert all(number > finished for number in numbers), output
        finished = told(kept)
    output = finish(start(warm_python, folder, tmp_path, "resumed", kept))
    assert all(int(number) > finished for number in begun(output)), output
    finish(undisturbed)
    first, second = (open_artifact(tmp_path / name) for name in ("undisturbed", "resumed"))
    assert first.digest == second.digest
    assert not list(kept.iterdir())


def told(kept: Path) -> int:
    """Finished trials in the study's file: as its lines say, the last one may be half written."""
    ended = 0
    for file in kept.glob("*/study.jsonl"):
        for line in file.read_bytes().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            ended += entry.get("state") in (1, 2) and "template" not in entry
    return ended
