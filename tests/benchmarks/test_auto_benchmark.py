"""`make bench-auto`: what is run, what is kept, and the table that is made of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from benchmarks import auto, presets
from benchmarks.automatic import made as runs
from benchmarks.automatic.autogluon import Compared
from benchmarks.automatic.sets import SETS, DataSet, named, places
from benchmarks.automatic.table import result


def one(name: str = "cola", minutes: float = 10, seed: int = 1, **more: object) -> runs.Made:
    known = {
        "taken": 9.5, "passed": True, "base": "minilm-l6", "pruned": True, "metric": "mcc",
        "value": 0.4, "low": 0.3, "high": 0.5, "rows": 516, "size_mb": 19.0, "load": (1.0, 2.0),
    }  # fmt: skip
    return runs.Made(name, minutes, seed, **{**known, **more})  # type: ignore[arg-type]


def test_a_data_set_that_is_not_there_is_skipped_with_the_file_that_lacks(tmp_path: Path) -> None:
    assert "DATA=" in str(places(named("cola"), None, tmp_path))
    missing = places(named("cola"), tmp_path, tmp_path)
    assert missing == f"{tmp_path}/cola/train.jsonl is not there"
    (tmp_path / "cola").mkdir()
    for split in ("train", "validation", "test"):
        (tmp_path / f"cola/{split}.jsonl").write_text("{}\n", encoding="utf-8")
    assert len(places(named("cola"), tmp_path, tmp_path)) == 3
    with pytest.raises(SystemExit, match="--only takes some of: sentiment"):
        named("imdb")


def test_the_command_is_one_that_the_command_line_takes(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from bertworks.spec import AgentSpec
    from pipelines.cli.main import app

    called = runs.command(named("banking77"), [tmp_path / "rows.jsonl"], 7.5, 3, tmp_path)
    settings = [called[n + 1] for n, part in enumerate(called) if part == "--set"]
    assert "confidence.out_of_scope=0.05" in settings
    assert called[called.index("--seed") + 1] == "3"
    answer = CliRunner().invoke(app, called[3:])
    assert answer.exit_code != 2, answer.output  # 2: not a command
    name = called[called.index("--name") + 1]
    AgentSpec(name=name, data={"sources": [{"uri": "rows.jsonl"}]})


def test_f1_of_a_label_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    truth, guessed = (random.choice(["yes", "no"], 400).astype(object) for _ in range(2))
    value, low, high = runs.label_f1(truth, guessed, "yes")
    assert value == pytest.approx(f1_score(truth, guessed, pos_label="yes"))
    assert low < value < high


def test_what_is_kept_comes_back_and_makes_the_table(tmp_path: Path) -> None:
    given = [
        one(seed=1, value=0.38, calibration_error=0.02, rates=[40.0], peer_rates=[10.0]),
        one(seed=2, value=0.42, calibration_error=0.04, passed=False, taken=12.5),
        one(
            "banking77", 30, 1, metric="accuracy", value=0.95, recall={"snips": 0.97}, refused=0.05
        ),
    ]
    for made in reversed(given):
        made.save(tmp_path)
    there = runs.kept(tmp_path)
    assert there == [given[2], given[0], given[1]]
    rows = {row.what: row for row in result(there).rows}
    mcc = rows["cola, 10 minutes: mcc"]
    assert (mcc.own, mcc.goal, mcc.met, mcc.rounds) == (pytest.approx(0.40), 0.40, True, 2)
    assert "1 of 2 did not end well" in mcc.note
    assert rows["cola, 10 minutes: time taken over time given"].own == pytest.approx(1.1)
    assert rows["cola, 10 minutes: texts to answers"].ratio == 4.0
    scope = rows["banking77, 30 minutes: out of scope, snips"]
    assert scope.own == 0.97 and scope.met and "0.05" in scope.note


def test_what_is_kept_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one(name="sentiment", minutes=30, seed=7, metric="accuracy").save(tmp_path / "auto")
    monkeypatch.setattr(auto, "places", lambda *_: [tmp_path / "rows.csv"])
    monkeypatch.setattr(runs, "make", lambda *_: pytest.fail("a run was made"))
    asked = ["--only", "sentiment", "--seeds", "7", "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["auto", *asked])
    auto.main()
    assert "not made again" in capsys.readouterr().err
    assert json.loads((tmp_path / "auto.json").read_text("utf-8"))["rows"]


def test_every_data_set_has_a_metric_of_its_task() -> None:
    from bertworks.spec.task import Task, metrics_of

    kinds = {"stsb_en": "regression", "conll2003": "tagging", "msra_ner_zh": "tagging"}
    for wanted in SETS:
        task = Task(type=kinds.get(wanted.name, "classification"))
        assert isinstance(wanted, DataSet) and wanted.asked is not None
        assert wanted.metric in (*metrics_of(task), *(["f1"] if wanted.name == "mrpc" else []))


def test_presets_stand_in_their_order_with_medians() -> None:
    there = [
        one("cola, best", 0, 1, value=0.5), one("cola, quick", 0, 1, value=0.3),
        one("cola, quick", 0, 2, value=0.2), one("mrpc, balanced", 0, 1, metric="f1", value=0.8),
    ]  # fmt: skip
    rows = [(row.what, row.own, row.rounds) for row in presets.result(there).rows]
    assert rows == [
        ("cola, quick: mcc", 0.25, 2), ("cola, best: mcc", 0.5, 1), ("mrpc, balanced: f1", 0.8, 1)
    ]  # fmt: skip


def test_autogluon_stands_beside_the_bundle(tmp_path: Path) -> None:
    peer = Compared(0.38, 10.5, [5.0, 7.0], [60.0, 70.0])
    one(value=0.4, autogluon=peer).save(tmp_path)
    (back,) = runs.kept(tmp_path)
    assert back.autogluon == peer
    rows = [row for row in result([back]).rows if "AutoGluon" in row.peer]
    assert rows[0].own == pytest.approx(0.02) and rows[0].met and "10.5 minutes" in rows[0].note
    assert rows[1].ratio == pytest.approx(65 / 6)


def test_a_data_set_that_fails_leaves_the_others_to_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def make(wanted: DataSet, *_: object) -> tuple[runs.Made, dict[str, Path]]:
        if wanted.name == "cola":
            raise SystemExit("error: cola: no bundle was left; codes [1]")
        return one(wanted.name, 10, 42, metric=wanted.metric), {"bundle": tmp_path}

    monkeypatch.setattr(auto, "places", lambda *_: [tmp_path / "rows.csv"])
    monkeypatch.setattr(runs, "make", make)
    monkeypatch.setattr(runs, "test_rows", lambda _: ([], {}))
    monkeypatch.setattr(auto, "rates", lambda *_, **__: ([40.0], [10.0]))
    asked = ["--only", "cola", "mrpc", "--minutes", "10", "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["auto", *asked])
    with pytest.raises(SystemExit) as ended:
        auto.main()
    assert ended.value.code == 1 and "cola: error: cola: no bundle" in capsys.readouterr().err
    assert [made.name for made in runs.kept(tmp_path / "auto")] == ["mrpc"]
