"""axe-core, which finds what a page keeps from those who cannot see or use a mouse: one pinned file."""

from __future__ import annotations

import functools
from pathlib import Path

from bertworks.data.sources.fetch import fetch
from bertworks.errors import BertworksError

URI = "npm://axe-core@4.14.1/axe.min.js"
SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"


@functools.cache
def script() -> str | None:
    """Its source, from the cache or the registry; None: neither is at hand."""
    try:
        with fetch(URI, SHA256, Path.cwd()) as (file,):
            return file.path.read_text("utf-8")
    except BertworksError:
        return None
