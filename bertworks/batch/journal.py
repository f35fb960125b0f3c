"""What a run on a file has done so far, kept beside its output until that is whole.

The folder `.OUT.work` holds the answers, the rows that could not be read, and state.json, which says up
to where both count. A killed run leaves it; the same command takes it up, cuts off what was written
after the last state, and goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bertworks import __version__
from bertworks.batch.answers import Told
from bertworks.batch.rows import BadRow
from bertworks.contracts.files import File
from bertworks.errors import ArtifactError, EnvironmentFault
from bertworks.storage.locks import lock

_ENDS = 1 << 20


@dataclass(frozen=True)
class State:
    """state.json.

    Attributes:
        job: Which run it is of, see `identity`.
        items: Rows that were read, answered or not.
        place: Of the answers on the disk: bytes, or parts.
        rejected: Rows that could not be read.
        rejected_bytes: Of rejected.jsonl.
        told: What was counted.
    """

    job: str
    items: int = 0
    place: int = 0
    rejected: int = 0
    rejected_bytes: int = 0
    told: Told = field(default_factory=Told)


STATE: File[State] = File("state.json", State)


def identity(file: Path, bundle: Path, options: Mapping[str, object]) -> str:
    """What tells one run from another: input, bundle and options; the answers are the same where it is.

    Args:
        file: The input, known by its size, time of change, and first and last megabyte.
        bundle: The bundle's folder, known by its manifest.
        options: What else the output depends on.
    """
    facts = file.stat()
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        digest.update(stream.read(_ENDS))
        stream.seek(max(facts.st_size - _ENDS, 0))
        digest.update(stream.read())
    manifest = bundle / "manifest.json"
    agent = hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else ""
    known = [facts.st_size, facts.st_mtime_ns, digest.hexdigest(), agent, __version__]
    return hashlib.sha256(json.dumps([known, dict(options)]).encode()).hexdigest()


class Journal:
    """The folder beside an output.

    Args:
        folder: `.OUT.work`.
        state: Where its run is.
    """

    def __init__(self, folder: Path, state: State) -> None:
        self.folder, self.state = folder, state
        self.rejects = folder / "rejected.jsonl"
        self.rejects.touch()
        os.truncate(self.rejects, state.rejected_bytes)

    def reject(self, number: int, bad: BadRow) -> None:
        """Keeps a row that cannot be answered."""
        where = {"row": number, "line": bad.spot.line if bad.spot else None}
        error = {**where, "error": bad.error.message, "fix": bad.error.fix}
        line = json.dumps({**error, "received": bad.received}, ensure_ascii=False, default=str)
        with self.rejects.open("ab") as stream:
            stream.write(line.encode("utf-8", "backslashreplace") + b"\n")

    def note(self, state: State) -> None:
        """Writes how far the run is: from here it goes on if it is killed."""
        STATE.write(self.folder, state)
        self.state = state


@contextlib.contextmanager
def journal(out: Path, job: str) -> Iterator[Journal]:
    """The journal of a run, an earlier one's where that was of the same `job`.

    It is removed when the block ends well. What another run has left that read another file, or asked
    another agent, is thrown away.

    Raises:
        EnvironmentFault: Another process is writing the same output.
    """
    folder = out.with_name(f".{out.name}.work")
    folder.mkdir(exist_ok=True)
    try:
        with lock(folder / "lock"):
            state = _left(folder, job)
            if state is None:
                _clear(folder)
                state = State(job)
            yield Journal(folder, state)
            shutil.rmtree(folder)
    except TimeoutError:
        raise EnvironmentFault(
            f"Another process is writing {out}.", "Wait until it is done, or name another file."
        ) from None


def discard(out: Path) -> None:
    """Removes what a run has left that cannot go on."""
    shutil.rmtree(out.with_name(f".{out.name}.work"), ignore_errors=True)


def _left(folder: Path, job: str) -> State | None:
    """Where an earlier run of the same job stopped; None where there is none to go on from."""
    with contextlib.suppress(ArtifactError, OSError):
        state = STATE.read(folder)
        answers, rejects = folder / "answers", folder / "rejected.jsonl"
        parts = len(list(folder.glob("part-*.parquet")))
        there = answers.stat().st_size if answers.exists() else parts
        if (
            state.job == job
            and there >= state.place
            and rejects.stat().st_size >= state.rejected_bytes
        ):
            return state
    return None


def _clear(folder: Path) -> None:
    for file in folder.iterdir():
        if file.name != "lock":
            file.unlink()
