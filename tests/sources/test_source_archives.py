"""Archives that are locked, damaged, packed in odd ways or made to fill the disk."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bertworks.data.formats.rows import read_rows
from bertworks.data.sources import archives
from bertworks.data.sources.fetch import Fetched, local_files
from bertworks.data.sources.first_bytes import PACKED
from bertworks.errors import BertworksError, SourceError
from bertworks.spec import Source

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


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("name", ["bomb.csv", "bomb.jsonl", "bomb.txt"])
def test_a_packed_file_that_unfolds_too_far_stops_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, name: str
) -> None:
    monkeypatch.setattr(archives, "LEAST", 100_000)
    file = tmp_path / f"{name}{ending}"
    with PACKED[ending](file, "wb") as stream:
        stream.write(TEXT.replace(b" ", b" " * 1500))
    source = Source(uri=str(file))
    with pytest.raises(BertworksError, match=r"more than [\d,]+ come out of it"):
        list(read_rows(Fetched(file.name, file, ""), source, ["text"], 10**6))
    monkeypatch.setattr(archives, "LEAST", 10**8)
    assert list(read_rows(Fetched(file.name, file, ""), source, [], 10**6))


def linked(kind: str, target: str, *, whole: bool) -> bytes:
    """An archive of a link `data.csv`, and of the file that it points to where `whole`."""
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as bundle:
            link = zipfile.ZipInfo("in/data.csv")
            link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            bundle.writestr(link, target)
            if whole:
                bundle.writestr("blobs/one", TEXT)
        return out.getvalue()
    with tarfile.open(fileobj=out, mode="w") as bundle:
        if whole:
            member = tarfile.TarInfo("blobs/one")
            member.size = len(TEXT)
            bundle.addfile(member, io.BytesIO(TEXT))
        link = tarfile.TarInfo("in/data.csv")
        link.type = tarfile.SYMTYPE if kind == "symbolic" else tarfile.LNKTYPE
        link.linkname = target if kind == "symbolic" else "blobs/one"
        bundle.addfile(link)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["zip", "symbolic", "hard"])
def test_a_link_that_points_to_nothing_in_the_archive_is_named(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "data.tar"
    file.write_bytes(linked(kind, "../../etc/passwd", whole=False))
    for pattern in ("in/data.csv", "data.csv", "*.csv"):
        with pytest.raises(SourceError, match="only as a link to") as raised:
            archives.extract(file, pattern, tmp_path / "out", "data.tar")
        assert "in/data.csv" in raised.value.message and "tar -h" in raised.value.fix


@pytest.mark.parametrize("kind", ["zip", "symbolic", "hard"])
def test_a_link_to_a_file_of_the_archive_is_that_file(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "data.tar"
    file.write_bytes(linked(kind, "../blobs/one", whole=True))
    for pattern in ("in/data.csv", "in/*"):
        [(name, path)] = archives.extract(file, pattern, tmp_path / "out", "data.tar")
        assert name == "in/data.csv" and path.read_bytes() == TEXT
    [(name, _)] = archives.extract(file, "*", tmp_path / "all", "data.tar")  # not twice
    assert name == "blobs/one"


def test_an_archive_of_folders_alone_says_so(tmp_path: Path) -> None:
    file = tmp_path / "data.tar"
    with tarfile.open(file, "w") as bundle:
        folder = tarfile.TarInfo("in")
        folder.type = tarfile.DIRTYPE
        bundle.addfile(folder)
    with pytest.raises(SourceError) as raised:
        archives.extract(file, "*.csv", tmp_path / "out", "data.tar")
    assert "holds no files at all" in raised.value.fix


def test_a_packed_stream_that_is_cut_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "data.csv.gz"
    file.write_bytes(gzip.compress(TEXT)[:-40])
    with pytest.raises(BertworksError, match="damaged compressed file"):
        list(read_rows(Fetched(file.name, file, ""), Source(uri=str(file)), ["text"], 10**6))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for text in ("first", "second"):
            archive.writestr("a.csv", text)
    for pattern in ("a.csv", "*.csv"):
        with pytest.raises(SourceError, match=r"2 files of the name a\.csv"):
            archives.extract(tmp_path / "a.zip", pattern, tmp_path / "out", "a.zip")


def test_what_macos_keeps_beside_files_matches_no_glob(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("x/a.csv", "x/b.csv", "__MACOSX/x/._a.csv"):
            archive.writestr(name, "text")
    found = archives.extract(tmp_path / "a.zip", "*.csv", tmp_path / "out", "a.zip")
    assert [name for name, _ in found] == ["x/a.csv", "x/b.csv"]
    (hidden,) = archives.extract(
        tmp_path / "a.zip", "__MACOSX/x/._a.csv", tmp_path / "out", "a.zip"
    )
    assert hidden[0] == "__MACOSX/x/._a.csv"
