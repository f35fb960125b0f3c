"""The rows that a server kept, each once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from bertworks.errors import DataError
from bertworks.serving.observation.files import read_rows
from bertworks.storage.replacing import replacing
from bertworks.tasks.forms.form import Row

TEXTS = ("text", "text_a", "text_b", "tokens", "context")
ASKED = "asked.jsonl"
"""In the folder: the rows that were exported before."""


@dataclass
class Candidate:
    """A row that may be labelled.

    Attributes:
        texts: Its texts, in the columns of a data source.
        key: A hash of them.
        times: How often it was kept.
        answer: What the agent says of it now.
        doubt: One less how sure that is, 0 to 1.
    """

    texts: dict[str, Any]
    key: str
    times: int = 1
    answer: Mapping[str, Any] = field(default_factory=dict)
    doubt: float = 1.0

    @property
    def row(self) -> Row:
        """As an agent takes it."""
        if "text_a" in self.texts:
            return self.texts["text_a"], self.texts["text_b"]
        row: Row = self.texts["tokens"] if "tokens" in self.texts else self.texts["text"]
        return cast("Row", (row, self.texts["context"])) if "context" in self.texts else row

    @property
    def shown(self) -> dict[str, str]:
        """As people read it: words are joined by spaces, as the agent joins them."""
        if "tokens" in self.texts:
            beside = {name: one for name, one in self.texts.items() if name != "tokens"}
            return {"text": " ".join(self.texts["tokens"]), **beside}
        return dict(self.texts)


def read_pool(folder: Path, *, again: bool = False) -> tuple[list[Candidate], int]:
    """The rows of a server's closed files, latest first.

    Args:
        folder: Where they are kept.
        again: Whether rows that were exported before may come again.

    Returns:
        The rows, each text once; and how many were left out, as they were exported before.

    Raises:
        DataError: There is no such folder, or no closed file in it.
    """
    files = sorted([*folder.glob("rows-*.parquet"), *folder.glob("rows-*.jsonl.gz")], reverse=True)
    if not files:
        opened = len(list(folder.glob(".rows-*.open")))
        raise DataError(
            f"{folder} has no rows that a server has kept"
            + (f", but for {opened} files that are still open." if opened else "."),
            "Wait for a file to be closed, or stop the server, which closes it."
            if opened
            else "Start the server with a folder for samples, and let it answer more requests: it keeps "
            "one row in a hundred by default.",
        )
    found: dict[str, Candidate] = {}
    for file in files:
        for kept in reversed(read_rows(file)):
            texts = {name: kept[name] for name in TEXTS if kept.get(name) is not None}
            key = key_of(texts)
            if key in found:
                found[key].times += 1
            else:
                found[key] = Candidate(texts, key)
    before = set() if again else _asked(folder)
    left = [one for one in found.values() if one.key not in before]
    return left, len(found) - len(left)


def note_asked(folder: Path, chosen: Sequence[Candidate]) -> None:
    """Notes rows as exported, so that nobody is asked for them twice."""
    file = folder / ASKED
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    with replacing(file) as path:
        path.write_text(before + "".join(f"{one.key}\n" for one in chosen), encoding="utf-8")


def key_of(texts: Mapping[str, Any]) -> str:
    """A hash of a row's texts."""
    content = json.dumps([texts.get(name) for name in TEXTS], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _asked(folder: Path) -> set[str]:
    file = folder / ASKED
    return set(file.read_text(encoding="utf-8").split()) if file.exists() else set()
