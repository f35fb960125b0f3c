"""Archives that are locked, damaged, packed in odd ways or made to fill the disk."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bertworks.errors import SourceError
from bertworks.sources import archives
from bertworks.sources.fetch import local_files

TEXT = b"text,label\n" + b"".join(b"a fine film %d,good\n" % n for n in range(2000))
Damage = Callable[[bytearray], None]


def zipped(content: bytes = TEXT, method: int = zipfile.ZIP_DEFLATED) -> bytearray:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as bundle:
        bundle.writestr("data.csv", content)
    return bytearray(out.getvalue())


def tarred(form: str) -> bytearray:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{form}") as bundle:
        member = tarfile.TarInfo("data.csv")
        member.size = len(TEXT)
        bundle.addfile(member, io.BytesIO(TEXT))
    return bytearray(out.getvalue())


def in_both_headers(raw: bytearray, local: int, central: int, value: int) -> None:
    """Sets a 16-bit field of the one member's local and central header."""
    struct.pack_into("<H", raw, local, value)
    struct.pack_into("<H", raw, raw.index(b"PK\x01\x02") + central, value)


def locked(raw: bytearray) -> None:
    in_both_headers(raw, 6, 8, 1)


def unknown_method(raw: bytearray) -> None:
    in_both_headers(raw, 8, 10, 99)


def bent(raw: bytearray) -> None:
    middle = len(raw) // 2
    raw[middle : middle + 40] = bytes(40)


@pytest.mark.parametrize(
    ("raw", "damage", "message"),
    [
        (zipped(), locked, "is locked"),
        (zipped(), unknown_method, "in a way that Python does not read"),
        (zipped(), bent, "damaged"),
        (zipped(method=zipfile.ZIP_BZIP2), bent, "damaged"),
        (zipped(method=zipfile.ZIP_LZMA), bent, "damaged"),
        (tarred("gz"), bent, "damaged|neither"),
        (tarred("bz2"), bent, "damaged|neither"),
        (tarred("xz"), bent, "damaged|neither"),
        (bytearray(b"PK\x03\x04" + bytes(100)), bytearray.copy, "neither|damaged"),
    ],
)
def test_what_cannot_be_unpacked_says_why(
    tmp_path: Path, raw: bytearray, damage: Damage, message: str
) -> None:
    file = tmp_path / "data.zip"
    changed = bytearray(raw)
    damage(changed)
    file.write_bytes(changed)
    with pytest.raises(SourceError, match=message) as raised:
        archives.extract(file, "data.csv", tmp_path / "out", "data.zip")
    assert raised.value.fix and "data.zip" in raised.value.message


@pytest.mark.parametrize("raw", [zipped(), zipped(method=zipfile.ZIP_LZMA), tarred("bz2")])
def test_whole_ones_are_read(tmp_path: Path, raw: bytearray) -> None:
    file = tmp_path / "data.zip"
    file.write_bytes(raw)
    [(name, path)] = archives.extract(file, "data.csv", tmp_path / "out", "data.zip")
    assert name == "data.csv" and path.read_bytes() == TEXT


def test_an_archive_that_unfolds_too_far_stops_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LEAST", 1_000_000)
    file = tmp_path / "bomb.zip"
    file.write_bytes(zipped(bytes(30_000_000)))
    with pytest.raises(SourceError, match=r"more than [\d,]+ come out of it"):
        archives.extract(file, "*", tmp_path / "out", "bomb.zip")
    limit = max(1_000_000, archives.RATIO * file.stat().st_size)
    assert sum(one.stat().st_size for one in (tmp_path / "out").iterdir()) <= limit


def test_many_members_count_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LEAST", 1_000_000)
    file = tmp_path / "bomb.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for number in range(40):
            bundle.writestr(f"{number}.csv", bytes(900_000))
    with pytest.raises(SourceError, match="come out of it"):
        archives.extract(file, "*.csv", tmp_path / "out", "bomb.zip")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "/".join(["d" * 200] * 40)])
def test_a_path_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError) as raised:
        local_files(name, tmp_path)
    assert raised.value.fix
