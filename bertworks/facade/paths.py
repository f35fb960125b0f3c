"""A spec's paths, written out: the cache goes by them, and not by where a program is started."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertworks.data.sources.uri import parse

_PATHS = (("base", "uri"), ("validate", "baseline"))
_WORDS = ("scratch", "auto", "none")


def from_here(content: Mapping[str, Any]) -> dict[str, object]:
    """A spec's content with its paths as they are from everywhere."""
    found = dict(content)
    for name in ("data", "corpus"):
        section = dict(found.get(name) or {}) if isinstance(found.get(name), Mapping) else {}
        if isinstance(section.get("sources"), list):
            section["sources"] = [
                {**one, "uri": whole(one["uri"])}
                if isinstance(one, Mapping) and isinstance(one.get("uri"), str)
                else one
                for one in section["sources"]
            ]
            found[name] = section
    for name, key in _PATHS:
        section = dict(found.get(name) or {}) if isinstance(found.get(name), Mapping) else {}
        if isinstance(section.get(key), str):
            found[name] = {**section, key: whole(section[key])}
    base = found.get("base")
    if isinstance(base, Mapping) and isinstance(own := base.get("tokenizer"), Mapping):
        found["base"] = {**base, "tokenizer": {**own, "uri": whole(str(own.get("uri")))}}
    return found


def from_here_too(settings: Mapping[str, object]) -> dict[str, object]:
    """The same for settings by their whole names, "base.uri"."""
    names = {f"{name}.{key}" for name, key in _PATHS}
    return {
        name: whole(value) if name in names and isinstance(value, str) else value
        for name, value in settings.items()
    }


def whole(uri: str) -> str:
    """A path from the working folder on; other URIs as they are."""
    where = parse(uri)
    if not where.here or uri in _WORDS or uri.startswith(("/", "~", "file:")):
        return uri
    here = Path.cwd()
    is_pattern = glob.has_magic(where.outer) and not os.path.exists(where.outer)  # noqa: PTH110 (no error where a name is too long)
    return f"{glob.escape(str(here)) if is_pattern else here}/{uri}"
