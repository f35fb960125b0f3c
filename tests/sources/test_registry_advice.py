"""Advice on registries is taken: the variables that it names are set, and the package is there."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bertworks.data.sources.fetch import fetch
from tests.fixes.taking import taken
from tests.sources.conftest import Registry, write_wheel

AWAY = "http://127.0.0.1:9/simple"


@pytest.fixture
def attempt(unset: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., bytes]:
    """Fetches the package's file, with what variables are given."""

    def of(uri: str) -> Callable[..., bytes]:
        def fetched(*variables: tuple[str, str]) -> bytes:
            for name, value in variables:
                monkeypatch.setenv(name, value)
            with fetch(uri, None, Path()) as files:
                return files[0].path.read_bytes()

        return fetched

    return of


def named(advice: str, name: str) -> str:
    """The variable's name, as the advice has it."""
    assert re.search(rf"\b{name}\b", advice), (name, advice)
    return name


def locked(registry: Registry, scheme: str, secret: str) -> None:
    """Lets every path of the registry answer only to this credential."""
    wanted = f"{scheme} {secret}"
    for path, answer in list(registry.answers.items()):
        registry.answers[path] = lambda headers, answer=answer: (
            answer if headers.get("Authorization") == wanted else (401, {}, b"")
        )


@pytest.fixture
def npm(registry: Registry, make: type, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry that has tiny 1.0.0."""
    tarball = make.tar({"package/data.txt": b"a\n", "package/package.json": b"{}"})
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(tarball).digest()).decode()}"
    dist = {"tarball": f"{registry.url}/-/tiny.tgz", "integrity": integrity}
    record = {"dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {"dist": dist}}}
    registry.put("/tiny", json.dumps(record).encode(), "application/json")
    registry.put("/-/tiny.tgz", tarball)
    monkeypatch.setenv("PATH", "/nonexistent")
    return registry


def test_npm_that_asks_for_a_token(npm: Registry, attempt, monkeypatch) -> None:
    locked(npm, "Bearer", "hidden")
    monkeypatch.setenv("npm_config_registry", f"{npm.url}/")
    content = taken("bertworks/data/sources/registries/npm.py", "npm_config__authToken",
                    attempt("npm://tiny@1.0.0/data.txt"),
                    lambda fix: ((named(fix, "npm_config__authToken"), "hidden"),))  # fmt: skip
    assert content == b"a\n"


def test_npm_whose_token_stands_in_npmrc(npm: Registry, unset: Path, attempt, monkeypatch) -> None:
    locked(npm, "Bearer", "hidden")
    monkeypatch.setenv("npm_config_registry", f"{npm.url}/")

    def written(fix: str) -> tuple[()]:
        (line,) = re.findall(r"//\S+:_authToken=", fix)
        (unset / ".npmrc").write_text(f"{line}hidden\n")
        return ()

    assert taken("bertworks/data/sources/registries/npm.py", "Put them into ~/.npmrc",
                 attempt("npm://tiny@1.0.0/data.txt"), written) == b"a\n"  # fmt: skip


def test_npm_that_is_not_reached(npm: Registry, attempt, monkeypatch) -> None:
    monkeypatch.setenv("npm_config_registry", AWAY)
    content = taken("bertworks/data/sources/registries/npm.py", "Check the network",
                    attempt("npm://tiny@1.0.0/data.txt"),
                    lambda fix: ((named(fix, "npm_config_registry"), f"{npm.url}/"),))  # fmt: skip
    assert content == b"a\n"


@pytest.fixture
def index(registry: Registry, tmp_path: Path) -> Registry:
    """An index that has tinydata 1.0."""
    registry.simple("tinydata", write_wheel(tmp_path / "wheels", {"rows.csv": b"a\n"}))
    return registry


def test_an_index_that_asks_for_credentials(index: Registry, attempt, monkeypatch) -> None:
    locked(index, "Basic", base64.b64encode(b"me:hidden").decode())
    monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/simple")

    def by(fix: str) -> tuple[tuple[str, str]]:
        form = re.search(r"(PIP_INDEX_URL)=(https://USER:PASSWORD@)…", fix)
        assert form, fix
        address = form[2].replace("https", "http").replace("USER:PASSWORD", "me:hidden")
        return ((form[1], f"{address}{index.host}/simple"),)

    content = taken("bertworks/data/sources/registries/pypi.py", "PIP_INDEX_URL=https://USER",
                    attempt("pypi://tinydata==1.0/tinydata/rows.csv"), by)  # fmt: skip
    assert content == b"a\n"


def test_an_index_that_is_not_reached(index: Registry, attempt, monkeypatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", AWAY)
    content = taken("bertworks/data/sources/registries/pypi.py", "Check the network",
                    attempt("pypi://tinydata==1.0/tinydata/rows.csv"),
                    lambda fix: ((named(fix, "PIP_INDEX_URL"), f"{index.url}/simple"),))  # fmt: skip
    assert content == b"a\n"
