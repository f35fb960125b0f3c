"""An agent made by the real command, and what its run measured."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.sides import REPOSITORY


@dataclass(frozen=True)
class Ran:
    """A run that left a bundle.

    Attributes:
        places: Its artifacts by name.
        gates: Of its spec.
        passed: Whether it passed every gate.
        seconds: By the clock.
    """

    places: dict[str, Path]
    gates: dict[str, Any]
    passed: bool
    seconds: float


def run(spec: str | Path, root: Path, changes: Sequence[str]) -> Ran:
    """Runs a spec's DAG; its progress and its errors stand on the console.

    Args:
        spec: The spec.
        root: Where runs are kept: what an earlier one made is taken from its cache.
        changes: KEY=VALUE over the spec.

    Raises:
        SystemExit: The run failed otherwise than at its gates.
    """
    command = [sys.executable, "-m", "pipelines.cli", "run", str(spec), "--root", str(root)]
    for change in changes:
        command += ["--set", change]
    before, began = _records(root), time.monotonic()
    code = subprocess.run(command, cwd=REPOSITORY, stdout=sys.stderr).returncode
    seconds = time.monotonic() - began
    # Another run's figures are not this one's, however new they are.
    for file in _records(root) - before:
        record = json.loads(file.read_text("utf-8"))
        if "bundle_metrics" in record["artifacts"]:
            places = {name: Path(place) for name, place in record["artifacts"].items()}
            return Ran(places, record["spec"]["gates"], code == 0, seconds)
    said = " ".join([str(spec), *(f"--set {one}" for one in changes)])
    raise SystemExit(f"error: the run of {said} left no bundle to measure, see above")


def _records(root: Path) -> set[Path]:
    return set(root.glob("runs/*/run.json"))
