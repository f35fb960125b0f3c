"""Processes that start and import for a step while the step before it is still at work.

Starting Python and importing TensorFlow takes seconds a step. `Spares`, in the process that runs
kfp.local, keeps one process ahead: `python -m pipelines.local.spare` imports what the next step needs
and waits on a socket. KFP's command for the step then begins with `pipelines/local/spare_client.py` in
Python's place, which hands arguments, environment and output over; where there is no spare, it turns
into the command as it stands.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import logging
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bertworks import cpus
from bertworks.storage.scratch import Scratch
from components.launch import die_with_runner
from pipelines.local.spare_client import ACCEPTED, ADDRESS, EXECUTOR

PYTHON = sys.executable
CLIENT = Path(__file__).with_name("spare_client.py")
EXECUTING = re.compile(r"Executing task \S*'([^']+)'")


class Spares(logging.Filter):
    """Has a process ready for each step, told of the steps' starts by KFP's log.

    A filter, not a handler: KFP takes the root logger's handlers away while a step runs.

    Args:
        imports: What each box imports when at work, in the order in which they run.

    Attributes:
        boxes: KFP's names of the tasks to the boxes'.
    """

    def __init__(self, imports: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.boxes: Mapping[str, str] = {}
        self._waiting = dict(imports)
        self._folder = Scratch()
        self._count = 0
        self._ready: tuple[str, subprocess.Popen[bytes]] | None = None
        self._prepare([])

    @contextlib.contextmanager
    def in_place_of_python(self) -> Iterator[None]:
        """Makes KFP's commands begin with the client: it puts `sys.executable` there as it stands."""
        sys.executable = f"{shlex.quote(PYTHON)} -IS {shlex.quote(str(CLIENT))}"
        try:
            yield
        finally:
            sys.executable = PYTHON

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every line pass; at a step's start, gives it the spare and prepares the next."""
        found = EXECUTING.search(record.getMessage())
        if found:
            os.environ[ADDRESS] = ""
            if self._ready:
                os.environ[ADDRESS], process = self._ready
                # Nobody else asks how it ends: unawaited it would stay, as a zombie, until the run does.
                threading.Thread(target=process.wait, daemon=True).start()
            self._ready = None
            self._prepare_after(self.boxes.get(found[1], found[1]))
        return True

    def close(self) -> None:
        """Ends the process that was not needed."""
        if self._ready:
            self._ready[1].kill()
            self._ready[1].wait()
        self._folder.cleanup()

    def _prepare_after(self, box: str) -> None:
        self._waiting.pop(box, None)
        # KFP may take another one first; a spare serves any step.
        if self._waiting:
            self._prepare(next(iter(self._waiting.values())))

    def _prepare(self, modules: Sequence[str]) -> None:
        self._count += 1
        address = str(Path(self._folder.name) / str(self._count))
        # The folder is this user's alone, and so is the socket.
        with socket.socket(socket.AF_UNIX) as listener:
            try:
                listener.bind(address)
            except OSError:  # the path is too long for a socket: steps start without a spare
                return
            listener.listen(1)
            process = subprocess.Popen(
                [PYTHON, "-m", "pipelines.local.spare", str(listener.fileno()), *modules],
                stdin=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
                # As in KFP's commands: imports only what a running component needs.
                env={**os.environ, "_KFP_RUNTIME": "true"},
            )
        self._ready = address, process


def main(listener: socket.socket, modules: Sequence[str]) -> None:
    """Imports the modules, waits for a step, runs it and ends with its exit code."""
    die_with_runner()
    cpus.bound_threads(os.environ)
    from kfp.dsl.executor_main import executor_main

    # Before TensorFlow brings its own handler: the step's log lines look as without a spare.
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        format="[KFP Executor %(asctime)s %(levelname)s]: %(message)s",
    )
    importlib.import_module("components.launch")
    for module in modules:
        # What cannot be imported is the step's to tell.
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    connection, _ = listener.accept()
    listener.close()
    _take_over(*_receive(connection))
    connection.sendall(ACCEPTED)
    code = 1
    try:
        executor_main()
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    # The next step need not wait until TensorFlow has put its things away, which takes seconds.
    connection.sendall(bytes([code]))
    connection.close()
    atexit._run_exitfuncs()
    os._exit(code)


class Request(NamedTuple):
    """A step, as the client asks for it."""

    arguments: list[str]
    environment: dict[str, str]


def _receive(connection: socket.socket) -> tuple[Request, list[int]]:
    """What the client sends: one byte with its output's descriptors, then JSON to the end."""
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 2)
    with connection.makefile("rb") as stream:
        return Request(**json.loads(stream.read())), descriptors


def _take_over(request: Request, descriptors: Sequence[int]) -> None:
    """Becomes the process that KFP meant to start."""
    for descriptor, standard in zip(descriptors, (1, 2), strict=True):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv = [EXECUTOR, *request.arguments]


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
