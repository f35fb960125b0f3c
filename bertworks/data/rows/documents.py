"""What may be found: documents that rows brought, and those of sources that hold nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from bertworks.contracts.examples import DOCUMENTS, EXAMPLES, Example, Examples, Found
from bertworks.data.rows.reading import Reader
from bertworks.data.rows.shards import DOCUMENTS_SCHEMA, ShardWriter
from bertworks.data.rows.spill import Spill
from bertworks.data.rows.split import content_id
from bertworks.errors import DataError
from bertworks.spec import Data
from bertworks.storage.artifacts import Artifact
from bertworks.tasks.matching.target import TEXTS

_SHOWN = 5


class DocumentsWriter:
    """Gathers documents and writes them beside the splits.

    Args:
        data: The spec's section.
        scratch: An empty folder for documents on their way.
    """

    def __init__(self, data: Data, scratch: Path) -> None:
        self._data, self._spill = data, Spill(scratch)

    def take(self, split: str, row: Example) -> None:
        """Takes the documents of a row that was kept: their texts, where it brings them."""
        texts = row.get(TEXTS) or {}
        for name in row["documents"]:
            known = {"name": name, "split": split, "text": texts.get(name, "")}
            self._spill.add({"id": content_id(name), **known})

    def write(self, folder: Path, info: Examples, reader: Reader) -> Examples:
        """Reads the sources of documents, and writes all of them and info.json, which it returns.

        Args:
            folder: The examples artifact's.
            info: What info.json says so far.
            reader: Set up for texts without labels.

        Raises:
            DataError: A source has no rows, too many of its rows were refused, or rows name documents
                that nothing holds the text of.
        """
        for found in reader.examples(self._data.documents):
            name = str(found.example.get("name") or found.example["id"])
            text = found.example["text"]
            self._spill.add({"id": content_id(name), "name": name, "text": text, "table": True})
        reader.log.check(reader.read, reader.rejected, self._data.max_rejected, "data.sources")
        counts: Counter[str] = Counter()
        missing: list[str] = []
        with ShardWriter(folder / DOCUMENTS, DOCUMENTS_SCHEMA) as writer:
            for group in self._spill.groups():
                listed = [one for one in group if one.get("table")]
                # A table's text is the document's own; else that of the row that brings one.
                text = next((one["text"] for one in [*listed, *group] if one["text"]), "")
                if not text:
                    missing.append(group[0]["name"])
                    continue
                seen = sum(one.get("split") == "train" for one in group)
                counts["seen"] += bool(seen)
                counts["unasked"] += len(listed) == len(group)
                counts["duplicates"] += max(0, len(listed) - 1)
                writer.add({"id": group[0]["name"], "text": text, "seen": seen})
        if missing:
            shown = ", ".join(map(repr, missing[:_SHOWN]))
            more = f" and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else ""
            raise DataError(
                f"{len(missing):,} documents are named by rows, and no source holds their text: "
                f"{shown}{more}.",
                "Add a source with documents: true whose columns.document_id has these names; or leave "
                "the rows out with data.sources[].where.",
            )
        told = replace(
            info,
            documents=Found(
                rows=writer.rows,
                seen=counts["seen"],
                unasked=counts["unasked"],
                duplicates=counts["duplicates"],
                rejected=reader.rejected,
                sources=reader.sources,
            ),
        )
        EXAMPLES.write(folder, told)
        return told


def write_merged(folder: Path, sources: Sequence[Artifact], trained: Mapping[str, int]) -> Found:
    """Writes the documents of rows that come from several examples artifacts.

    Args:
        folder: The new artifact's.
        sources: Older ones first. All documents of the last one may be found; of the others those that a
            row still has. A document's text is the newest.
        trained: How many training rows each document belongs to that a row has; 0: only others.
    """
    texts: dict[str, str] = {}
    for place, source in enumerate(sources):
        for file in sorted((source / DOCUMENTS).glob("part-*.parquet")):
            for row in pq.read_table(file, columns=["id", "text"]).to_pylist():
                if row["id"] in trained or place == len(sources) - 1:
                    texts[row["id"]] = row["text"]
    with ShardWriter(folder / DOCUMENTS, DOCUMENTS_SCHEMA) as writer:
        for name, text in sorted(texts.items()):
            writer.add({"id": name, "text": text, "seen": trained.get(name, 0)})
    seen = sum(trained.get(name, 0) > 0 for name in texts)
    return Found(len(texts), seen, sum(name not in trained for name in texts))
