"""One run of `bertworks auto` on one data set, with one seed: the command, and what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.automatic.autogluon import Compared
from benchmarks.automatic.sets import DataSet
from benchmarks.harness.results import machine
from benchmarks.harness.sides import REPOSITORY
from bertworks.storage.replacing import replacing

REFUSED = 0.05
"""The share of in-scope rows that the out-of-scope row allows to be refused."""


@dataclass
class Made:
    """What one run came to.

    Attributes:
        name, minutes, seed: Of the run.
        taken: Minutes that the command took, by this process's clock.
        passed: Whether its gates let the bundle through.
        base: The encoder that was taken.
        pruned: Whether the bundle is of a pruned model.
        metric: What is measured, on the official test rows.
        value, low, high: The bundle's, with its 95 % bootstrap interval.
        rows: Test rows.
        size_mb: Of the bundle, 10^6 bytes.
        calibration_error: Of the bundle on test; None for tasks without probabilities.
        trials: Of the search.
        rates, peer_rates: Rows a second of the bundle and of the peer, a round each, in turn.
        recall: Folder of out-of-scope texts to the share of them that was told as such.
        refused: The share of in-scope test rows that was taken for out of scope.
        autogluon: What AutoGluon came to on the same rows; None: it was not asked.
        load: The machine's load average at the beginning and at the end.
        machine, measured: Where and when.
    """

    name: str
    minutes: float
    seed: int
    taken: float
    passed: bool
    base: str
    pruned: bool
    metric: str
    value: float
    low: float
    high: float
    rows: int
    size_mb: float
    calibration_error: float | None = None
    trials: int = 0
    rates: list[float] = field(default_factory=list)
    peer_rates: list[float] = field(default_factory=list)
    recall: dict[str, float] = field(default_factory=dict)
    refused: float | None = None
    autogluon: Compared | None = None
    load: tuple[float, float] = (0.0, 0.0)
    machine: str = ""
    measured: str = ""

    def save(self, folder: Path, name: str = "") -> None:
        """Writes it beside and renames it into place."""
        folder.mkdir(parents=True, exist_ok=True)
        name = name or file_name(self.name, self.minutes, self.seed)
        with replacing(folder / name) as beside:
            beside.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")

    def to_json(self) -> dict[str, Any]:
        """It as JSON has it."""
        return asdict(self)


def file_name(name: str, minutes: float, seed: int) -> str:
    """Of a kept result."""
    return f"{name}-{minutes:g}m-seed{seed}.json"


def kept(folder: Path) -> list[Made]:
    """All results that a folder holds, by name, minutes and seed."""
    found = []
    for file in folder.glob("*.json"):
        value = json.loads(file.read_text(encoding="utf-8"))
        peer = value.pop("autogluon", None)
        value |= {"load": tuple(value["load"]), "autogluon": Compared(**peer) if peer else None}
        found.append(Made(**value))
    return sorted(found, key=lambda one: (one.name, one.minutes, one.seed))


def command(
    wanted: DataSet, files: Sequence[Path], minutes: float, seed: int, root: Path
) -> list[str]:
    """`bertworks auto` as a user calls it, with the seed in every step that draws."""
    name = f"{wanted.name}-{minutes:g}m-seed{seed}".replace("_", "-").replace(".", "-")
    settings = [*wanted.set_]
    if wanted.outside:
        settings.append(f"confidence.out_of_scope={REFUSED}")
    return [
        sys.executable, "-m", "pipelines.cli", "auto", *map(str, files), "--minutes", f"{minutes:g}",
        "--seed", str(seed), "--name", name, "--out", str(root / f"{name}.yaml"), "--root", str(root),
        *(part for setting in settings for part in ("--set", setting)),
    ]  # fmt: skip


def make(
    wanted: DataSet, files: Sequence[Path], minutes: float, seed: int, root: Path
) -> tuple[Made, dict[str, Path]]:
    """Runs the command and reads what it left: the bundle that it chose, and how good that is.

    Returns:
        The result, without speed and out-of-scope texts; the run's artifacts by name.

    Raises:
        SystemExit: No bundle came of it.
    """
    called = command(wanted, files, minutes, seed, root)
    left = left_by([called], wanted.name, root)
    return of_record(wanted, *left, minutes=minutes, seed=seed)


def of_record(
    wanted: DataSet,
    record: Mapping[str, Any],
    passed: bool,
    taken: float,
    load: tuple[float, float],
    *,
    minutes: float = 0.0,
    seed: int,
) -> tuple[Made, dict[str, Path]]:
    """The result of a run; arguments but the first and the last two are what `left_by` returns."""
    places = {name: Path(place) for name, place in record["artifacts"].items()}
    value, low, high, rows = measured(wanted, places)
    test = _calibration(places["bundle_metrics"])
    searched = places.get("tuned")
    trials = json.loads((searched / "tuned.json").read_text("utf-8"))["trials"] if searched else []
    made = Made(
        wanted.name, minutes, seed, taken, passed,
        _base(places["bundle"]),
        "pruned" in places, wanted.metric, value, low, high, rows, _size(places["bundle"]),
        calibration_error=test["error"] if test else None, trials=len(trials), load=load,
        machine=machine(), measured=datetime.now(UTC).date().isoformat(),
    )  # fmt: skip
    return made, places


def _calibration(metrics: Path) -> dict[str, Any] | None:
    """How far off the scores of the test rows are; None of a task without any, as regression."""
    file = metrics / "confidence.json"
    if not file.is_file():
        return None
    splits = json.loads(file.read_text("utf-8")).get("splits") or {}
    found: dict[str, Any] | None = splits.get("test")
    return found


def _base(bundle: Path) -> str:
    """What the encoder that won is called: its name in the catalogue, where it stands there."""
    from bertworks.spec.bases import CATALOGUE

    uri = str(json.loads((bundle / "agent.json").read_text("utf-8"))["base"])
    return next((one.name for one in CATALOGUE if one.checkpoint.uri == uri), uri)


def left_by(
    commands: Sequence[Sequence[str]], name: str, root: Path
) -> tuple[dict[str, Any], bool, float, tuple[float, float]]:
    """Runs commands one after the other, and reads what they left.

    Args:
        commands: The last one makes a bundle.
        name: Of the data set, for messages.
        root: Where their runs are kept.

    Returns:
        The record of the run whose bundle they chose; whether the last command ended well; the minutes
        that they took; the load average before and after.

    Raises:
        SystemExit: No bundle came of them.
    """
    before, began, clock = os.getloadavg()[0], time.time(), time.monotonic()
    root.mkdir(parents=True, exist_ok=True)
    codes = [subprocess.run(called, cwd=REPOSITORY).returncode for called in commands]
    taken = round((time.monotonic() - clock) / 60, 2)
    record = _chosen(root, began)
    if record is None:
        raise SystemExit(f"error: {name}: no bundle was left; codes {codes}")
    return record, codes[-1] == 0, taken, (before, os.getloadavg()[0])


def _chosen(root: Path, began: float) -> dict[str, Any] | None:
    """The newest run of this command that passed; else the newest that left a bundle's metrics."""
    records = [json.loads(file.read_text("utf-8")) for file in root.glob("runs/*/run.json")]
    ours = [one for one in records if one["started"] >= began - 1]
    ours = [one for one in ours if "bundle_metrics" in one["artifacts"]]
    return max(ours, key=lambda one: (one["state"] == "succeeded", one["started"]), default=None)


