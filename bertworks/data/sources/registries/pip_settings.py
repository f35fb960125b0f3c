"""pip's settings, read as pip reads them: which index, through what, trusted how.

From the lowest to the highest: pip.conf of the system ($XDG_CONFIG_DIRS/pip, /etc), of the user
(~/.pip, $XDG_CONFIG_HOME/pip or ~/.config/pip), of the environment (sys.prefix), PIP_CONFIG_FILE, and
the PIP_* variables. Of the files the sections [global], [install] and [download] count.
"""

from __future__ import annotations

import configparser
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bertworks.data.sources.registries.access import Access, without_credentials
from bertworks.errors import SourceError

PUBLIC = "https://pypi.org/simple"
_SECTIONS = ("global", "install", "download")
_NAMED = ("index-url", "extra-index-url", "find-links", "no-index", "proxy", "cert", "trusted-host")
_SYSTEM = "/etc/pip.conf"
_LOOPBACK = ("localhost", "127.", "[::1]")


@dataclass(frozen=True)
class PipSettings:
    """What pip is told here.

    Attributes:
        indexes: URLs of simple indexes, first the main one; without credentials.
        find_links: Folders, files or URLs with links.
        access: How servers are reached.
        places: Name of each setting that decides where from, to the file or "the environment".
    """

    indexes: tuple[str, ...] = field(repr=False)
    find_links: tuple[str, ...] = field(repr=False)
    access: Access
    places: dict[str, str]

    def said(self) -> str:
        """The settings' names and places, never their values: these may hold credentials."""
        named = [
            f"PIP_{name.upper().replace('-', '_')}"
            if place == "the environment"
            else f"{name} in {place}"
            for name, place in sorted(self.places.items())
        ]
        return ", ".join(named) or "none, so pypi.org"


def pip_settings() -> PipSettings:
    """Reads the settings of this process's user.

    Raises:
        SourceError: A file of settings cannot be read, or an index is no URL, or is reached over plain
            http and not trusted.
    """
    values: dict[str, str] = {}
    places: dict[str, str] = {}
    for file in _files():
        for name, value in _read(file).items():
            values[name], places[name] = value, str(file)
    for variable, value in os.environ.items():
        if variable.startswith("PIP_") and value:
            name = variable[4:].lower().replace("_", "-")
            values[name], places[name] = value, "the environment"
    indexes = [values.get("index-url", PUBLIC), *values.get("extra-index-url", "").split()]
    if values.get("no-index", "").lower() in ("1", "true", "yes", "on", "y", "t"):
        indexes = []
    links = values.get("find-links", "").split()
    trusted = frozenset(values.get("trusted-host", "").split())
    for index in indexes:
        _check_address(index)
    open_urls = [without_credentials(url) for url in (*indexes, *links)]
    for url, _ in open_urls:
        _check_safe(url, trusted)
    proxy = values.get("proxy")
    return PipSettings(
        indexes=tuple(url.rstrip("/") for url, _ in open_urls[: len(indexes)]),
        find_links=tuple(url for url, _ in open_urls[len(indexes) :]),
        access=Access(
            certificates=values.get("cert"),
            client_certificate=values.get("client-cert"),
            unverified=trusted,
            proxies={"http": proxy, "https": proxy} if proxy else {},
            seconds=_seconds(values.get("timeout") or values.get("default-timeout")),
            credentials=tuple(one for _, one in open_urls if one is not None),
        ),
        places={name: place for name, place in places.items() if name in _NAMED},
    )


def _files() -> list[Path]:
    """The files of settings, the lowest first; also those that are not there."""
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 (no home is no error)
    shared = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    files = [Path(folder) / "pip/pip.conf" for folder in reversed(shared) if folder]
    files.append(Path(_SYSTEM))
    if not (named and Path(named).is_file()):
        own = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"
        # An image sends what programs keep to a scratch folder; a file mounted in its home counts.
        files += [home / ".pip/pip.conf", own if own.is_file() else home / ".config/pip/pip.conf"]
    files.append(Path(sys.prefix) / "pip.conf")
    return [*files, *([Path(named)] if named else [])]


def _read(file: Path) -> dict[str, str]:
    """The options of one file, by name; {} where there is no such file."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, configparser.Error) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise SourceError(
            f"pip's settings in {file} cannot be read: {reason}.",
            "Mend the file, or name another one: PIP_CONFIG_FILE=/path/to/pip.conf.",
        ) from None
    options: dict[str, str] = {}
    for section in _SECTIONS:
        if parser.has_section(section):
            options |= {
                key.replace("_", "-").lstrip("-"): v for key, v in parser.items(section) if v
            }
    return options


def _check_address(index: str) -> None:
    """An index is a URL or a folder; a host's name alone would be looked for on the disk."""
    if urlsplit(index).scheme in ("http", "https", "file") or Path(index).expanduser().is_dir():
        return
    if not index.startswith(("/", ".", "~")):
        raise SourceError(
            "pip's settings name a package index that is neither a URL (http, https, file) nor a "
            "folder.",
            "Write it whole: PIP_INDEX_URL=https://HOST/simple.",
        )


def _check_safe(url: str, trusted: frozenset[str]) -> None:
    """As pip does: plain http only from this machine, or from a host that the settings trust."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.netloc.startswith(_LOOPBACK):
        return
    if not {parts.netloc, parts.hostname, "*"} & trusted:
        raise SourceError(
            f"The package index on {parts.netloc} is reached over plain http, so that anybody on the "
            "way can change what comes.",
            f"Use https, or trust it: PIP_TRUSTED_HOST={parts.hostname} (pip's own setting).",
        )


def _seconds(value: str | None) -> float:
    try:
        return min(max(float(value or 15), 0.1), 600.0)
    except ValueError:
        return 15.0
