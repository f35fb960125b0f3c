"""A Python that starts in milliseconds: a process that has all imported forks for each command.

Starting Python and importing TensorFlow, Beam and KFP takes seconds of CPU a process, and a run of
the DAG has a dozen. `executable` gives a program that takes Python's arguments; what it runs is a fork
of one process that all tests of a session share. Nothing was computed there: a fork begins as a fresh
process does, but for what is imported, and for what `quick` leaves out of the command line's runs.
Tests of starting itself use `sys.executable`; so does the notebook's run.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import logging
import os
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertworks import cpus
from tests.helpers import quick
from tests.helpers.warm_client import STATUS

REPOSITORY = Path(__file__).parents[2]
CLIENT = Path(__file__).with_name("warm_client.py")
CONSTANTS = 'ADDRESS, PYTHON, REPOSITORY = "", "", ""'
# What steps import when they are at work, beyond what the table of boxes says.
MORE = (
    "kfp.local",
    "kfp.dsl.executor_main",
    "pipelines.cli.main",
    "pipelines.local.child",
    "pipelines.local.run",
    "pipelines.wiring",
    "bertworks.pages.report.page",
    "components.launch",
    "tensorflow_model_analysis",
)


def executable(folder: Path, owner: int) -> str:
    """The program, and the process behind it; called again it gives the same.

    Args:
        folder: For the program and its socket.
        owner: A process; the warm one ends with it.

    Returns:
        Its path; that of this Python where the folder's path is too long for a socket.
    """
    folder.mkdir(exist_ok=True)
    program, address = folder / "python", folder / "socket"
    with open(folder / "lock", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if program.exists():
            return str(program)
        with socket.socket(socket.AF_UNIX) as listener:
            try:
                listener.bind(str(address))
            except OSError:
                return sys.executable
            listener.listen(64)
            number = listener.fileno()
            with open(folder / "log", "wb") as log:
                subprocess.Popen(
                    [sys.executable, "-m", "tests.helpers.warm_python", str(number), str(owner)],
                    cwd=REPOSITORY,
                    env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[number],
                    start_new_session=True,
                )
        constants = tuple(map(str, (address, sys.executable, REPOSITORY)))
        text = CLIENT.read_text(encoding="utf-8")
        assert CONSTANTS in text
        filled = text.replace(CONSTANTS, f"ADDRESS, PYTHON, REPOSITORY = {constants!r}")
        program.write_text(f"#!{sys.executable} -IS\n{filled}", encoding="utf-8")
        program.chmod(0o700)
    return str(program)


@dataclass
class Job:
    """A command at work: its process, what tells of that one's end, and who asked for it."""

    process: int
    ended: int
    client: socket.socket

    def kill(self, number: int) -> None:
        """Sends a signal; what is killed is killed with all of its group."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, number)
        if number == signal.SIGKILL:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process, number)


class Server:
    """Forks for each command that comes, and tells its client how that ended."""

    def __init__(self, listener: socket.socket, owner: int) -> None:
        self._listener, self._owner = listener, owner
        self._watched = selectors.DefaultSelector()
        self._watched.register(listener, selectors.EVENT_READ)
        self._watched.register(owner, selectors.EVENT_READ)

    def run(self) -> None:
        """Until the owner ends."""
        while True:
            for key, _ in self._watched.select():
                if key.fileobj == self._owner:
                    self._end()
                elif key.fileobj is self._listener:
                    self._begin(self._listener.accept()[0])
                elif key.fileobj is key.data.client:
                    self._hear(key.data)
                else:
                    self._finish(key.data)

    def _begin(self, client: socket.socket) -> None:
        try:
            request, descriptors = _receive(client)
        except (OSError, ValueError):  # it was killed meanwhile
            client.close()
            return
        process = os.fork()
        if not process:
            os.setsid()
            self._forget(client)
            _become(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        job = Job(process, os.pidfd_open(process), client)
        self._watched.register(client, selectors.EVENT_READ, job)
        self._watched.register(job.ended, selectors.EVENT_READ, job)

    def _hear(self, job: Job) -> None:
        """A signal to send on; or the client is gone."""
        try:
            said = job.client.recv(1)
        except OSError:
            said = b""
        if not said:
            self._watched.unregister(job.client)
        job.kill(said[0] if said else signal.SIGKILL)

    def _finish(self, job: Job) -> None:
        _, status = os.waitpid(job.process, 0)
        with contextlib.suppress(OSError):
            job.client.sendall(STATUS.pack(os.waitstatus_to_exitcode(status)))
        with contextlib.suppress(KeyError):
            self._watched.unregister(job.client)
        self._watched.unregister(job.ended)
        os.close(job.ended)
        job.client.close()

    def _end(self) -> None:
        spent = os.times()
        took = spent.children_user + spent.children_system
        print(f"commands took {took:.1f} s of CPU", flush=True)
        for key in list(self._watched.get_map().values()):
            if isinstance(key.data, Job):
                key.data.kill(signal.SIGKILL)
        os._exit(0)

    def _forget(self, client: socket.socket) -> None:
        """In a fork: closes what is the server's."""
        for key in list(self._watched.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
            else:
                os.close(key.fd)
        self._watched.close()
        client.close()


def _receive(client: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What the client sends: one byte with its descriptors, a length, and JSON."""
    _, descriptors, _, _ = socket.recv_fds(client, 1, 200)
    (length,) = STATUS.unpack(client.recv(STATUS.size, socket.MSG_WAITALL))
    found = client.recv(length, socket.MSG_WAITALL)
    return json.loads(found), descriptors


def _become(request: dict[str, Any], descriptors: Sequence[int]) -> None:
    """Turns a fork into the process that was asked for; does not return."""
    code = 1
    try:
        _take_over(request, descriptors)
        _run(request["arguments"])
        code = 0
    except SystemExit as ending:
        if isinstance(ending.code, str):
            print(ending.code, file=sys.stderr)
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code & 0xFF)


def _take_over(request: dict[str, Any], descriptors: Sequence[int]) -> None:
    # By way of high numbers: one that is wanted may be another's now.
    high = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 500) for one in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    for descriptor, wanted in zip(high, request["descriptors"], strict=True):
        os.dup2(descriptor, wanted)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    time.tzset()
    tempfile.tempdir = None
    sys.executable = request["executable"]
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "utf-8").partition(":")
    sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding=encoding, errors=errors or None, closefd=False)  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        2, "w", buffering=1, encoding=encoding, errors="backslashreplace", closefd=False
    )


def _run(arguments: Sequence[str]) -> None:
    if arguments[0] == "-m":
        name = arguments[1]
        sys.argv = list(arguments[1:])
        quick.uncompiled(setattr)
        quick.timed_once(setattr)
        if not hasattr(sys.modules.get(name), "__path__"):
            sys.modules.pop(name, None)  # what was imported is run as `__main__` all the same
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(arguments)
        sys.path.insert(0, str(Path(arguments[0]).parent))
        runpy.run_path(arguments[0], run_name="__main__")


def warm() -> None:
    """Imports all that commands and steps do."""
    cpus.bound_threads(os.environ)
    from components.transform.loading import UNUSED, without

    with without(*UNUSED):
        importlib.import_module("components.transform.pipeline")
    from pipelines.boxes import TABLE

    for name in dict.fromkeys([module for box in TABLE for module in box.imports] + [*MORE]):
        importlib.import_module(name)
    # It keeps the Python that it is imported in, which is another one in each fork.
    del sys.modules["pipelines.local.spare"]
    logging.getLogger().handlers.clear()  # TensorFlow's: steps set theirs up before they import it
    threads = [one.read_text().strip() for one in Path("/proc/self/task").glob("*/comm")]
    print(f"warm after {time.process_time():.1f} s, threads: {threads}", flush=True)
    gc.collect()
    gc.freeze()


def main(number: int, owner: int) -> None:
    """Serves on a listening socket until the owner ends."""
    watched = os.pidfd_open(owner)
    warm()
    if select.select([watched], [], [], 0)[0]:
        return
    Server(socket.socket(fileno=number), watched).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
