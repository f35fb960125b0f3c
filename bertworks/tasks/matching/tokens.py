"""The documents of a tokens artifact. Needs pyarrow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bertworks.contracts.examples import DOCUMENTS
from bertworks.errors import ArtifactError
from bertworks.tasks.matching.documents import Document, Documents
from bertworks.text.ragged import Ragged


@dataclass(frozen=True)
class TokenizedDocuments:
    """Documents, and each one's token ids, marks included."""

    documents: Documents
    ids: Ragged


def read(tokens: Path) -> TokenizedDocuments:
    """Reads them, in the order of their shards.

    Args:
        tokens: The artifact's folder.

    Raises:
        ArtifactError: It has none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = sorted((tokens / DOCUMENTS).glob("part-*.parquet"))
    if not files:
        raise ArtifactError(
            f"{tokens} holds no documents.", "Run the transform step again with the same task."
        )
    table = pa.concat_tables([pq.read_table(file) for file in files])
    columns = (table[name].to_pylist() for name in ("id", "text", "seen"))
    documents = Documents.of(Document(*row) for row in zip(*columns, strict=True))
    lists = table["input_ids"].combine_chunks()
    offsets = np.asarray(lists.offsets, np.int64)
    values = lists.values.to_numpy(zero_copy_only=False)
    return TokenizedDocuments(
        documents, Ragged(values[offsets[0] : offsets[-1]], offsets - offsets[0])
    )


def sizes(tokens: Path) -> tuple[int, int]:
    """How many documents there are, and the bytes of their ids and texts."""
    import pyarrow.parquet as pq

    count = total = 0
    for file in sorted((tokens / DOCUMENTS).glob("part-*.parquet")):
        metadata = pq.read_metadata(file)
        count += metadata.num_rows
        for group in range(metadata.num_row_groups):
            columns = map(metadata.row_group(group).column, range(metadata.num_columns))
            total += sum(
                one.total_uncompressed_size
                for one in columns
                if one.path_in_schema in ("id", "text")
            )
    return count, total
