"""A file that lies in parts at several places, and is one when they are joined."""

from __future__ import annotations

import hashlib
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.data.inspection.inspect import inspect
from bertworks.data.sources.archives import MissingMember
from bertworks.data.sources.cache import cache_in
from bertworks.data.sources.fetch import fetch
from bertworks.data.sources.uri import Location, parse, parts_of
from bertworks.errors import SourceError

TEXT = b"text,label\n" + b"".join(b"a fine film %d,good\n" % n for n in range(200))


def in_parts(folder, content: bytes, count: int = 3) -> tuple[str, str]:
    """Writes it as rows.08, rows.09, ...; the URI of all and the whole one's sha256."""
    size = -(-len(content) // count)
    for number in range(count):
        part = content[number * size : (number + 1) * size]
        (folder / f"rows.{8 + number:02}").write_bytes(part)
    return f"rows.{{08..{7 + count:02}}}", hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def downloads(tmp_path):
    with cache_in(tmp_path / "downloads"):
        yield tmp_path / "downloads"


@pytest.mark.parametrize(
    ("uri", "here"),
    [
        ("rows.csv.{1..3}", True), ("file:///a/{1..3}!/x.csv", True), ("rows.csv", True),
        ("s3://a/rows.{1..3}", False), ("pypi://a-{1..3}==1/x", False), ("npm://a@1/x", False),
    ],
)  # fmt: skip
def test_parts_lie_on_this_machine_where_each_does(uri, here):
    assert parse(uri).here == here


def test_a_range_of_thousands_of_digits_is_none():
    assert parse(f"a{{1..{'9' * 5000}}}").kind == "local"


def test_a_range_counts_the_parts():
    assert parts_of("a/{008..011}/x.{008..011}") == [f"a/{n:03}/x.{n:03}" for n in range(8, 12)]
    assert parse("pypi://a-{1..3}==1/x.{1..3}!/in") == Location(
        "parts", "pypi://a-{1..3}==1/x.{1..3}", ("in",)
    )
    assert parse("data/{a,b}.csv").kind == parse("data/x.csv!/{1..2}").kind == "local"


@pytest.mark.parametrize("uri", ["a{1..3}/b{1..4}", "a{3..1}", "a{0..5000}"])
def test_what_tells_no_parts_is_refused(uri):
    with pytest.raises(SourceError, match="does not tell the parts"):
        parse(uri)


@given(first=st.integers(0, 120), count=st.integers(1, 30), width=st.integers(1, 4))
def test_the_parts_are_in_order_and_of_one_width(first, count, width):
    told = f"{first:0{width}}..{first + count - 1:0{width}}"
    found = [one[1:] for one in parts_of(f"x{{{told}}}")]
    assert [int(one) for one in found] == list(range(first, first + count))
    assert all(len(one) >= len(f"{first:0{width}}") for one in found)


def test_parts_are_joined_and_only_the_whole_file_is_kept(tmp_path, downloads):
    uri, sha256 = in_parts(tmp_path, TEXT)
    for _ in range(2):
        with fetch(uri, sha256, tmp_path) as (file,):
            assert file.path.read_bytes() == TEXT and file.sha256 == sha256
    assert [one.stat().st_size for one in downloads.rglob("file")] == [len(TEXT)]


def test_an_archive_in_parts_is_looked_into(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("top/rows.csv", TEXT)
    uri, sha256 = in_parts(tmp_path, packed.getvalue(), count=4)
    with fetch(f"{uri}!/top/*.csv", sha256, tmp_path) as (file,):
        assert file.path.read_bytes() == TEXT


def test_a_part_that_is_missing_is_named(tmp_path):
    uri, sha256 = in_parts(tmp_path, TEXT)
    (tmp_path / "rows.09").unlink()
    with pytest.raises(MissingMember, match=r"rows\.09"), fetch(uri, sha256, tmp_path):
        pass


def test_other_parts_are_not_taken_for_the_pinned_file(tmp_path, downloads):
    uri, sha256 = in_parts(tmp_path, TEXT)
    (tmp_path / "rows.10").write_bytes(b"something else\n")
    with pytest.raises(SourceError, match="sha256"), fetch(uri, sha256, tmp_path):
        pass
    assert not list(downloads.rglob("file"))


def test_a_file_in_parts_is_joined_before_it_is_looked_at(tmp_path):
    uri, _ = in_parts(tmp_path, TEXT)
    with pytest.raises(SourceError, match="is a file in parts") as refused:
        inspect([str(tmp_path / uri)], tmp_path)
    assert "Join them first" in refused.value.fix
