"""New documents for a bundle that finds such: encoded by its own graph, nothing is trained.

The bundle that there is stays as it is: another is written, whose graph, tokenizer and threshold are the
same files, and whose index holds more.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bertworks.contracts.index import INDEX
from bertworks.contracts.index import Index as Record
from bertworks.errors import ArtifactError, DataError
from bertworks.progress import stage
from bertworks.runtime.agent import Agent, digest_of_reading
from bertworks.spec import Matching as Settings
from bertworks.storage.artifacts import MANIFEST, Artifact, write
from bertworks.tasks.matching.documents import FILE, Document
from bertworks.tasks.matching.index import GRAPH, VECTORS, Index
from bertworks.tasks.matching.task import Matching

OWN = (FILE, VECTORS, GRAPH, INDEX.name, MANIFEST)
"""Files that are written anew; all others are the old bundle's."""


@dataclass(frozen=True)
class Added:
    """What came of documents that were to be added.

    Attributes:
        new: How many are new.
        known: How many were there already, with the same text.
        cut: How many of the new ones are longer than what is read of them.
        record: index.json of the new bundle.
    """

    new: int
    known: int
    cut: int
    record: Record


def index_of(agent: Agent, where: str) -> Index:
    """The index of a loaded agent.

    Raises:
        ArtifactError: It does another task.
    """
    handler = agent.handler
    if not isinstance(handler, Matching) or handler.index is None:
        raise ArtifactError(
            f"{where} finds no documents: its task is {agent.task.kind.name}.",
            "Give a bundle of a spec with task.type: matching.",
        )
    return handler.index


def new_of(documents: Iterable[Document], index: Index) -> tuple[list[Document], int]:
    """Those that an index does not hold, each once, and how many it holds or were named before.

    Raises:
        DataError: A document has the id of another that has another text.
    """
    found: dict[str, Document] = {}
    known = 0
    for one in documents:
        place = index.documents.places.get(one.id)
        before = found.get(one.id) if place is None else index.documents[place]
        if before is None:
            found[one.id] = one
        elif before.text == one.text:
            known += 1
        else:
            raise DataError(
                f"There is a document {one.id!r} already, and its text is another: "
                f"{before.text[:80]!r}. Received: {one.text[:80]!r}",
                "Give the new text another id; to change or drop documents run the spec again.",
            )
    return list(found.values()), known


def add(bundle: Artifact, agent: Agent, documents: Iterable[Document], out: Path) -> Added:
    """Writes a bundle that finds more documents.

    Args:
        bundle: The old one; every file's sha256 was checked.
        agent: It, loaded.
        documents: Cleaned as the agent cleans texts.
        out: Where the new one goes, whole or not at all; may be the old one's place.

    Returns:
        What came of them; where none is new, nothing is written.

    Raises:
        ArtifactError: The bundle finds no documents, or its vectors are not of its graph.
        DataError: See `new_of`.
    """
    index = index_of(agent, str(bundle.path))
    if index.record.graph not in ("", digest_of_reading(bundle.path, agent.info)):
        raise ArtifactError(
            f"{bundle.path}: the vectors of its documents were computed by another graph than it holds.",
            "Make the bundle anew with the quantize step.",
        )
    new, known = new_of(documents, index)
    if not new:
        return Added(0, known, 0, index.record)
    vectors, cut = vectors_of(agent, [one.text for one in new])
    manifest = json.loads((bundle / MANIFEST).read_bytes())
    measured = [name for name, entry in manifest["files"].items() if entry.get("measured")]
    metadata = {**bundle.metadata, "documents": index.record.documents + len(new)}
    with write(
        out, kind="bundle", producer="index add", parents={"bundle": bundle}, metadata=metadata,
        measured=[Path(name).name for name in measured],
    ) as folder:  # fmt: skip
        for name in manifest["files"]:
            if name not in OWN:
                _same_file(bundle / name, folder / name)
        record = index.write_with(folder, new, vectors, agent.task.matching or Settings())
    return Added(len(new), known, cut, record)


def vectors_of(agent: Agent, texts: Sequence[str]) -> tuple[np.ndarray, int]:
    """Vectors of texts that were cleaned, (texts, width), and how many texts were cut."""
    encoded = agent.encode(list(texts), cleaned=agent.clean)
    with stage("encoding documents", total=len(texts), unit="documents") as current:
        found = agent.read(encoded.ids, None, current.advance).logits
    return np.stack(found).astype(np.float32), sum(encoded.truncated)


def _same_file(source: Path, target: Path) -> None:
    """The same file at two places, where the disk can have that: it is never changed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