def measured(wanted: DataSet, places: Mapping[str, Path]) -> tuple[float, float, float, int]:
    """The metric of the bundle on test with its interval, and the rows; F1 from the bundle's answers."""
    if wanted.metric != "f1":
        metrics = json.loads((places["bundle_metrics"] / "metrics.json").read_text("utf-8"))
        found = next(one for one in metrics if (one["name"], one["slice"]) == (wanted.metric, ""))
        return found["value"], found["low"], found["high"], found["rows"]
    from bertworks.runtime.agent import Agent

    rows, columns = test_rows(places)
    agent = Agent.load(places["bundle"])
    guessed = np.array([answer["label"] for answer in agent.predict(rows)], object)
    return (*label_f1(np.array(columns["label"], object), guessed, _commonest(columns)), len(rows))


def _commonest(columns: Mapping[str, list[Any]]) -> str:
    """The label that a paraphrase corpus counts as positive: that of most rows, in MRPC."""
    labels = columns["label"]
    return str(max(set(labels), key=labels.count))


def label_f1(truth: np.ndarray, guessed: np.ndarray, label: str) -> tuple[float, float, float]:
    """F1 of one label, with its 95 % bootstrap interval."""
    from bertworks.evaluation.bootstrap import estimate

    real, said = truth == label, guessed == label
    parts = np.stack([real & said, real, said], axis=1).astype(float)

    def f1(weights: np.ndarray) -> dict[str, np.ndarray]:
        found, there, named = (weights @ parts).T
        return {"f1": 2 * found / np.maximum(there + named, 1)}

    measured = estimate(f1, len(truth), 2000, seed=42)["f1"]
    return measured.value, measured.low or 0.0, measured.high or 0.0


def test_rows(places: Mapping[str, Path]) -> tuple[list[Any], dict[str, list[Any]]]:
    """The test rows as an agent takes them, and their columns."""
    from bertworks.contracts.agent import AGENT
    from bertworks.evaluation.data import read_split
    from bertworks.storage.artifacts import open_artifact
    from bertworks.tasks import for_task

    columns = read_split(open_artifact(places["examples"], "examples"), "test")
    task = AGENT.read(open_artifact(places["bundle"], "bundle")).task
    return for_task(task).form.rows(columns), columns


def outside(bundle: Path, data: Path, folders: Sequence[str], rows: Sequence[Any]) -> tuple[
    dict[str, float], float
]:  # fmt: skip
    """The share of each folder's test texts told as out of scope, and that of the agent's own rows."""
    from bertworks.runtime.agent import Agent

    agent = Agent.load(bundle)

    def share(texts: Sequence[Any]) -> float:
        return float(np.mean([answer["out_of_scope"] for answer in agent.predict(texts)]))

    def texts(folder: str) -> list[str]:
        lines = (data / folder / "test.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line)["text"] for line in lines]

    return {name: share(texts(name)) for name in folders}, share(rows)


def _size(bundle: Path) -> float:
    return sum(file.stat().st_size for file in bundle.rglob("*") if file.is_file()) / 1e6
