"""Files from a web server of the test's own: endings behind queries, pins, broken transfers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from web_site import Site

from bertworks.data.sources.fetch import fetch
from bertworks.data.sources.fingerprints import fingerprint
from bertworks.errors import SourceError
from bertworks.spec import Source

CONTENT = b"text,label\n" + b"".join(b"row %d,%d\n" % (number, number % 2) for number in range(60))


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Serves CONTENT as /whole.csv, and less of it than announced as /cut.csv."""
    with Site() as one:
        one.answers["/whole.csv"] = (200, {"ETag": '"one"'}, CONTENT)
        whole = {"ETag": '"one"', "Content-Length": str(len(CONTENT))}
        one.answers["/cut.csv"] = (200, whole, CONTENT[: len(CONTENT) // 2])
        yield one.url


def read(uri: str, sha256: str | None = None) -> bytes:
    with fetch(uri, sha256, Path()) as files:
        return files[0].path.read_bytes()


def test_a_web_file_is_read_and_its_query_stays_secret(site, ingest):
    done = ingest([{"uri": f"{site}/whole.csv?signature=abc"}])
    assert sum(done.info["rows"].values()) == 60
    assert done.info["sources"][0]["uri"] == f"{site}/whole.csv?***"
    assert {row["source"] for row in done.rows()} == {f"{site}/whole.csv?***"}


def test_the_address_is_told_once_while_it_is_fetched(site, downloads):
    read(f"{site}/whole.csv?signature=abc")
    events = (downloads.parent / "events.jsonl").read_text().splitlines()
    told = {json.loads(line)["stage"] for line in events}
    assert told == {f"fetching {site}/whole.csv?***"}


def test_a_pinned_web_file_is_checked(site):
    pin = hashlib.sha256(CONTENT).hexdigest()
    assert read(f"{site}/whole.csv", pin) == CONTENT
    with pytest.raises(SourceError, match=f"expected sha256 0{{64}}, got {pin}"):
        read(f"{site}/whole.csv", "0" * 64)


def test_a_broken_transfer_is_an_error_and_nothing_is_kept(site, downloads, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(SourceError, match="cannot be read"):
        read(f"{site}/cut.csv")
    assert not [file for file in downloads.rglob("*") if file.is_file()]


def test_a_missing_web_file_is_said(site):
    with pytest.raises(SourceError, match="There is no file"):
        read(f"{site}/other.csv")


def test_the_fingerprint_is_the_servers_version(site, tmp_path):
    source = Source(uri=f"{site}/whole.csv")
    assert fingerprint(source, tmp_path) == fingerprint(source, tmp_path)
