"""What a step is doing, how fast, and how long it still takes.

A step says `with progress.stage("training", total=3000, unit="rows") as stage: stage.advance(32)`.
When BERTWORKS_EVENTS names a file, each report is one JSON line appended to it, which the local
runner draws live; otherwise reports go to stderr, at most one every five seconds, so that a pod's log
stays readable.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

EVENTS = "BERTWORKS_EVENTS"
STEP = "BERTWORKS_STEP"
_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


class Stage:
    """One piece of long work inside a step."""

    def __init__(self, name: str, total: float | None, unit: str, start: float = 0) -> None:
        self.name, self.total, self.unit = name, total, unit
        self.done, self.note = start, ""
        self._start_done = start
        self._began = time.monotonic()
        self._last_report = 0.0

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Counts work done; `note` is a few words beside the rate, such as "loss 0.41"."""
        self.done += amount
        self.note = note or self.note
        now = time.monotonic()
        if now - self._last_report >= (0.5 if os.environ.get(EVENTS) else 5.0):
            self._last_report = now
            self.report("running")

    def report(self, state: str) -> None:
        """Emits the stage's present state: "running", "done" or "failed"."""
        seconds = time.monotonic() - self._began
        emit(
            {
                "event": "stage",
                "stage": self.name,
                "state": state,
                "done": self.done,
                "total": self.total,
                "unit": self.unit,
                "note": self.note,
                "seconds": round(seconds, 3),
                "rate": round((self.done - self._start_done) / seconds, 3) if seconds > 0 else 0.0,
            }
        )


@contextlib.contextmanager
def stage(
    name: str, total: float | None = None, unit: str = "", start: float = 0
) -> Iterator[Stage]:
    """Reports a piece of work: when it begins, as it advances, and when it ends.

    Args:
        name: What is being done, in a few plain words.
        total: How much there is to do, in `unit`s, when known.
        unit: "rows", "steps", "bytes", …
        start: How much was already done, when work resumes.
    """
    current = Stage(name, total, unit, start)
    current.report("running")
    try:
        yield current
    except BaseException:
        current.report("failed")
        raise
    current.report("done")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps the reports of what this thread does in the block off stderr."""
    before = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(before)


def emit(event: Mapping[str, Any]) -> None:
    """Appends one event to the events file, or prints it to stderr."""
    event = {"time": time.time(), "step": os.environ.get(STEP, ""), **event}
    file = os.environ.get(EVENTS)
    if file:
        # One write of one line in append mode: whole lines even when two processes write.
        with open(file, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(event, ensure_ascii=False) + "\n")
    elif event["event"] == "stage" and not _quiet.get():
        total = f"/{event['total']:g}" if event["total"] else ""
        rate = f", {event['rate']:.1f} {event['unit']}/s" if event["unit"] else ""
        note = f", {event['note']}" if event["note"] else ""
        print(
            f"[{event['step'] or 'bertworks'}] {event['stage']}: {event['state']} "
            f"{event['done']:g}{total} {event['unit']}{rate}{note}",
            file=sys.stderr,
            flush=True,
        )


def duration(seconds: float) -> str:
    """12.3 s, 4 min 07 s, or 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
