"""Tiny sources made in code, and the ingest step run on them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from bertworks.data.sources.registries import http, npm_settings, pip_settings
from bertworks.spec import Base, Corpus, Data, Task
from tests.helpers.steps import ingest as run

sys.path.insert(0, str(Path(__file__).parent.parent / "helpers"))

from web_site import Site

OUTPUTS = ("examples", "corpus", "rejected", "base")


class Registry(Site):
    """A package index."""

    def simple(self, package: str, *files: Path, fragments: bool = True) -> None:
        """A page of relative links to files, and the files, as a simple index has them."""
        anchors = []
        for file in files:
            content = file.read_bytes()
            self.put(f"/files/{file.name}", content, "application/octet-stream")
            mark = f"#sha256={hashlib.sha256(content).hexdigest()}" if fragments else ""
            anchors.append(f'<a href="../../files/{file.name}{mark}">{file.name}</a><br/>')
        page = f"<!DOCTYPE html><html><body>{''.join(anchors)}</body></html>"
        self.put(f"/simple/{package}/", page.encode())


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry's server of the test's own."""
    one = Registry()
    yield one
    one.close()


@pytest.fixture
def unset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No settings of pip, npm, proxies or certificates hold; returns the empty home."""
    home = tmp_path / "home"
    home.mkdir()
    for name in list(os.environ):
        low = name.lower()
        if low.startswith(("pip_", "npm_config_")) or low.endswith("_proxy") or low == "netrc":
            monkeypatch.delenv(name)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "xdg"))
    monkeypatch.setattr(pip_settings, "_SYSTEM", str(tmp_path / "no-pip.conf"))
    monkeypatch.setattr(npm_settings, "_SYSTEM", ())
    monkeypatch.setattr(http, "PAUSE", 0.0)
    monkeypatch.chdir(home)
    return home


class Ingested:
    """The outputs of one run of the step."""

    def __init__(self, folder: Path, result: dict[str, Any]) -> None:
        self.folder, self.result = folder, result
        self.info = json.loads((folder / "examples/info.json").read_text())
        lines = (folder / "rejected/rejected.jsonl").read_text().splitlines()
        self.rejected = [json.loads(line) for line in lines]
        self.summary = json.loads((folder / "rejected/summary.json").read_text())

    def rows(self, split: str = "", artifact: str = "examples") -> list[dict[str, Any]]:
        """The rows of a split, in file order; of all splits when none is named."""
        files = sorted((self.folder / artifact / split).rglob("*.parquet"))
        return [row for file in files for row in pq.read_table(file).to_pylist()]


@pytest.fixture(autouse=True)
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A download cache of the test's own."""
    folder = tmp_path / "downloads"
    monkeypatch.setenv("BERTWORKS_DOWNLOADS", str(folder))
    monkeypatch.setenv("BERTWORKS_EVENTS", str(tmp_path / "events.jsonl"))
    return folder


@pytest.fixture
def ingest(tmp_path: Path) -> Callable[..., Ingested]:
    """Runs the step on sources given as dicts; local paths are relative to tmp_path."""

    def call(
        sources: list[dict[str, Any]],
        *,
        task: dict[str, Any] | None = None,
        corpus: dict[str, Any] | None = None,
        base: dict[str, Any] | None = None,
        out: str = "out",
        others: list[str] | str | None = None,
        needs: dict[str, Any] | None = None,
        **data: Any,
    ) -> Ingested:
        section = {
            "task": Task.model_validate(task or {}).model_dump(mode="json"),
            "data": Data.model_validate({"sources": sources, **data}).model_dump(mode="json"),
            "corpus": Corpus.model_validate(corpus or {}).model_dump(mode="json"),
            "base": Base.model_validate(base or {"uri": "scratch"}).model_dump(mode="json"),
            "spec_folder": str(tmp_path),
            "fingerprints": {},
            "others": others or [],
            **(needs or {}),
        }
        folder = tmp_path / out
        folder.mkdir(exist_ok=True)
        return Ingested(folder, run(section, **{name: folder / name for name in OUTPUTS}))

    return call


def reviews(count: int, start: int = 0) -> str:
    """csv text with `count` distinct rows of two classes."""
    rows = [f"review number {i},{'good' if i % 2 else 'bad'}" for i in range(start, start + count)]
    return "text,label\n" + "\n".join(rows) + "\n"


def write_wheel(
    folder: Path, files: dict[str, bytes], version: str = "1.0", tag: str = "py3-none-any"
) -> Path:
    """A wheel of a package `tinydata` that holds `files`."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"tinydata-{version}.dist-info"
    parts = {
        **{f"tinydata/{name}": content for name, content in files.items()},
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tinydata\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    path = folder / f"tinydata-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in parts.items():
            wheel.writestr(name, content)
    return path


def tar_bytes(files: dict[str, bytes]) -> bytes:
    """A gzipped tar that holds `files`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def make() -> Any:
    """The builders above, for tests (test modules do not import each other)."""

    class Make:
        reviews = staticmethod(reviews)
        wheel = staticmethod(write_wheel)
        tar = staticmethod(tar_bytes)

    return Make
