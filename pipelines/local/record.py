"""What a run did: kept in run.json, rebuilt from the events that its steps report."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from bertworks.contracts.runs import RUN, RunRecord, RunStep
from bertworks.errors import ArtifactError, BertworksError
from bertworks.notices import Notice, in_order
from pipelines.box import Box, Kind
from pipelines.graph import Branch, Graph
from pipelines.local.events import Event, StageEvent, StepEvent
from pipelines.local.root import Root


@dataclass
class Step:
    """One box of the DAG in a run that goes on: what its record keeps, and what it does now.

    The fields that `RunStep` has too are described there; `known_as` is what the report calls its
    outputs, and `agent` in whose name, where the DAG makes several.
    """

    name: str
    step: str = ""
    agent: str = ""
    after: list[str] = field(default_factory=list)
    row: int = 0
    known_as: Mapping[str, str] = field(default_factory=dict)
    state: str = "waiting"
    seconds: float = 0.0
    work_seconds: float = 0.0
    made_in_seconds: float = 0.0
    started: float = 0.0
    message: str = ""
    exit_code: int = 0
    section: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    stage: StageEvent | None = None
    answer: str = ""

    @classmethod
    def of(cls, box: Box, graph: Graph) -> Step:
        """A box that has not begun."""
        place = graph.drawn()[box.name]
        return cls(box.name, box.step, box.agent, place.after, place.row, box.known_as)

    def take(self, event: StepEvent) -> None:
        """Takes in its beginning or its end."""
        started = event.state == "started"
        self.state = "running" if started else event.state
        if started:
            self.started = event.time
        elif self.started:
            self.seconds = event.time - self.started
        for name, value in event.facts.items():
            setattr(self, name, value)

    def record(self) -> RunStep:
        """What is kept of it."""
        kept = {one.name: getattr(self, one.name) for one in fields(RunStep)}
        return RunStep(**kept | {"seconds": round(self.seconds, 3)})

    def told(self) -> list[Notice]:
        """Its notices, the warnings first; where to read more as a path, if it is a file of its."""
        return [
            replace(notice, more=_placed(notice.more, self.outputs.values()))
            for notice in in_order(self.notices)
        ]

    @property
    def cached(self) -> bool:
        return self.state == "cached"

    @property
    def finished(self) -> bool:
        return self.state in ("succeeded", "cached", "skipped")


def _placed(name: str, folders: Iterable[str]) -> str:
    """The path of a file that lies in one of the folders; the name itself where none has it."""
    files = (Path(folder) / name for folder in folders) if name else ()
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        return name
    here = os.path.relpath(found)
    return str(found) if here.startswith(os.pardir) else here


@dataclass
class Run:
    """One pass of the DAG on this machine."""

    folder: Path
    name: str
    spec: dict[str, Any]
    spec_file: str
    steps: dict[str, Step]
    kind: Kind = "agent"
    branches: Mapping[str, Branch] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.time)
    seconds: float = 0.0
    state: str = "running"
    message: str = ""

    @property
    def id(self) -> str:
        return self.folder.name

    def apply(self, event: Event) -> None:
        """Takes in one event of a step."""
        step = self.steps.get(event.step)
        if step is None:
            return
        if isinstance(event, StageEvent):
            step.stage = event
            return
        step.take(event)
        if branch := self._cut_off(step):
            for name in branch.boxes:
                self.steps[name].state = "skipped"

    def _cut_off(self, step: Step) -> Branch | None:
        """The boxes that do not run as this step says, if there are any."""
        branch = self.branches.get(step.name)
        return branch if branch and step.finished and step.answer != branch.answer else None

    def artifacts(self) -> dict[str, str]:
        """The report's names for the artifacts of the finished steps."""
        found = {}
        for step in self.steps.values():
            branch = self._cut_off(step)
            for output, path in step.outputs.items() if step.finished else ():
                # Where what would take it does not run, there is nothing in it.
                if branch is None or output not in branch.feeds:
                    name = step.known_as.get(output, output)
                    found[f"{step.agent}.{name}" if step.agent else name] = path
        return found

    def record(self) -> RunRecord:
        """The run as the report and `run.json` have it."""
        return RunRecord(
            id=self.id,
            name=self.name,
            kind=self.kind,
            spec=self.spec,
            spec_file=self.spec_file,
            fingerprints=self.fingerprints,
            started=self.started,
            seconds=round(self.seconds, 3),
            state=self.state,
            message=self.message,
            steps=[step.record() for step in self.steps.values()],
            artifacts=self.artifacts(),
            folder=self.folder,
        )

    def save(self) -> None:
        """Writes run.json, all or nothing."""
        RUN.write(self.folder, self.record())


def newest_first(root: Root) -> Iterator[RunRecord]:
    """The records of all runs; one that cannot be read is passed over."""
    for file in sorted(root.runs.glob("*/run.json"), reverse=True):
        try:
            yield _completed(replace(RUN.read(file.parent), folder=file.parent))
        except ArtifactError:
            print(f"warning: {file} cannot be read: passed over", file=sys.stderr)


def _completed(record: RunRecord) -> RunRecord:
    """A record with what records of version 0.1 did not say of the boxes: the table has it."""
    if record.kind:
        return record
    graph = Graph.named(step.name for step in record.steps)
    boxes, drawn = {box.name: box for box in graph.boxes}, graph.drawn()
    steps = [
        replace(step, step=boxes[step.name].step, **drawn[step.name]._asdict())
        if step.name in boxes
        else step
        for step in record.steps
    ]
    kind = "retrain" if any(box.closes for box in graph.boxes) else "agent"
    return replace(record, kind=kind, steps=steps)


def latest(root: Root, run_id: str | None = None) -> RunRecord:
    """Reads a run's record.

    Args:
        root: The root folder.
        run_id: The run; None: the newest.

    Raises:
        BertworksError: There is no such run.
    """
    for record in newest_first(root):
        if run_id in (None, "latest", record.folder.name):
            return record
    wanted = f"run {run_id!r}" if run_id else "run"
    raise BertworksError(
        f"There is no {wanted} in {root.runs}.",
        "Start one with `bertworks run SPEC`, or name another folder with --root.",
    )
