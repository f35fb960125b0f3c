"""Locks between processes."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from bertworks.storage.locks import lock

HOLD = """
import sys
from pathlib import Path
from bertworks.storage.locks import lock
with lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_goes_with_its_holder_however_that_ends(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    with pytest.raises(TimeoutError), lock(file):
        pass
    holder.kill()
    holder.communicate()
    assert file.exists()  # and yet it is free
    with lock(file, seconds=60):
        pass


def test_what_stands_in_the_file_stays(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4711")
    with lock(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text() == "4711"
    assert (tmp_path / "lock").read_text() == "4711"


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK])
def test_a_file_system_without_locks_is_told_and_gets_none_that_outlives_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="no locks") as caught, lock(tmp_path / "lock"):
        pass
    assert not isinstance(caught.value, TimeoutError)
