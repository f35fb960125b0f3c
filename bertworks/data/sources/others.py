"""Encoders that a search tries beside the base: fetched with it, as a search fetches nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from bertworks.data.sources.base import fetch_base
from bertworks.errors import SourceError
from bertworks.notices import Notice
from bertworks.spec import Base

FOLDER = "others"
"""Of the base artifact; in it a folder an encoder, by name."""


def fetch_others(
    names: Sequence[str],
    base: Base,
    folder: Path,
    spec_folder: Path,
    max_length: int,
    *,
    required: bool = True,
) -> tuple[list[str], list[Notice]]:
    """Fetches encoders of the catalogue; those that read other tokens than the base are left out.

    Args:
        names: Of the catalogue.
        base: The encoder that is taken.
        folder: Where that one is, with its tokenizer.json.
        spec_folder: What a local path is relative to.
        max_length: task.max_length.
        required: Whether one that cannot be fetched ends it; else it is left out.

    Returns:
        The names of those that are there, and what was left out.

    Raises:
        SourceError: One cannot be fetched, or is not what was pinned.
    """
    found, notices = [], []
    for name in names:
        other = Base(name=name, vocabulary=base.vocabulary)
        if other.uri == base.uri:
            continue
        place = folder / FOLDER / name
        place.mkdir(parents=True)
        try:
            fetch_base(other, place, spec_folder, max_length)
        except SourceError as error:
            if required:
                raise
            shutil.rmtree(place)
            text = f"{name} is not tried by the search: {error.message}"
            notices.append(Notice(text, "warning"))
            continue
        if _entries(place) == _entries(folder):
            found.append(name)
            continue
        shutil.rmtree(place)
        notices.append(
            Notice(
                f"{name} is not tried by the search: its tokenizer has other entries than the base's. "
                "Name it as base.name to train it.",
                "warning",
            )
        )
    return found, notices


def _entries(folder: Path) -> object:
    """What a tokenizer knows: its model, and how texts come to it."""
    told = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    return told["model"]["vocab"], told.get("normalizer"), told.get("pre_tokenizer")
