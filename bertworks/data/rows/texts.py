"""The texts of rows that were written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq

BATCH_ROWS = 4096


def texts_in(folder: Path, columns: Sequence[str]) -> Iterator[str]:
    """All texts of a folder's Parquet files, one after the other; words are joined by spaces.

    Args:
        folder: Holds the files; one that is not there holds none.
        columns: Those with texts.
    """
    for file in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(BATCH_ROWS, columns=list(columns)):
                for name in columns:
                    for text in batch.column(name).to_pylist():
                        yield text if isinstance(text, str) else " ".join(text or [])
