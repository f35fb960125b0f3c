"""Packages from an npm registry on loopback. No npm anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from bertworks.data.sources.fetch import fetch
from bertworks.errors import SourceError

URI = "npm://@scope/tiny@1.0.0/data.txt"


@pytest.fixture
def npm(registry, unset, monkeypatch, make):
    """A registry that has @scope/tiny 1.0.0; `publish` says under which integrity."""
    tarball = make.tar({"package/data.txt": b"a\n", "package/package.json": b"{}"})
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(tarball).digest()).decode()}"

    def publish(name="@scope/tiny", url=None, versions=("1.0.0",), content=tarball, **dist):
        dist = {"tarball": url or f"{registry.url}/-/tiny.tgz", "integrity": integrity, **dist}
        record = {
            "dist-tags": {"latest": versions[-1]},
            "versions": {v: {"dist": dist} for v in versions},
        }
        registry.put(
            f"/{name.replace('/', '%2F')}", json.dumps(record).encode(), "application/json"
        )
        registry.put("/-/tiny.tgz", content)

    registry.publish, registry.tarball = publish, tarball
    monkeypatch.setenv("npm_config_registry", f"{registry.url}/")
    monkeypatch.setenv("PATH", "/nonexistent")
    return registry


def read(uri: str, sha256: str | None = None) -> bytes:
    with fetch(uri, sha256, Path()) as files:
        return files[0].path.read_bytes()


def test_a_package_is_fetched_checked_and_kept(npm):
    npm.publish()
    pinned = hashlib.sha256(npm.tarball).hexdigest()
    assert read(URI, pinned) == b"a\n"
    npm.answers.clear()
    assert read(URI, pinned) == b"a\n"


@pytest.mark.parametrize("dist", [{}, {"integrity": None, "shasum": "0" * 40}])
def test_a_changed_tarball_is_named_and_deleted(npm, downloads, dist):
    npm.publish(content=npm.tarball + b"x", **dist)
    with pytest.raises(SourceError, match=r"expected sha(512|1) [0-9a-f]+, got"):
        read(URI)
    assert not [file for file in downloads.rglob("*") if file.is_file()]


def test_a_missing_version_a_tag_and_a_missing_package_are_said(npm):
    npm.publish(versions=("0.9.0", "1.0.0", "1.2.0", "1.10.0"))
    with pytest.raises(SourceError, match=r"there is no version 1\.1\.0") as caught:
        read("npm://@scope/tiny@1.1.0/data.txt")
    assert "0.9.0, 1.0.0, 1.2.0, 1.10.0" in caught.value.fix
    with pytest.raises(SourceError, match="is a tag") as caught:
        read("npm://@scope/tiny@latest/data.txt")
    assert "npm://@scope/tiny@1.10.0" in caught.value.fix
    with pytest.raises(SourceError, match=f"{npm.host} does not have it"):
        read("npm://other@1.0.0/data.txt")


def test_registries_of_scopes_and_tokens_come_from_npmrc(npm, unset, monkeypatch):
    npm.publish()
    granted = {"Authorization": "Bearer hidden"}
    for path, answer in list(npm.answers.items()):
        npm.answers[path] = lambda headers, answer=answer: (
            answer if headers.get("Authorization") == granted["Authorization"] else (401, {}, b"")
        )
    monkeypatch.delenv("npm_config_registry")
    monkeypatch.setenv("TOKEN", "hidden")
    (unset / ".npmrc").write_text(
        f"; ours\nregistry=https://registry.invalid/\n@scope:registry={npm.url}/\n"
        f"//{npm.host}/:_authToken=${{TOKEN}}\n"
    )
    assert read(URI) == b"a\n"
    monkeypatch.setenv("TOKEN", "wrong-one")
    with pytest.raises(SourceError, match="asks for .*credentials") as caught:
        read("npm://@scope/tiny@1.0.1/data.txt")
    assert "wrong-one" not in str(caught.value)
    with pytest.raises(SourceError, match="registry.invalid does not answer"):
        read("npm://tiny@1.0.0/data.txt")


def test_a_token_may_be_a_variable(npm, monkeypatch):
    npm.publish()
    monkeypatch.setenv("npm_config__authToken", "hidden")
    read(URI)
    assert [headers["Authorization"] for _, headers in npm.asked] == ["Bearer hidden"] * 2


def test_a_mirror_that_repeats_the_public_addresses_is_asked_itself(npm):
    npm.publish(url="https://registry.npmjs.org/-/tiny.tgz")
    assert read(URI) == b"a\n"


def test_a_registry_that_is_away_is_said(unset, monkeypatch):
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://me:hidden@127.0.0.1:9/path")
    with pytest.raises(SourceError, match="127.0.0.1:9 does not answer") as caught:
        read(URI)
    assert "hidden" not in str(caught.value) and "path" not in caught.value.message
