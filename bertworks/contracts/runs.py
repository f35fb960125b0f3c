"""What a run on this machine did: run.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bertworks.contracts.files import UNWRITTEN, File
from bertworks.notices import Notice, in_order


@dataclass(frozen=True)
class RunStep:
    """One box of the DAG in one run.

    Attributes:
        name: Of the box.
        step: The step that it ran; "" in records of version 0.1.
        state: "waiting", "running", "succeeded", "cached", "failed", "skipped" or "interrupted".
        cached: Whether its answer was taken from an earlier run.
        seconds: From its start to its end.
        work_seconds: Of these, inside the step's function: without starts and imports.
        made_in_seconds: What it took in the run that made what the cache gave.
        message: Why it failed.
        section: Its part of the spec, as JSON.
        inputs: Name to path of the artifacts that it read.
        outputs: Name to path of the artifacts that it wrote.
        metrics: What it measured.
        notices: What it dropped, cut, merged, guessed or warns of.
        answer: What branches of the DAG go by, for example "unchanged".
        after: The boxes from which a line leads to it.
        row: The line in which it is drawn: 0 for training, 1 for compression and release.
    """

    name: str
    state: str = "waiting"
    cached: bool = False
    seconds: float = 0.0
    work_seconds: float = 0.0
    made_in_seconds: float = 0.0
    message: str = ""
    section: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    answer: str = ""
    step: str = ""
    after: list[str] = field(default_factory=list)
    row: int = 0

    def told(self) -> list[Notice]:
        """Its notices, the warnings first, each once."""
        return in_order(self.notices)

    @property
    def from_cache(self) -> bool:
        """Whether its answer was taken from an earlier run."""
        return self.cached or self.state == "cached"


@dataclass(frozen=True)
class RunRecord:
    """run.json: one pass of the DAG on this machine.

    Attributes:
        id: The run's id, the name of its folder.
        name: The agent.
        kind: Which DAG: "agent" or "retrain"; "" in records of version 0.1.
        spec: The spec as it was run.
        spec_file: Where it lies.
        fingerprints: Source to what tells its content.
        started: When it began, in seconds since 1970.
        seconds: How long it took.
        state: "running", "succeeded", "failed" or "interrupted"; "" where that is not known.
        message: Why it failed.
        steps: In the order of the DAG.
        artifacts: The report's names of what was made, to its paths.
        folder: Where the record lies.
    """

    id: str = ""
    name: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    spec_file: str = ""
    fingerprints: dict[str, str] = field(default_factory=dict)
    started: float | str | None = None
    seconds: float = 0.0
    state: str = ""
    message: str = ""
    steps: list[RunStep] = field(default_factory=list)
    artifacts: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    folder: Path = field(default=Path(), metadata=UNWRITTEN)

    def step(self, name: str) -> RunStep | None:
        """The box of that name; None where the run has none."""
        return next((one for one in self.steps if one.name == name), None)


RUN: File[RunRecord] = File("run.json", RunRecord, fix="Name another run with --run.")
