"""Sides of a comparison: processes that are loaded once and measure when told to, in turn.

A side is a script that answers each JSON line on its standard input with a JSON line on its standard
output. Sides take turns, round after round, so that a machine that changes its speed changes all of
them alike; only one of them works at any time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

REPOSITORY = Path(__file__).resolve().parents[2]
OWN_PYTHON = Path(sys.executable)


def peer_python(environment: str = "peers") -> Path:
    """The Python of a peers' environment, which `make bench-NAME` installs beside `.venv`.

    Args:
        environment: "peers" (torch, transformers, datasets, onnxruntime, openvino) or "peers-tfx".
    """
    named = os.environ.get(f"BERTWORKS_{environment.upper().replace('-', '_')}")
    python = Path(named) if named else REPOSITORY / f".venv-{environment}/bin/python"
    if not python.exists():
        raise SystemExit(
            f"error: {python} does not exist.\n  fix: make .venv-{environment}/.done, or set "
            f"BERTWORKS_{environment.upper().replace('-', '_')} to a Python that has the peers"
        )
    return python


class Side:
    """One side: a process that answers requests.

    Args:
        name: As the tables call it.
        python: Whose environment it runs in.
        script: The script, relative to the repository.
        arguments: Its arguments.
    """

    def __init__(self, name: str, python: Path, script: str, *arguments: str | Path) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [str(python), str(REPOSITORY / script), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )

    def ask(self, request: Any) -> Any:
        """Sends a request and waits for the answer.

        Raises:
            SystemExit: The process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise SystemExit(f"error: {self.name} ended with code {self._process.wait()}")
        return json.loads(line)

    def __enter__(self) -> Side:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def serve(answer: Callable[[Any], Any]) -> None:
    """Answers requests until standard input ends: the loop of a side's script.

    What libraries print goes to standard error, so that it cannot be taken for an answer.
    """
    answers = _take_output()
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


def _take_output() -> TextIO:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def in_turn(sides: Sequence[Side], request: Any, rounds: int) -> dict[str, list[Any]]:
    """Asks every side once a round; the order is turned round in every other round.

    Returns:
        Each side's answers, one a round, by its name.
    """
    answers: dict[str, list[Any]] = {side.name: [] for side in sides}
    for number in range(rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            answers[side.name].append(side.ask(request))
    return answers
