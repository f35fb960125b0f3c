"""What the training benchmarks share: a run's artifacts, our side, and many sides training in turn."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.sides import OWN_PYTHON, Side
from pipelines.local import record
from pipelines.local.root import open_root

NEEDED = ("examples", "tokens", "base")


@dataclass(frozen=True)
class Trained:
    """The run whose rows, tokens and checkpoint all sides get.

    Attributes:
        id: The run's.
        spec: Its resolved spec.
        places: Folder of each artifact, by name.
    """

    id: str
    spec: dict[str, Any]
    places: dict[str, Path]

    def own_side(self, name: str, kind: str, *more: str | Path, **settings: Any) -> Side:
        """A bertworks side: the spec's section `kind` ("finetune", "pretrain") with some settings."""
        section = {**self.spec[kind], **settings}
        places = self.places["tokens"], self.places["base"]
        arguments = (kind, *places, "--settings", json.dumps(section), *more)
        return Side(name, OWN_PYTHON, "benchmarks/own_training.py", *arguments)


def find_run(root: str | None, run_id: str) -> Trained:
    """The run to measure with.

    Raises:
        SystemExit: It has not come as far as the transform step.
    """
    run = record.latest(open_root(root), run_id)
    places = {name: Path(path) for name, path in run.artifacts.items()}
    if set(NEEDED) - set(places):
        raise SystemExit(
            f"error: run {run.id} has no tokens yet\n  fix: make run, or name another with --run"
        )
    return Trained(run.id, run.spec, places)


@dataclass
class Course:
    """How one side's training went, one entry a round.

    Attributes:
        seconds: Of each round's steps, data preparation included.
        steps: Steps of each round.
        tokens: Real tokens of each round.
        values: What the evaluation after each round gave.
    """

    seconds: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    @property
    def step_seconds(self) -> float:
        """Median seconds of a step, without the first round, in which graphs are built."""
        pairs = zip(self.seconds[1:], self.steps[1:], strict=True)
        return statistics.median(seconds / steps for seconds, steps in pairs)

    @property
    def rates(self) -> list[float]:
        """Real tokens a second of each round but the first."""
        return [n / s for n, s in zip(self.tokens[1:], self.seconds[1:], strict=True)]

    def reached(self, target: float) -> int | None:
        """Rounds until the first evaluation at or above the target; None: not reached."""
        return next((n for n, value in enumerate(self.values, 1) if value >= target), None)

    def curve(self) -> list[tuple[float, float]]:
        """(seconds of training, value) after each round."""
        ends = [sum(self.seconds[:n]) for n in range(1, len(self.values) + 1)]
        return list(zip(ends, self.values, strict=True))


def race(
    sides: Sequence[Side],
    target: float,
    steps: int,
    rounds: int,
    timed: Mapping[Side, int] | None = None,
) -> dict[str, Course]:
    """Trains all sides in turn, a few steps each, until each has reached the target; twice at least.

    Args:
        sides: Each a training run of its own.
        target: Validation accuracy.
        steps: Steps of a round.
        rounds: At most.
        timed: Sides that take their turns too, of so many steps, but are not evaluated.

    Raises:
        SystemExit: A side has not reached the target after the last round.
    """
    turns = {**dict.fromkeys(sides, steps), **(timed or {})}
    courses = {side.name: Course() for side in turns}
    for number in range(rounds):
        for side in turns if number % 2 == 0 else reversed(turns):
            course = courses[side.name]
            advance(side, course, turns[side])
            if side in sides:
                course.values.append(side.ask({"evaluate": True})["value"])
            say(
                f"round {number + 1}, {side.name}: {course.seconds[-1]:.1f} s, {course.values[-1:]}"
            )
        if number and all(courses[side.name].reached(target) for side in sides):
            return courses
    best = {side.name: max(courses[side.name].values) for side in sides}
    raise SystemExit(f"error: the target {target} was not reached by all: {best}; lower --target")


def advance(side: Side, course: Course, steps: int) -> dict[str, Any]:
    """Trains some steps and writes them down; returns the side's answer."""
    answer: dict[str, Any] = side.ask({"steps": steps})
    course.seconds.append(answer["seconds"])
    course.steps.append(answer["steps"])
    course.tokens.append(answer["tokens"])
    return answer


def say(line: str) -> None:
    """Progress, on standard error."""
    print(line, file=sys.stderr, flush=True)
