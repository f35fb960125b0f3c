"""Tables whose columns have types, Parquet and Arrow's own files: opened alike, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from bertworks.data.sources.first_bytes import ARROW_FILE, ARROW_STREAM, check_table
from bertworks.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = {
    ".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow", ".arrows": "arrow",
    ".feather": "arrow", ".ipc": "arrow",
}  # fmt: skip
FORMATS = {"parquet": "Parquet", "arrow": "Arrow"}
"""The formats that are tables, and what they are called in messages."""
_BATCH = 1024
_END = b"\xff\xff\xff\xff\0\0\0\0"
"""What a stream ends with, once its writer was closed."""


class Batch(NamedTuple):
    """Rows of a table, and which part of the file is read when these are done, 0 to 1."""

    rows: list[dict[str, Any]]
    share: float


class Table:
    """A file of rows whose columns have types; a context that closes it.

    Args:
        path: The file.
        name: Its name in messages.
        format_: One of `FORMATS`.
        fix: What to do with a file that is not whole.

    Attributes:
        schema: Its columns.
        names: What these are called.

    Raises:
        DataError: It is of another kind, or not whole as far as its beginning and end tell.
    """

    schema: pa.Schema

    def __init__(self, path: Path, name: str, format_: str, fix: str) -> None:
        check_table(path, name, format_)
        self._name, self._kind, self._fix = name, FORMATS[format_], fix
        with ExitStack() as opened, self._refusing():
            open_ = _Parquet if format_ == "parquet" else _Arrow
            self._file = open_(path, opened)
            self.schema = self._file.schema
            self.names: list[str] = self.schema.names
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def batches(self, columns: Sequence[str] | None = None, rows: int = _BATCH) -> Iterator[Batch]:
        """The rows in order.

        Args:
            columns: Those to read, each of which stands once; None: all.
            rows: Most rows of a batch.

        Raises:
            DataError: The file turns out to be damaged.
        """
        with self._refusing():
            yield from self._file.batches(columns, rows)

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """What Arrow finds damaged, or has no means to read, is an error of the file's."""
        import pyarrow as pa

        try:
            yield
        except pa.ArrowNotImplementedError as error:
            raise DataError(
                f"{self._name}: this {self._kind} file cannot be read here: {error}",
                "Write it again as Parquet, or as csv or jsonl.",
            ) from None
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            message = f"{self._name} is not a whole {self._kind} file: {error}"
            raise DataError(message, self._fix) from None


class _Parquet:
    """A Parquet file."""

    def __init__(self, path: Path, opened: ExitStack) -> None:
        import pyarrow.parquet as pq

        self._file = opened.enter_context(pq.ParquetFile(path))
        self.schema = self._file.schema_arrow

    def batches(self, columns: Sequence[str] | None, rows: int) -> Iterator[Batch]:
        done, total = 0, self._file.metadata.num_rows
        for batch in self._file.iter_batches(batch_size=rows, columns=columns):
            done += batch.num_rows
            yield Batch(batch.to_pylist(), done / max(total, 1))


class _Arrow:
    """A file of Arrow's (Feather is one), or a stream as `datasets` of Hugging Face writes it.

    The file is mapped into memory: a batch takes none of its own, unless it is packed.
    """

    def __init__(self, path: Path, opened: ExitStack) -> None:
        import pyarrow as pa

        self._file = opened.enter_context(pa.memory_map(str(path)))
        self._size = self._file.size()
        start = self._file.read(len(ARROW_FILE))
        self._is_stream = start.startswith(ARROW_STREAM)
        if not self._is_stream and start != ARROW_FILE:
            raise pa.ArrowInvalid(f"its first bytes are those of no such file: {start.hex(' ')}")
        if self._is_stream and self._ending() != _END:
            # Without the mark nobody can tell a whole stream from one that was cut between batches.
            raise pa.ArrowInvalid(
                "it lacks the mark at its end: it was cut off, or its writer was not closed"
            )
        self.schema: pa.Schema = self._reader(None).schema

    def batches(self, columns: Sequence[str] | None, rows: int) -> Iterator[Batch]:
        for whole, start, end in self._whole_batches(self._reader(columns)):
            batch = whole if columns is None else whole.select(list(columns))
            batch.validate(full=True)  # else a damaged one could lead to bytes outside of it
            batch = _decodable(batch)
            for at in range(0, batch.num_rows, rows):
                part = _decoded(batch.slice(at, rows))
                done = (at + part.num_rows) / batch.num_rows
                yield Batch(part.to_pylist(), start + (end - start) * done)

    def _reader(
        self, columns: Sequence[str] | None
    ) -> pa.RecordBatchFileReader | pa.RecordBatchStreamReader:
        """Reads from the beginning; of a stream only the columns that are named, where some are."""
        import pyarrow.ipc as ipc

        self._file.seek(0)
        if not self._is_stream:
            return ipc.open_file(self._file)  # with columns named, it would copy these
        places = [self.schema.names.index(name) for name in columns or ()]
        return ipc.open_stream(
            self._file, options=ipc.IpcReadOptions(included_fields=places or None)
        )

    def _whole_batches(
        self, reader: pa.RecordBatchFileReader | pa.RecordBatchStreamReader
    ) -> Iterator[tuple[pa.RecordBatch, float, float]]:
        """The batches as they were written, and between which parts of the file each stands."""
        import pyarrow as pa

        if not self._is_stream:
            count = reader.num_record_batches
            for number in range(count):
                yield reader.get_batch(number), number / count, (number + 1) / count
            return
        while True:
            start = self._file.tell()
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                break
            yield batch, start / self._size, self._file.tell() / self._size
        end = self._file.tell()
        if end == start:
            raise pa.ArrowInvalid("it ends without the mark of its end: it was cut off")
        if end < self._size:
            raise pa.ArrowInvalid(
                f"{self._size - end:,} bytes follow the mark of its end, as where files were joined"
            )

    def _ending(self) -> bytes:
        self._file.seek(max(0, self._size - len(_END)))
        return bytes(self._file.read())


def _decodable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, with dictionaries of views, as Polars has them, as such of plain texts."""
    import pyarrow as pa

    for place, column in enumerate(batch.columns):
        kind = column.type
        if pa.types.is_dictionary(kind) and pa.types.is_string_view(kind.value_type):
            texts = column.dictionary.cast(pa.large_string())
            made = pa.DictionaryArray.from_arrays(column.indices, texts)
            batch = batch.set_column(place, batch.schema.names[place], made)
    return batch


def _decoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with the values that dictionaries stand for: far faster than to look each one up."""
    import pyarrow as pa

    for place, column in enumerate(batch.columns):
        if pa.types.is_dictionary(column.type):
            name = batch.schema.names[place]
            batch = batch.set_column(place, name, column.dictionary_decode())
    return batch
