"""What a run did: kept in run.json, rebuilt from the events that its steps report."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bertworks.errors import BertworksError
from bertworks.notices import Notice, read_notices
from bertworks.storage.artifacts import write_json
from pipelines.box import Box, Kind
from pipelines.graph import Branch, Graph
from pipelines.local.root import Root


@dataclass
class Step:
    """One box of the DAG in one run.

    `step` is the step that it runs; `after` and `row` are its place in the drawing; `known_as` is what
    the report calls its outputs; `answer` is what the step said, of those that decide what runs next.
    """

    name: str
    step: str = ""
    after: list[str] = field(default_factory=list)
    row: int = 0
    known_as: Mapping[str, str] = field(default_factory=dict)
    state: str = "waiting"
    seconds: float = 0.0
    work_seconds: float = 0.0  # of these, inside the step's function: without starts and imports
    made_in_seconds: float = 0.0  # what it took in the run that made what the cache gave
    started: float = 0.0
    message: str = ""
    exit_code: int = 0
    section: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    notices: list[dict[str, Any]] = field(default_factory=list)
    stage: dict[str, Any] = field(default_factory=dict)
    answer: str = ""

    @classmethod
    def of(cls, box: Box, graph: Graph) -> Step:
        """A box that has not begun."""
        return cls(box.name, step=box.step, known_as=box.known_as, **graph.drawn()[box.name])

    def told(self) -> list[Notice]:
        """Its notices, the warnings first; where to read more as a path, if it is a file of its."""
        return [
            replace(notice, more=_placed(notice.more, self.outputs.values()))
            for notice in read_notices(self.notices)
        ]

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

    def apply(self, event: dict[str, Any]) -> None:
        """Takes in one event of a step."""
        step = self.steps.get(event.get("step", ""))
        if step is None:
            return
        if event["event"] == "stage":
            step.stage = event
            return
        step.state = "running" if event["state"] == "started" else event["state"]
        if event["state"] == "started":
            step.started = event["time"]
        elif step.started:
            step.seconds = event["time"] - step.started
        for key in (
            "inputs",
            "outputs",
            "section",
            "metrics",
            "message",
            "exit_code",
            "work_seconds",
            "made_in_seconds",
            "notices",
            "answer",
        ):
            if key in event:
                setattr(step, key, event[key])
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
                    found[step.known_as.get(output, output)] = path
        return found

    def as_json(self) -> dict[str, Any]:
        """The run as the report and `run.json` have it."""
        return {
            "id": self.id,
            "name": self.name,
            "kind": self.kind,
            "spec": self.spec,
            "spec_file": self.spec_file,
            "fingerprints": self.fingerprints,
            "started": self.started,
            "seconds": round(self.seconds, 3),
            "state": self.state,
            "message": self.message,
            "steps": [
                {
                    "name": step.name,
                    "step": step.step,
                    "after": step.after,
                    "row": step.row,
                    "state": step.state,
                    "cached": step.state == "cached",
                    "seconds": round(step.seconds, 3),
                    "work_seconds": step.work_seconds,
                    "message": step.message,
                    "section": step.section,
                    "inputs": step.inputs,
                    "outputs": step.outputs,
                    "made_in_seconds": step.made_in_seconds,
                    "metrics": step.metrics,
                    "notices": step.notices,
                }
                for step in self.steps.values()
            ],
            "artifacts": self.artifacts(),
        }

    def save(self) -> None:
        """Writes run.json, all or nothing."""
        write_json(self.folder / "run.json", self.as_json())


def newest_first(root: Root) -> Iterator[dict[str, Any]]:
    """The records of all runs with their `folder`; one that cannot be read is passed over."""
    for file in sorted(root.runs.glob("*/run.json"), reverse=True):
        try:
            content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            yield {**_completed(content), "folder": str(file.parent)}
        except (OSError, ValueError, TypeError):
            print(f"warning: {file} cannot be read: passed over", file=sys.stderr)


def _completed(content: dict[str, Any]) -> dict[str, Any]:
    """A record with what records of version 0.1 did not say of the boxes: the table has it."""
    steps = content.get("steps", [])
    if "kind" in content and all("after" in step for step in steps):
        return content
    graph = Graph.named(step["name"] for step in steps)
    drawn, boxes = graph.drawn(), {box.name: box for box in graph.boxes}
    known = [
        {"step": boxes[step["name"]].step, **drawn[step["name"]], **step}
        if step["name"] in boxes
        else step
        for step in steps
    ]
    kind = "retrain" if any(box.closes for box in graph.boxes) else "agent"
    return {"kind": kind, **content, "steps": known}


def latest(root: Root, run_id: str | None = None) -> dict[str, Any]:
    """Reads a run's record.

    Args:
        root: The root folder.
        run_id: The run; None: the newest.

    Raises:
        BertworksError: There is no such run.
    """
    for content in newest_first(root):
        if run_id in (None, "latest", Path(content["folder"]).name):
            return content
    wanted = f"run {run_id!r}" if run_id else "run"
    raise BertworksError(
        f"There is no {wanted} in {root.runs}.",
        "Start one with `bertworks run SPEC`, or name another folder with --root.",
    )
