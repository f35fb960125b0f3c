"""What the steps of a run report while they are at work: lines of events.jsonl."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

from bertworks.notices import Notice


@dataclass(frozen=True)
class StageEvent:
    """What a running step is doing, as `bertworks.progress` reports it.

    Attributes:
        step: The box.
        stage: What is being done.
        state: "running", "done" or "failed".
        done: How much of it, in units.
        total: How much there is to do; None where that is not known.
        unit: "rows", "steps", ...; may be empty.
        note: A few words beside the rate; may be empty.
        rate: Units a second.
    """

    step: str
    stage: str
    state: str
    done: float
    total: float | None
    unit: str
    note: str
    rate: float


@dataclass(frozen=True)
class StepEvent:
    """The beginning or the end of a step; None is what it does not say. See `RunStep` for the facts.

    Attributes:
        step: The box.
        state: "started", "succeeded", "cached" or "failed".
        time: When, in seconds since 1970.
        exit_code: Of a step that failed.
    """

    step: str
    state: str
    time: float
    section: str | None = None
    inputs: dict[str, str] | None = None
    outputs: dict[str, str] | None = None
    metrics: dict[str, float | None] | None = None
    notices: list[Notice] | None = None
    message: str | None = None
    exit_code: int | None = None
    work_seconds: float | None = None
    made_in_seconds: float | None = None
    answer: str | None = None

    @property
    def facts(self) -> dict[str, object]:
        """What it says of the step, by the names that a `Step` has for it."""
        said = {one.name: getattr(self, one.name) for one in fields(self) if one.default is None}
        return {name: value for name, value in said.items() if value is not None}


Event = StageEvent | StepEvent
KINDS: dict[str, type[Event]] = {"stage": StageEvent, "step": StepEvent}


def read_event(line: bytes | str) -> Event | None:
    """An event; None for a line that a full disk tore apart, which must not hide why a step failed."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    kind = KINDS.get(said.get("event", "")) if isinstance(said, dict) else None
    if kind is None:
        return None
    known = {one.name: said[one.name] for one in fields(kind) if one.name in said}
    if "notices" in known:
        known["notices"] = [Notice.from_json(one) for one in known["notices"]]
    return kind(**known)
