"""Runs a case: the steps that read its data, or all of them and then `bertworks predict`.

A case of answers that depend on their company has an example's data and base, and candidates of its own.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from bertworks.batch.texts import Form, read
from bertworks.errors import DataError
from bertworks.notices import Notice
from bertworks.runtime.agent import Agent
from bertworks.spec import Base
from bertworks.spec.file import load
from bertworks.storage.artifacts import open_artifact
from bertworks.text.tokenizer import Tokenizer
from tests.cases.expected import Outcome
from tests.helpers.steps import ingest, validate

_OUTPUTS = ("examples", "corpus", "rejected", "base")
_PROGRAM = [sys.executable, "-m", "pipelines.cli"]
_EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sentiment.yaml"
# Enough to train a little on; whether the agent is good is not the question.
_BRIEFLY = {
    "data.max_rows": 1200, "finetune.epochs": 1, "compress.prune.epochs": 1, "evaluate.floor": False,
    "evaluate.bootstrap": 50, "compress.quantize.max_drop": 1.0, "gates.minimum": None,
    "gates.max_drop": None, "gates.beat_floor": False,
}  # fmt: skip
_ASKED, _BATCH = 827, 32


def data_steps(folder: Path) -> Outcome:
    """Ingest, and validate where the case's own base is at hand; `predict`'s reader without a spec."""
    if not (folder / "spec.yaml").exists():
        file = next(one for one in folder.iterdir() if one.name != "README")
        return Outcome(answers=[given.record for given in read([], file, Form())])
    spec = load(folder / "spec.yaml").spec
    section: dict[str, Any] = spec.model_dump(mode="json", by_alias=True)
    if spec.base == Base():
        section["base"] = Base(uri="scratch").model_dump(mode="json")
    out = folder / "out"
    out.mkdir()
    result = ingest(
        {**section, "spec_folder": str(folder), "fingerprints": {}},
        **{name: out / name for name in _OUTPUTS},
    )
    outcome = _read(out, result.notices)
    tokenizer = out / "base" / "tokenizer.json"
    if tokenizer.exists():
        outcome.lowercase = Tokenizer.load(tokenizer).config["do_lower_case"]
    try:
        result = validate(
            section, examples=out / "examples", base=out / "base", statistics=out / "statistics"
        )
    except DataError:
        return outcome  # of a check that this case is not about
    outcome.notices += [notice.text for notice in result.notices]
    return outcome


def whole_way(folder: Path) -> Outcome:
    """`bertworks run`, and the agent's answers to the raw rows of the case's data."""
    if (error := _run(folder, "spec.yaml")) is not None:
        return Outcome(error=error)
    runs = sorted((folder / ".bertworks" / "runs").glob("*/run.json"))
    record = json.loads(runs[-1].read_text(encoding="utf-8"))
    outcome = Outcome(notices=[json.dumps(record)], info={"read": 0, "labels": []})
    bundles = sorted((folder / ".bertworks").rglob("versions/*/metrics/metrics.json"))
    for entry in json.loads(bundles[-1].read_text(encoding="utf-8")):
        if not entry["slice"]:
            outcome.metrics[entry["name"]] = entry["value"]
    if (data := folder / "data.csv").exists():
        with data.open(encoding="utf-8-sig", newline="") as stream:
            truth = [row["label"] for row in csv.DictReader(stream)]
        asked = [*_PROGRAM, "predict", "--file", str(data), "-o", "answers.jsonl"]
        subprocess.run(asked, cwd=folder, check=True, capture_output=True)
        lines = (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()
        outcome.answers = [
            {**json.loads(line), "truth": label} for line, label in zip(lines, truth, strict=True)
        ]
    return outcome


def in_company(folder: Path) -> Outcome:
    """`bertworks run` of an example with the case's candidates; its answers alone and in company."""
    case = yaml.safe_load((folder / "spec.yaml").read_text(encoding="utf-8"))
    candidates = {"compress.quantize.candidates": case["compress"]["quantize"]["candidates"]}
    changes = {**_BRIEFLY, **candidates}.items()
    options = [f"--set={name}={json.dumps(value)}" for name, value in changes]
    if (error := _run(folder, str(_EXAMPLE), *options)) is not None:
        return Outcome(error=error)
    record = json.loads(
        next((folder / ".bertworks" / "runs").glob("*/run.json")).read_text("utf-8")
    )
    bundle = Path(record["artifacts"]["bundle"])
    files = sorted(Path(record["artifacts"]["examples"]).rglob("*.parquet"))
    texts = [row["text"] for file in files for row in pq.read_table(file).to_pylist()][:_ASKED]
    agent = Agent.load(bundle, max_batch=_BATCH)
    longest = sorted(texts, key=len)[-_BATCH + 1 :]
    asked = {
        "alone": [agent.predict([text])[0] for text in texts],
        "together": agent.predict(texts),
        "beside_long": [agent.predict([text, *longest])[0] for text in texts],
    }
    answers = [dict(zip(asked, each, strict=True)) for each in zip(*asked.values(), strict=True)]
    name = open_artifact(bundle, "bundle").metadata["engine"]
    return Outcome(answers=answers, info={"read": len(texts), "labels": [name]})


def _run(folder: Path, spec: str, *options: str) -> DataError | None:
    """`bertworks run` in a folder; what it said where it failed."""
    done = subprocess.run(
        [*_PROGRAM, "run", spec, *options], cwd=folder, capture_output=True, text=True, check=False
    )
    if not done.returncode:
        return None
    message, _, fix = (done.stdout + done.stderr).strip().partition("fix:")
    return DataError(message[-500:], fix.strip())


def _read(out: Path, notices: Sequence[Notice]) -> Outcome:
    lines = (out / "rejected" / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    files = sorted((out / "examples").rglob("*.parquet"))
    return Outcome(
        info=json.loads((out / "examples" / "info.json").read_text(encoding="utf-8")),
        rows=[row for file in files for row in pq.read_table(file).to_pylist()],
        notices=[notice.text for notice in notices],
        rejected=[json.loads(line) for line in lines],
    )
