"""What a run did: kept in run.json, rebuilt from the events that its steps report."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bertworks.artifacts import write_json
from bertworks.errors import BertworksError
from bertworks.notices import Notice, read_notices
from pipelines.local.root import Root

# What the report calls each task's output.
ARTIFACT_NAMES = {
    ("pretrain", "model"): "pretrained",
    ("finetune", "model"): "model",
    ("evaluate", "metrics"): "model_metrics",
    ("evaluate-bundle", "metrics"): "bundle_metrics",
    ("compare", "merged"): "examples",
}


@dataclass
class Step:
    """One box of the DAG in one run."""

    name: str
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
    branch: tuple[str, ...] = ()  # what is skipped when compare finds nothing new
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
        ):
            if key in event:
                setattr(step, key, event[key])
        if self._nothing_new(step):
            for name in self.branch:
                self.steps[name].state = "skipped"

    def _nothing_new(self, step: Step) -> bool:
        return step.name == "compare" and step.finished and not step.metrics.get("changed")

    def artifacts(self) -> dict[str, str]:
        """The report's names for the artifacts of the finished steps."""
        return {
            ARTIFACT_NAMES.get((step.name, output), output): path
            for step in self.steps.values()
            if step.finished
            for output, path in step.outputs.items()
            # Then there is nothing in what a challenger would be made from.
            if output == "comparison" or not self._nothing_new(step)
        }

    def as_json(self) -> dict[str, Any]:
        """The run as the report and `run.json` have it."""
        return {
            "id": self.id,
            "name": self.name,
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
            yield {**content, "folder": str(file.parent)}
        except (OSError, ValueError, TypeError):
            print(f"warning: {file} cannot be read: passed over", file=sys.stderr)


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
