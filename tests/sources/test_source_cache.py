"""Where downloads and temporary files go, and what is said where there is no room for them."""

from __future__ import annotations

import errno
import io
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from bertworks.data.sources import cache
from bertworks.data.sources.fetch import fetch
from bertworks.errors import EnvironmentFault
from bertworks.storage import temporary
from pipelines.local.root import find_root, open_root
from pipelines.local.run import _last_words

LIMIT = 1 << 16


@pytest.fixture
def place(tmp_path, monkeypatch):
    """No folder is named for downloads; the home is the test's own."""
    monkeypatch.delenv("BERTWORKS_DOWNLOADS")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    cache._of_this_process.cache_clear()
    yield tmp_path
    cache._of_this_process.cache_clear()


def closed(monkeypatch, *folders: Path) -> None:
    """Nothing can be made under the folders; permissions would not stop root, who runs some tests."""
    make = Path.mkdir

    def mkdir(self: Path, *arguments, **options) -> None:
        if any(self.is_relative_to(folder) for folder in folders):
            raise OSError(errno.EROFS, "Read-only file system", str(self))
        make(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)


def test_the_cache_is_in_the_usual_place_or_where_it_is_told(place, monkeypatch):
    assert cache.cache_folder() == place / "home/.cache/bertworks/downloads"
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "scratch"))
    assert cache.cache_folder() == place / "scratch/bertworks/downloads"
    monkeypatch.setenv("BERTWORKS_DOWNLOADS", str(place / "own"))
    assert cache.cache_folder() == place / "own"
    assert cache.notices() == []


def test_with_a_read_only_root_downloads_go_to_tmpdir_and_that_is_said(place, monkeypatch, capsys):
    closed(monkeypatch, place / "home")
    folder = cache.cache_folder()
    assert folder.parent == place
    assert folder.stat().st_mode & 0o077 == 0, "another user could put files there"
    assert cache.cache_folder() == folder
    said = capsys.readouterr().err
    assert str(folder) in said and "BERTWORKS_DOWNLOADS" in said and said.count("note:") == 1
    (notice,) = cache.notices()
    assert "BERTWORKS_DOWNLOADS" in notice.text
    shutil.rmtree(folder)


def test_a_named_folder_that_cannot_be_written_is_an_error(place, monkeypatch):
    monkeypatch.setenv("BERTWORKS_DOWNLOADS", str(place / "named"))
    closed(monkeypatch, place / "named")
    with pytest.raises(EnvironmentFault, match=f"{place}/named cannot be written: Read-only"):
        cache.cached("pypi://a==1", None, lambda folder: folder / "x")


def test_a_local_run_keeps_downloads_where_the_variable_says(place, monkeypatch):
    root = find_root(str(place / "root"))
    assert root.environment()["BERTWORKS_DOWNLOADS"] == str(place / "root/downloads")
    monkeypatch.setenv("BERTWORKS_DOWNLOADS", str(place / "shared"))
    monkeypatch.setenv("BERTWORKS_MINIMUM_FREE_BYTES", "0")
    assert open_root(str(place / "root")).environment()["BERTWORKS_DOWNLOADS"] == str(
        place / "shared"
    )
    assert (place / "shared").is_dir()


def test_a_tmpdir_that_is_not_there_is_named_before_a_run_begins(place, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(place / "gone"))
    with pytest.raises(EnvironmentFault, match=f"TMPDIR names {place}/gone") as caught:
        open_root(str(place / "root"))
    assert f"mkdir -p {place}/gone" in caught.value.fix
    (place / "gone").mkdir()
    temporary.check()


@pytest.fixture
def full(place, monkeypatch):
    """A TMPDIR whose disk is full: /dev/full refuses every byte, as a full disk does."""
    small = place / "small"
    small.mkdir()
    opened = Path.open

    def into_nothing(self: Path, mode: str = "r", *arguments, **options):
        there = self.is_relative_to(small) and "w" in mode
        return opened(Path("/dev/full") if there else self, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", into_nothing)
    monkeypatch.setenv("TMPDIR", str(small))
    return small


def test_no_room_for_what_an_archive_holds_is_said_as_that(full, make, tmp_path):
    with pytest.raises(
        EnvironmentFault, match=f"temporary files, {full}, cannot be written: the disk"
    ):
        wheel = make.wheel(tmp_path / "made", {"rows.csv": b"x" * LIMIT})
        with fetch(f"{wheel}!/tinydata/rows.csv", None, Path()):
            pass


def test_no_room_for_a_download_is_no_missing_version(
    full, make, tmp_path, registry, unset, monkeypatch
):
    registry.simple("tinydata", make.wheel(tmp_path / "made", {"rows.csv": b"x" * LIMIT}))
    monkeypatch.setenv("PIP_INDEX_URL", f"{registry.url}/simple")
    monkeypatch.setenv("BERTWORKS_DOWNLOADS", str(full / "downloads"))
    uri = "pypi://tinydata==1.0/tinydata/rows.csv"
    with (
        pytest.raises(EnvironmentFault, match="downloads cannot be written: No space left"),
        fetch(uri, None, Path()),
    ):
        pass


def test_no_room_for_a_file_of_a_bucket_is_not_called_unreachable(place, monkeypatch):
    monkeypatch.setenv("BERTWORKS_DOWNLOADS", str(place / "downloads"))
    tries = []

    class Bucket:
        def info(self, name):
            return {"etag": "1", "size": 1}

        def get_file(self, name, target):
            tries.append(name)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)

    monkeypatch.setattr(
        "bertworks.data.sources.fetch.remote_files", lambda uri: (Bucket(), ["b/x.csv"])
    )
    with (
        pytest.raises(EnvironmentFault, match="downloads cannot be written: No space left"),
        fetch("s3://b/x.csv", None, Path()),
    ):
        pass
    assert len(tries) == 1


def test_a_full_tmpdir_is_named_before_a_run_begins(place, monkeypatch):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def opened(prefix: str, dir: str | None) -> Full:
        # Python itself turns to another folder where this one is full.
        assert dir == str(place)
        return Full()

    monkeypatch.setattr(tempfile, "TemporaryFile", opened)
    with pytest.raises(
        EnvironmentFault, match=f"temporary files, {place}, cannot be written: the disk"
    ):
        open_root(str(place / "root"))


def test_a_step_that_found_no_room_is_not_called_killed(tmp_path):
    log = tmp_path / "run.log"
    log.write_text("sh: 1: printf: I/O error\nsh: No space left on device\nRuntimeError: FAILURE\n")
    assert "no room for the step's files" in _last_words(log)
    assert "TMPDIR" in _last_words(log)
    log.write_text("RuntimeError: FAILURE\n")
    assert "killed" in _last_words(log)
