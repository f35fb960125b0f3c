"""Runs a case: the steps that read its data, or all of them and then `bertworks predict`."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bertworks.errors import DataError
from bertworks.notices import Notice
from bertworks.spec import Base
from bertworks.spec.file import load
from bertworks.text.tokenizer import Tokenizer
from pipelines.cli.prediction_input import Form, read
from tests.cases.expected import Outcome
from tests.helpers.steps import ingest, validate

_OUTPUTS = ("examples", "corpus", "rejected", "base")


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
    program = [sys.executable, "-m", "pipelines.cli"]
    done = subprocess.run(
        [*program, "run", "spec.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        message, _, fix = said.partition("fix:")
        return Outcome(error=DataError(message[-500:], fix.strip()))
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
        asked = [*program, "predict", "--file", str(data), "-o", "answers.jsonl"]
        subprocess.run(asked, cwd=folder, check=True, capture_output=True)
        lines = (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()
        outcome.answers = [
            {**json.loads(line), "truth": label} for line, label in zip(lines, truth, strict=True)
        ]
    return outcome


def _read(out: Path, notices: Sequence[Notice]) -> Outcome:
    lines = (out / "rejected" / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    files = sorted((out / "examples").rglob("*.parquet"))
    return Outcome(
        info=json.loads((out / "examples" / "info.json").read_text(encoding="utf-8")),
        rows=[row for file in files for row in pq.read_table(file).to_pylist()],
        notices=[notice.text for notice in notices],
        rejected=[json.loads(line) for line in lines],
    )
