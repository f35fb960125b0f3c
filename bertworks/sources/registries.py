"""Package archives from PyPI and npm, through the registries' own clients.

The clients' own settings hold (index, mirror, proxy, certificates), so that a company's mirror works
without any setting here. An archive is only read: nothing is installed and none of its code is run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bertworks.errors import SourceError

# pip asks an sdist's build backend for its metadata before it hands the file over, and that would run
# the package's setup.py. This stand-in for the usual backends answers from PKG-INFO instead.
_BACKEND = '''
"""Answers pip's question for metadata from PKG-INFO; runs no code of the package."""
import re
from pathlib import Path


class _Reader:
    def get_requires_for_build_wheel(self, config_settings=None):
        return []

    def prepare_metadata_for_build_wheel(self, metadata_directory, config_settings=None):
        text = Path("PKG-INFO").read_text(encoding="utf-8", errors="replace")
        name = re.search(r"^Name: *(\\S+)", text, re.M).group(1)
        version = re.search(r"^Version: *(\\S+)", text, re.M).group(1)
        folder = Path(metadata_directory) / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n", encoding="utf-8"
        )
        return folder.name


__legacy__ = _Reader()
get_requires_for_build_wheel = __legacy__.get_requires_for_build_wheel
prepare_metadata_for_build_wheel = __legacy__.prepare_metadata_for_build_wheel
'''
_BACKENDS = (
    "setuptools/build_meta.py", "flit_core/buildapi.py", "hatchling/build.py",
    "poetry/core/masonry/api.py",
)  # fmt: skip
_NPM_RETRIES = [
    "--fetch-retries=2", "--fetch-timeout=30000", "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=5000",
]  # fmt: skip
_OFFLINE = (
    "connection", "timed out", "timeout", "name resolution", "getaddrinfo", "enotfound",
    "econnrefused", "etimedout", "eai_again", "proxyerror", "network is unreachable", "ssl",
)  # fmt: skip


def download_pypi(package: str, sdist: bool, folder: Path) -> Path:
    """Downloads one archive of `NAME==VERSION` into `folder` with pip, and returns its path.

    Args:
        package: The exact requirement.
        sdist: Take the source archive; else a wheel that fits this Python.
        folder: An empty folder.

    Raises:
        SourceError: There is no pip, no network, or no such archive on the index.
    """
    form = "--no-binary" if sdist else "--only-binary"
    command = [sys.executable, "-m", "pip", "download", package, "--dest", str(folder)]
    command += ["--no-deps", form, ":all:", "--ignore-requires-python", "--no-input"]
    command += ["--retries", "2", "--timeout", "15", "--progress-bar", "off"]
    command += ["--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as stand_in:
        environment = dict(os.environ)
        if sdist:
            _write_backends(Path(stand_in))
            command += ["--use-pep517", "--no-build-isolation"]
            paths = [stand_in, environment.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        result = _call(command, environment, "pip", f"pypi package {package}")
    files = [file for file in folder.iterdir() if file.is_file()]
    if result.returncode == 0 and len(files) == 1:
        return files[0]
    if "No module named pip" in result.stderr:
        raise SourceError(
            f"{package} cannot be fetched: {sys.executable} has no pip.",
            "Install pip into this environment (python -m ensurepip), or give a local path instead.",
        )
    settings = _pip_settings()
    if _looks_offline(result.stdout + result.stderr):
        raise SourceError(
            f"{package} cannot be fetched: the package index does not answer (3 tries). "
            f"pip's index settings: {settings}.",
            "Check the network, or point pip at a mirror (pip config set global.index-url …).",
        )
    other = (
        "the wheel: leave ?sdist out"
        if sdist
        else "the source archive: pypi://NAME==VERSION?sdist/…"
    )
    raise SourceError(
        f"{package}: pip found no {'source archive' if sdist else 'wheel'} of exactly this version. "
        f"pip's index settings: {settings}. pip says: {_last_error(result.stderr)}",
        f"Check the name and the version, or take {other}.",
    )


def download_npm(package: str, folder: Path) -> Path:
    """Downloads the tarball of `NAME@VERSION` into `folder` with `npm pack`, and returns its path.

    Raises:
        SourceError: There is no npm, no network, or no such package.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError(
            f"npm package {package} cannot be fetched: there is no `npm` on this machine.",
            "Install Node.js with npm, or download the package and give its path: FILE.tgz!/PATH.",
        )
    command = [npm, "pack", package, "--pack-destination", str(folder), "--ignore-scripts"]
    command += [*_NPM_RETRIES, "--loglevel=error"]
    result = _call(command, dict(os.environ), "npm", f"npm package {package}")
    files = [file for file in folder.iterdir() if file.is_file()]
    if result.returncode == 0 and len(files) == 1:
        return files[0]
    if _looks_offline(result.stderr):
        raise SourceError(
            f"npm package {package} cannot be fetched: the registry does not answer.",
            "Check the network, or point npm at a mirror (npm config set registry …).",
        )
    raise SourceError(
        f"npm package {package} cannot be fetched. npm says: {_last_error(result.stderr)}",
        "Check the name and the version.",
    )


def _call(
    command: Sequence[str], environment: Mapping[str, str], client: str, what: str
) -> subprocess.CompletedProcess[str]:
    """Runs a registry's client, at most 30 minutes."""
    try:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="replace", timeout=1800
        )
    except subprocess.TimeoutExpired:
        raise SourceError(
            f"{what}: {client} did not finish within 30 minutes.",
            "Check the network and try again.",
        ) from None


def _write_backends(folder: Path) -> None:
    for backend in _BACKENDS:
        module = folder / backend
        module.parent.mkdir(parents=True)
        for parent in module.relative_to(folder).parents:
            (folder / parent / "__init__.py").touch()
        module.write_text(_BACKEND, encoding="utf-8")


def _looks_offline(output: str) -> bool:
    """Whether a client's output speaks of the network rather than of a missing package."""
    for line in output.lower().splitlines():
        complaint = line.lstrip().startswith(("warning", "error", "npm err"))
        names_package = "no matching distribution" in line or "could not find a version" in line
        if complaint and not names_package and any(sign in line for sign in _OFFLINE):
            return True
    return False


def _last_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if "err" in line.lower()]
    return (lines or ["nothing"])[-1][:300]


def _pip_settings() -> str:
    """The names, never the values (they may hold credentials), of the index settings in effect."""
    names = [name for name in os.environ if name.startswith("PIP_") and _is_index_setting(name)]
    command = [sys.executable, "-m", "pip", "config", "list", "--disable-pip-version-check"]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace")
    for line in result.stdout.splitlines():
        name = line.partition("=")[0]
        if _is_index_setting(name) and not name.startswith(":env:"):
            names.append(name)
    return ", ".join(sorted(names)) or "none, so pypi.org"


def _is_index_setting(name: str) -> bool:
    name = name.lower().replace("-", "_")
    return name.endswith(("index_url", "find_links", "no_index", "proxy", "cert"))
