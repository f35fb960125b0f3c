"""`bertworks retrain` for real: nothing new, a challenger that wins, one that loses, a failure."""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_agent
from tiny_agent import PATIENCE, REPOSITORY, made_up_rows, write_rows

# The smallest agent: no pruning, no TFMA, one graph.
QUICK = """\
name: tiny
task: {type: classification, max_length: 32}
data: {sources: [{uri: rows.csv}], validation: 0.15, test: 0.2, max_rejected: 0.0}
base:
  uri: scratch
  scratch: {vocab_size: 200, layers: 1, hidden_size: 32, heads: 2, intermediate_size: 64}
validate:
  checks: {near_duplicates: ignore, leakage: ignore}
finetune: {epochs: 8, learning_rate: 0.005, batch_size: 16, precision: float32}
evaluate: {slices: [], bootstrap: 50, floor: false}
compress:
  prune: {enabled: false}
  quantize: {candidates: [onnxruntime-fp32], measure_rows: 32, calibration_rows: 32}
gates: {minimum: 0.6, max_drop: 0.3, beat_floor: false}
retrain: {min_new_rows: 80}
"""
NEW_GOOD, NEW_BAD = ["splendid", "radiant", "superb"], ["ghastly", "wooden", "tedious"]


def newer_rows(count: int, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Rows whose decisive words the champion has never seen."""
    with monkeypatch.context() as patch:
        patch.setattr(tiny_agent, "GOOD", NEW_GOOD)
        patch.setattr(tiny_agent, "BAD", NEW_BAD)
        return made_up_rows(count, seed=7)


@pytest.fixture(scope="module")
def hook() -> Iterator[tuple[list[dict[str, Any]], str]]:
    told: list[dict[str, Any]] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield told, f"http://127.0.0.1:{server.server_port}/SECRET"
    server.shutdown()


Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def bertworks(warm_python: str) -> Cli:
    """Runs the command line in a process of its own."""

    def call(folder: Path, *arguments: str, hook: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "BERTWORKS_WEBHOOK": hook}
        return subprocess.run(
            [warm_python, "-m", "pipelines.cli", *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip

    return call


def latest(folder: Path) -> dict[str, Any]:
    newest = sorted((folder / ".bertworks/runs").iterdir())[-1]
    return json.loads((newest / "run.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, hook: tuple[list[dict[str, Any]], str], bertworks: Cli
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A first retraining: without a champion the whole agent is trained."""
    folder = tmp_path_factory.mktemp("retrain")
    write_rows(folder / "rows.csv", made_up_rows(300))
    (folder / "spec.yaml").write_text(QUICK, encoding="utf-8")
    return folder, bertworks(folder, "retrain", "spec.yaml", hook=hook[1])


def test_without_a_champion_the_agent_is_trained(trained, hook) -> None:
    folder, outcome = trained
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "tiny: version 1 is the new champion" in outcome.stdout, outcome.stdout
    assert {step["state"] for step in latest(folder)["steps"]} == {"succeeded"}
    assert hook[0][0]["outcome"] == "promoted" and hook[0][0]["champion"] is None
    assert (folder / ".bertworks/models/tiny/versions/1/model/model.safetensors").exists()


def test_nothing_new_ends_well(trained, hook, bertworks: Cli) -> None:
    folder, _ = trained
    outcome = bertworks(folder, "retrain", "spec.yaml", hook=hook[1])
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "unchanged, after" in outcome.stdout
    assert "Nothing to learn from: 0 new rows since champion 1" in outcome.stdout
    record = latest(folder)
    states = {step["name"]: step["state"] for step in record["steps"]}
    assert {states[name] for name in ("ingest", "compare", "notify")} == {"succeeded"}
    assert {states[name] for name in ("validate", "finetune", "register")} == {"skipped"}
    assert record["state"] == "succeeded"
    page = (folder / ".bertworks/runs" / record["id"] / "report.html").read_text("utf-8")
    assert "Nothing new to learn from" in page and "cannot be shown" not in page
    assert hook[0][-1]["outcome"] == "unchanged"


def test_a_step_that_fails_is_told_with_its_reason(trained, hook, bertworks: Cli) -> None:
    folder, _ = trained
    whole = (folder / "rows.csv").read_text("utf-8")
    try:
        (folder / "rows.csv").write_text(whole + "no label here,\n", encoding="utf-8")
        outcome = bertworks(folder, "retrain", "spec.yaml", hook=hook[1])
    finally:
        (folder / "rows.csv").write_text(whole, encoding="utf-8")
    assert outcome.returncode == 3, outcome.stdout + outcome.stderr
    assert "Step ingest failed" in outcome.stderr and "Traceback" not in outcome.stderr
    told = hook[0][-1]
    assert (told["outcome"], told["step"]) == ("failed", "ingest")
    assert "rejected" in told["reason"] and told["reason"].splitlines()[0] in outcome.stderr
    listed = bertworks(folder, "models", "outcomes", "tiny")
    assert [line.split()[1] for line in listed.stdout.splitlines()][-1] == "failed"
    files = [one for one in (folder / ".bertworks").rglob("*") if one.is_file()]
    assert not [one for one in files if b"SECRET" in one.read_bytes()]


def test_new_rows_make_a_challenger_that_wins(
    trained, hook, bertworks: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = trained
    write_rows(folder / "rows.csv", made_up_rows(300) + newer_rows(200, monkeypatch))
    outcome = bertworks(folder, "retrain", "spec.yaml", hook=hook[1])
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    told = hook[0][-1]
    assert told["outcome"] == "promoted", told["text"]
    assert (told["champion"], told["challenger"]) == (1, 2)
    assert told["difference"]["low"] > 0 and told["champion_value"] < told["challenger_value"]
    assert told["rows"]["new"] == 200 and told["rows"]["rehearsed"] > 0
    record = latest(folder)
    merged = Path(record["artifacts"]["examples"])
    before = splits(folder / ".bertworks/models/tiny/versions/1/examples")
    after = splits(merged)
    assert not before["train"] & (after["test"] | after["validation"])
    assert before["test"] <= after["test"]
    # The challenger keeps its champion's vocabulary, as it keeps its weights.
    vocabularies = [
        (folder / f".bertworks/models/tiny/versions/{number}/model/tokenizer.json").read_bytes()
        for number in (1, 2)
    ]
    assert vocabularies[0] == vocabularies[1]


def splits(examples: Path) -> dict[str, set[str]]:
    import pyarrow.parquet as pq

    return {
        split: set(pq.read_table(examples / split, columns=["id"])["id"].to_pylist())
        for split in ("train", "validation", "test")
    }


@pytest.mark.slow
def test_more_of_the_same_makes_a_challenger_that_loses(trained, hook, bertworks: Cli) -> None:
    folder, _ = trained
    write_rows(folder / "rows.csv", made_up_rows(300) + made_up_rows(150, seed=99))
    for expected in ("kept", "unchanged"):  # The same rows are not tried twice.
        outcome = bertworks(
            folder, "retrain", "spec.yaml", "--set", "retrain.max_text_drift=1", hook=hook[1]
        )
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        assert hook[0][-1]["outcome"] == expected, hook[0][-1]["text"]
    listed = bertworks(folder, "models", "list").stdout
    assert re.search(r"\*\s+tiny/[12]\b", listed), listed
    assert "refused" in listed
