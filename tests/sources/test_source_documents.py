"""`format: document`: a file is one text, whatever its lines are."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertworks.data.formats.columns import Refusal, Row
from bertworks.data.formats.rows import read_rows
from bertworks.data.sources.fetch import Fetched
from bertworks.errors import DataError
from bertworks.spec import Source


def read(content: bytes, folder: Path, limit: int = 1000, **settings: object) -> list[object]:
    file = folder / "note"
    file.write_bytes(content)
    source = Source.model_validate({"uri": "note", "format": "document", **settings})
    return list(read_rows(Fetched("note", file, ""), source, ["text"], limit))


def test_all_lines_are_one_text(tmp_path: Path) -> None:
    found = read(b'Subject: a, "b"\r\n\r\nfirst line\nlast', tmp_path)
    assert found == [Row(1, {"text": 'Subject: a, "b"\n\nfirst line\nlast'})]


def test_the_column_and_the_encoding_are_the_sources(tmp_path: Path) -> None:
    found = read("café".encode("cp1252"), tmp_path, columns={"text": "body"}, encoding="cp1252")
    assert found == [Row(1, {"body": "café"})]


def test_a_text_over_the_limit_is_refused_and_one_that_shows_nothing_is_none(
    tmp_path: Path,
) -> None:
    (refused,) = read(b"a " * 600, tmp_path)
    assert isinstance(refused, Refusal) and "max_row_bytes" in refused.rule
    assert read(b" \n ", tmp_path) == []


def test_what_is_no_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="PDF"):
        read(b"%PDF-1.4\n\x00\x01", tmp_path)
