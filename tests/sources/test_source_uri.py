"""What a source's URI means, and that messages show no credentials of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.data.sources.uri import Location, content_of, inline, parse
from bertworks.errors import SourceError
from bertworks.secrets import masked, secret_in
from bertworks.spec import Source


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("pypi://a-b==1.0/x/y.csv", Location("pypi", "a-b==1.0", ("x/y.csv",))),
        ("pypi://a==1?sdist/t.tgz!/y", Location("pypi", "a==1", ("t.tgz", "y"), sdist=True)),
        ("npm://@s/n@1.2.3/x", Location("npm", "@s/n@1.2.3", ("x",))),
        ("data/*.csv", Location("local", "data/*.csv", ())),
        ("file:///tmp/a.zip!/b", Location("local", "/tmp/a.zip", ("b",))),
        ("hf://datasets/o/n/f.csv", Location("remote", "hf://datasets/o/n/f.csv", ())),
    ],
)
def test_uris(uri, expected):
    assert parse(uri) == expected


@pytest.mark.parametrize(
    "uri",
    ["pypi://a/x", "pypi://a==1", "pypi://a>=1/x", "pypi://--index==1/x", "npm://a/x", "npm://"],
)
def test_uris_that_are_none(uri):
    with pytest.raises(SourceError, match="is not a"):
        parse(uri)


def test_masked_leaves_no_credentials():
    assert masked("https://u:p@h/a.csv?sig=1") == "https://***@h/a.csv?***"
    assert masked("https://token@h/a") == "https://***@h/a"
    assert masked("npm://tiny@1.0/a") == "npm://tiny@1.0/a"
    assert masked("pypi://a==1?sdist/x") == "pypi://a==1?sdist/x"


@given(st.binary(max_size=300))
def test_a_file_inside_its_uri_comes_out_again(content: bytes) -> None:
    uri = inline(content)
    assert content_of(parse(uri)) == content
    assert not secret_in(uri) and Source.model_validate({"uri": uri}).uri == uri
    assert len(masked(f"{uri} cannot be read")) < 120


@pytest.mark.parametrize("uri", ["data:text/csv,a", "data:;base64,a b", "data:x;base64,AAAAA"])
def test_a_data_uri_that_is_none_is_refused_shortly(uri: str) -> None:
    with pytest.raises(SourceError) as raised:
        content_of(parse(uri))
    assert len(raised.value.message) < 200
