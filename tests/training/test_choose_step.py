"""The best models of a search, chosen after compression; and a search in parts that share nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from tiny_tokens import CLASSIFICATION, CONFIG, finetune_section, make_base, make_tokens

from bertworks.compression import finalists
from bertworks.contracts.tokens import TOKENS
from bertworks.contracts.tuned import TUNED, Finalist
from bertworks.deadline import UNTIL, Deadline
from bertworks.errors import DataError
from bertworks.models.config import Head
from bertworks.models.layout import encoder_shapes, initialize
from bertworks.models.weights import load_folder, save_folder
from bertworks.spec import Prune, Quantize, Task
from bertworks.storage.artifacts import open_artifact, write
from bertworks.tasks import for_task
from bertworks.training.initial import load_initial
from bertworks.training.objectives.finetuning import Material
from bertworks.training.search import workers
from bertworks.training.search.folds import check_folds, folded
from bertworks.training.search.merging import merged
from tests.helpers import quick
from tests.helpers.steps import choose, collect, finetune, tune

SPACE = {"learning_rate": {"low": 1e-4, "high": 1e-2}, "max_length": None}
COMPRESS = {
    "prune": {
        "speedup": 1.2, "epochs": 2, "importance_rows": 16, "batch_size": 16, "precision": "float32",
    },
    "quantize": {
        "candidates": ["onnxruntime-fp32", "onnxruntime-int8"], "measure_rows": 32,
        "calibration_rows": 16,
    },
    "gates": {"max_latency_ms": None, "max_size_mb": None},
}  # fmt: skip


def section(**settings):
    searched = {"trials": 4, "soup": 1, "space": SPACE}
    return {**finetune_section(epochs=2), "tune": {**searched, **settings}}


@pytest.fixture(scope="module", autouse=True)
def uncompiled_here():
    """No kernel is worth compiling, in what the tests share either."""
    with pytest.MonkeyPatch.context() as patch:
        quick.uncompiled(patch.setattr)
        yield


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    tokens = make_tokens(folder / "tokens", rows=(96, 32, 16))
    return {"tokens": tokens, "initial": make_base(folder / "base")}


@pytest.fixture(scope="module")
def tuned(inputs, tmp_path_factory):
    place = tmp_path_factory.mktemp("tuned") / "tuned"
    tune(section(finalists=3), **inputs, tuned=place)
    return place


def chosen_of(inputs, tuned, place, **more):
    given = {"task": CLASSIFICATION, "tune": section(finalists=3)["tune"], **COMPRESS, **more}
    return choose(given, tuned=tuned, tokens=inputs["tokens"], chosen=place)


def test_the_best_compressed_model_goes_on(inputs, tuned, tmp_path):
    before = TUNED.read(open_artifact(tuned, "tuned"))
    assert before.finalists[0].trials[0] == before.best
    assert len(before.finalists) == 3
    assert all((tuned / one.folder / "model.safetensors").is_file() for one in before.finalists[1:])
    result = chosen_of(inputs, tuned, tmp_path / "chosen")
    after = TUNED.read(open_artifact(tmp_path / "chosen", "tuned"))
    values = {one.trials[0]: one.compressed for one in after.finalists}
    assert set(values) == {one.trials[0] for one in before.finalists}
    assert after.best == after.finalists[0].trials[0]
    assert values[after.best] == max(values.values()) == result.metrics["compressed"]
    assert "Finalists" in (tmp_path / "chosen/tuning.html").read_text("utf-8")
    assert result.metrics["finalists"] == 3 and "pruned and in int8" in result.notices[0].text
    place = tuned if after.best == before.best else tuned / after.finalists[0].folder
    same = (place / "model.safetensors").read_bytes()
    assert (tmp_path / "chosen/model.safetensors").read_bytes() == same
    # Finetune takes it over, whoever won before.
    paths = {
        "tokens": inputs["tokens"],
        "initial": tmp_path / "chosen",
        "model": tmp_path / "model",
    }
    finetune(section(), **paths)
    assert (tmp_path / "model/model.safetensors").read_bytes() == same


def test_without_time_the_best_one_before_goes_on(inputs, tuned, tmp_path, monkeypatch):
    monkeypatch.setenv(UNTIL, "1000")
    result = chosen_of(inputs, tuned, tmp_path / "chosen")
    after, before = (TUNED.read(open_artifact(one)) for one in (tmp_path / "chosen", tuned))
    assert after.best == before.best and after.value == before.value
    assert all(one.compressed is None and "no time" in one.note for one in after.finalists)
    assert "no time was left" in result.notices[0].text


def test_no_other_one_goes_on_because_the_best_was_not_compressed(inputs, tuned, monkeypatch):
    """Time for one finalist, and not for two: the second would win against nothing."""
    best_first = TUNED.read(open_artifact(tuned, "tuned")).finalists
    tokens = open_artifact(inputs["tokens"], "tokens")
    known = TOKENS.read(tokens)
    compress = COMPRESS["prune"], COMPRESS["quantize"]
    way = finalists.Way(
        tokens, for_task(Task(**CLASSIFICATION), known.labels), Prune(**compress[0]),
        Quantize(**compress[1]), {"max_latency_ms": None, "max_size_mb": None},
    )  # fmt: skip
    monkeypatch.setattr(finalists, "_expected", lambda way, rate: 10.0)
    until = Deadline(15.0 / finalists.SHARE, clock=lambda: 0.0)
    ranked = finalists.choose(way, best_first, pytest.fail, until, 1.0)
    assert [one.trials for one in ranked] == [one.trials for one in best_first]
    assert all(one.compressed is None for one in ranked)


@pytest.mark.slow
def test_what_was_compressed_is_not_compressed_again_after_a_kill(
    inputs, tuned, tmp_path, monkeypatch
):
    monkeypatch.setenv("BERTWORKS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    (tmp_path / "checkpoints").mkdir()
    done: list[int] = []
    real = finalists.compressed

    def counted(way, full, finalist, until):
        if len(done) == 2:
            done.append(-1)
            raise KeyboardInterrupt
        done.append(finalist.trials[0])
        return real(way, full, finalist, until)

    monkeypatch.setattr(finalists, "compressed", counted)
    with pytest.raises(KeyboardInterrupt):
        chosen_of(inputs, tuned, tmp_path / "chosen")
    chosen_of(inputs, tuned, tmp_path / "chosen")
    tried = [one for one in done if one >= 0]
    assert len(tried) == len(set(tried)) == 3
    assert not list((tmp_path / "checkpoints").iterdir())


def test_limits_and_ranks(inputs):
    way = finalists.Way(
        open_artifact(inputs["tokens"]), for_task(Task(**CLASSIFICATION), ["n", "y"], None),
        Prune(enabled=False), Quantize(), {},
    )  # fmt: skip
    worth = {0: (0.7, ""), 1: (0.9, "about 9 MB, gates.max_size_mb is 2"), 2: (0.8, "")}

    def pretend(way, full, one, until):
        clock[0] += 10.0
        value, note = worth[one.trials[0]]
        return replace(one, compressed=value, note=note)

    clock = [0.0]
    ranked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finalists, "compressed", pretend)
        every = [Finalist([number], 0.9 - number / 10, 16) for number in range(3)]
        for left in (1000.0, 25.0):
            clock[0] = 0.0
            until = Deadline(left, lambda: clock[0])
            ranked.append(finalists.choose(way, every, lambda one: None, until, 0.0))
    # What fits the limits comes first, though another one is better.
    assert [one.trials[0] for one in ranked[0]] == [2, 0, 1]
    # No time was left for the third: it comes after what was compressed and fits.
    assert [(one.trials[0], one.compressed) for one in ranked[1]] == [(0, 0.7), (2, None), (1, 0.9)]


@pytest.mark.slow
def test_pods_and_this_machine_come_to_the_same(inputs, tmp_path):
    """Three parts, each with seeds of its own: as pods run them, and as one step here does."""
    given = section(trials=5, workers=3, finalists=2)
    here = tune(given, **inputs, tuned=tmp_path / "here")
    for part in range(3):
        tune(given, **inputs, tuned=tmp_path / f"part-{part}", shard=str(part))
    parts = {f"part_{number}": tmp_path / f"part-{number}" for number in range(3)}
    collect({"tune": given["tune"]}, tuned=tmp_path / "pods", **parts)
    one, other = (open_artifact(tmp_path / name, "tuned") for name in ("here", "pods"))
    for name in ("tuned.json", "model.safetensors", "agent.json", "config.json"):
        if name != "agent.json":
            assert (one / name).read_bytes() == (other / name).read_bytes()
    found = TUNED.read(one)
    assert [len(TUNED.read(open_artifact(parts[name])).trials) for name in parts] == [2, 2, 1]
    assert [trial.number for trial in found.trials] == [0, 1, 2, 3, 4]
    assert len({trial.settings for trial in found.trials}) == 5
    assert found.trials[0].settings.learning_rate == 5e-3
    assert found.value == max(trial.value for trial in found.trials)
    assert (one / found.finalists[1].folder / "model.safetensors").is_file()
    assert "one after another" in here.notices[-1].text
    again = json.loads((one / "agent.json").read_text())
    assert again["max_length"] == 16
    both = merged([TUNED.read(open_artifact(parts[name])) for name in parts], 2)[0]
    assert both.finalists[0].value >= both.finalists[1].value


def write_cpus(folder: str, number: int) -> None:
    import os
    from pathlib import Path

    Path(folder, str(number)).write_text(" ".join(map(str, sorted(os.sched_getaffinity(0)))))


def test_processes_share_the_cpus(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "CPUS_EACH", 1)
    monkeypatch.setattr(workers, "available_threads", lambda: 2)
    workers.do_all(write_cpus, [(str(tmp_path), 0), (str(tmp_path), 1)])
    used = [(tmp_path / str(number)).read_text().split() for number in range(2)]
    assert all(used) and not set(used[0]) & set(used[1])
    monkeypatch.setattr(workers, "available_threads", lambda: 1)
    assert not workers.at_once(2)


@pytest.mark.slow
def test_trials_are_cross_validated_and_the_best_is_fitted_on_all_rows(inputs, tmp_path):
    given = section(trials=3, folds=3, finalists=2)
    result = tune(given, **inputs, tuned=tmp_path / "tuned")
    found = TUNED.read(open_artifact(tmp_path / "tuned", "tuned"))
    whole = [one for one in found.trials if one.ended == "complete"]
    assert found.folds == 3 and whole and all(len(one.rungs) == 3 for one in whole)
    assert all(one.value == one.rungs[-1] and one.error is not None for one in whole)
    assert found.trials[found.best].value == max(one.value for one in whole)
    assert any("cross-validated over 3 folds" in notice.text for notice in result.notices)
    # The model is what the finetune step makes of the same settings with all training rows.
    won = {**given["finetune"], **found.settings.of_finetune()}
    paths = {"tokens": inputs["tokens"], "initial": inputs["initial"], "model": tmp_path / "alone"}
    finetune({**given, "finetune": won}, **paths)
    same = (tmp_path / "alone/model.safetensors").read_bytes()
    assert same == (tmp_path / "tuned/model.safetensors").read_bytes()


def test_folds_have_their_share_of_each_label_and_every_row_once(inputs):
    tokens = open_artifact(inputs["tokens"])
    handler = for_task(Task(**CLASSIFICATION), ["n", "y"], None)
    whole = Material.read(tokens, handler, load_initial(open_artifact(inputs["initial"]), tokens))
    parts = list(folded(whole, 4, seed=1))
    left_out = [name for part in parts for name in part.validation.ids]
    assert sorted(left_out) == sorted(whole.train.ids)
    shares = [part.validation.targets.mean() for part in parts]
    assert max(shares) - min(shares) < 0.06
    for part in parts:
        assert not set(part.train.ids) & set(part.validation.ids)
        assert len(part.train) + len(part.validation) == len(whole.train)
    assert [part.validation.ids for part in folded(whole, 4, seed=1)] == [
        part.validation.ids for part in parts
    ]
    check_folds(whole, len(whole.train))
    with pytest.raises(DataError, match=r"rows cannot be dealt into \d+ folds") as refused:
        check_folds(whole, len(whole.train) + 1)
    assert f"tune.folds: {len(whole.train)} or less" in refused.value.fix


@pytest.mark.slow
def test_the_search_tries_other_encoders_and_fewer_layers(inputs, tmp_path):
    deeper = replace(CONFIG, num_heads=(2, 2, 2), intermediate_sizes=(32, 32, 32))
    facts = {"uri": "test://tiny", "scratch": False, "others": ["bge-small-en"]}
    with write(tmp_path / "base", kind="base", producer="ingest", metadata=facts) as folder:
        own = open_artifact(inputs["initial"]).path
        for name in ("config.json", "model.safetensors"):
            shutil.copyfile(own / name, folder / name)
        (folder / "others/bge-small-en").mkdir(parents=True)
        weights = initialize(encoder_shapes(deeper), seed=1)
        save_folder(folder / "others/bge-small-en", deeper, weights, Head("encoder"))
    space = {"learning_rate": None, "layers": {"values": [1, 2]}, "base": ["bge-small-en"]}
    given = section(trials=6, space=space, finalists=3)
    tune(given, **{**inputs, "initial": tmp_path / "base"}, tuned=tmp_path / "tuned")
    opened = open_artifact(tmp_path / "tuned", "tuned")
    found = TUNED.read(opened)
    starts = {(one.settings.base, one.settings.layers) for one in found.trials}
    assert {base for base, _ in starts} == {"own", "bge-small-en"} and len(starts) > 2
    assert found.trials[0].settings.base == "own" and found.trials[0].settings.layers == 2
    assert any("base own or bge-small-en" in one for one in found.searched)
    for one in found.finalists:
        place = opened.path if one.trials[0] == found.best else opened / one.folder
        layers = found.trials[one.trials[0]].settings.layers
        assert load_folder(place)[0].num_layers == layers
    uri = "test://tiny" if found.settings.base == "own" else "bge_small_en"
    assert uri in opened.metadata["base"] and uri in opened.json("agent.json")["base"]
