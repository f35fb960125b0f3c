"""Files and folders are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bertworks.errors import EnvironmentFault
from bertworks.storage.replacing import replacing


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize("ending", [False, True])
def test_a_file_is_there_at_the_end_of_the_block(tmp_path: Path, ending: bool) -> None:
    target = tmp_path / "deep/page.html"
    with replacing(target, ending=ending) as beside:
        beside.write_text("new")
        # A writer that is killed here leaves nothing that looks whole.
        assert list(target.parent.glob("*.html")) == ([beside] if ending else [])
        assert not target.exists()
    assert target.read_text() == "new"
    assert names(target.parent) == ["page.html"]


@pytest.mark.parametrize("folder", [False, True])
def test_what_was_there_stays_until_the_new_one_is_whole(tmp_path: Path, folder: bool) -> None:
    target = tmp_path / "it"

    def write(path: Path, text: str) -> None:
        if folder:
            path.mkdir()
        (path / "a" if folder else path).write_text(text)

    def read() -> str:
        return (target / "a" if folder else target).read_text()

    with replacing(target) as beside:
        write(beside, "old")
    with pytest.raises(ValueError, match="cut off"), replacing(target) as beside:
        write(beside, "half")
        raise ValueError("cut off")
    assert (read(), names(tmp_path)) == ("old", ["it"])
    with replacing(target) as beside:
        write(beside, "new")
    assert (read(), names(tmp_path)) == ("new", ["it"])


@pytest.mark.parametrize("durable", [False, True])
def test_durable_is_on_the_disk_before_it_is_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    done: list[str] = []
    flush, replace = os.fsync, os.replace

    def flushed(descriptor: int) -> None:
        done.append("folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file")
        flush(descriptor)

    def replaced(*names: Path) -> None:
        done.append("name")
        replace(*names)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", replaced)
    with replacing(tmp_path / "a", durable=durable) as beside:
        beside.write_text("x")
    assert done == (["file", "name", "folder"] if durable else ["name"])


def test_who_writes_says_what_a_fault_means(tmp_path: Path) -> None:
    def full(**how: object) -> None:
        with replacing(tmp_path / "a", **how):
            raise OSError(28, "No space left on device")

    with pytest.raises(EnvironmentFault, match="No space left"):
        full()
    with pytest.raises(EnvironmentFault, match="another shelf"):
        full(fault=lambda error, target: EnvironmentFault("another shelf", "x"))
    with pytest.raises(OSError, match="28"):
        full(fault=lambda error, target: None)
