"""The documents that belong to a row: their ids; numbers of them in training."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bertworks.data.rows.split import content_id
from bertworks.tasks.target import Company, Target, Unknown, Variety

if TYPE_CHECKING:
    import pyarrow as pa

    from bertworks.contracts.examples import Example
    from bertworks.spec import Columns

DOCUMENT = "document"
"""Column of a document's text where the spec names none."""
TEXTS = "_document_texts"
"""Key of a row on its way through ingest: document id to text, for the documents that it brings."""


class DocumentsTarget(Target):
    """Any number of documents a row, one at least, told apart by their ids."""

    column = learned = "documents"
    many = True
    has_labels = False
    unites = True
    value_name, title = "document", "Documents"

    def source_columns(self, columns: Columns) -> list[str]:
        """The documents' names, where they have such; else, or where it is asked for too, their text."""
        names = [columns.document_id, columns.document]
        return [name for name in names if name is not None] or [DOCUMENT]

    def read(self, reader: Any, columns: Columns, values: Mapping[str, Any]) -> Example:
        """`documents`, and beside them the text of a document that the row brings.

        Args:
            reader: A `bertworks.data.rows.mapping.Mapper`: a document is cleaned as a query is.
            columns: What the source calls the columns.
            values: The row.
        """
        column = columns.document or ("" if columns.document_id else DOCUMENT)
        text = reader.text(values, column) if column else ""
        name = reader.name_of(values, columns.document_id) if columns.document_id else ""
        identity = name or content_id(text)
        return {self.column: [identity], TEXTS: {identity: text} if text else {}}

    def field(self) -> tuple[str, pa.DataType]:
        """A list of texts."""
        import pyarrow as pa

        return self.column, pa.list_(pa.string())

    def stored(self, row: Mapping[str, Any]) -> list[str]:
        """None: documents are no labels, and there may be a million of them."""
        return []

    def names(self, value: Any) -> tuple[str, ...]:
        """None, likewise."""
        return ()

    def shown_labels(self, value: Any) -> list[str]:
        """How many there are."""
        return [f"{len(value)} document{'s' if len(value) != 1 else ''}"]

    def united(self, rows: Sequence[Mapping[str, Any]]) -> Example:
        """All documents of rows whose text is the same."""
        found = sorted({name for row in rows for name in row[self.column]})
        texts = {key: text for row in rows for key, text in row.get(TEXTS, {}).items()}
        return {self.column: found, TEXTS: texts}

    def settled(self, rows: Sequence[Mapping[str, Any]], how: str) -> Any:
        """The documents that most of the rows have; `united` is what ingest asks."""
        counts = Counter(self.text(row[self.column]) for row in rows).most_common()
        if counts[0][1] * 2 <= len(rows):
            return None
        return next(row[self.column] for row in rows if self.text(row[self.column]) == counts[0][0])

    def text(self, value: Any) -> str:
        """The ids, joined."""
        return " ".join(sorted(value))

    def told_apart(self, value: Any) -> set[str]:
        """The ids."""
        return set(value)

    def variety(self, values: Mapping[str, int], rows: int) -> Variety:
        """Different documents."""
        return len(values), 2, "different documents"

    def label_lists(self, batch: pa.RecordBatch) -> pa.ListArray:
        """No labels in any row."""
        import pyarrow as pa

        offsets = pa.array(np.zeros(batch.num_rows + 1, np.int32))
        return pa.ListArray.from_arrays(offsets, pa.array([], pa.string()))

    def label_count(self, batch: pa.RecordBatch) -> int:
        """How many documents belong to a batch's rows in all."""
        return len(batch.column(self.column).flatten())

    def ordered(self, labels: Iterable[str]) -> list[str]:
        """None."""
        return []

    def number(
        self, table: pa.Table, labels: Sequence[str], score: Mapping[str, float] | None
    ) -> tuple[pa.Table, Unknown]:
        """Replaces each id by its number."""
        import pyarrow as pa

        lists = table.column(self.column).combine_chunks()
        numbers = pa.array(numbers_of(lists.values.to_pylist()), pa.int64())
        found = pa.ListArray.from_arrays(lists.offsets, numbers)
        place = table.schema.get_field_index(self.column)
        return table.set_column(place, self.column, found), {}

    def indexes(self, values: Sequence[Any], labels: Sequence[str]) -> list[list[str]]:
        """The ids as they are, a list a row."""
        return [list(row) for row in values]

    def named(self, values: Any, row: int, labels: Sequence[str]) -> Any:
        """The ids."""
        return list(values[row])

    def batch(self, targets: Any, chosen: np.ndarray) -> tuple[np.ndarray, float]:
        """Which row is whose document, int32 (rows, rows), and how many of the rows are queries.

        1 where the column's row is a document of the line's row, which is a query; 0 where it is another
        document; -1 where it is no document, or one that stands in an earlier column.
        """
        rows = [np.asarray(targets[row]) for row in chosen]
        numbers = np.array([~row[0] if is_document(row) else -1 for row in rows], np.int64)
        seen: set[int] = set()
        open_ = np.zeros(len(rows), bool)
        for place, number in enumerate(numbers.tolist()):
            open_[place] = number >= 0 and number not in seen
            seen.add(number)
        found = np.full((len(rows), len(rows)), -1, np.int32)
        queries = 0
        for place, row in enumerate(rows):
            if not is_document(row):
                queries += 1
                found[place, open_] = np.isin(numbers[open_], row)
        return found, float(queries)

    def company(self, targets: Any) -> Company | None:
        """Queries are learned with documents."""
        from bertworks.tasks.matching.company import Documents

        return Documents(targets)

    def numbers(self, documents: Sequence[str]) -> list[int]:
        """The heads of their BLAKE2b."""
        return numbers_of(documents)

    def of_document(self, number: int) -> list[int]:
        """What stands for a document where queries have the numbers of theirs: below 0."""
        return [~number]


def numbers_of(names: Iterable[str]) -> list[int]:
    """A number for each document id, 0 to 2^62 - 1: the head of its BLAKE2b."""
    return [
        int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") >> 2
        for name in names
    ]


def is_document(target: np.ndarray) -> bool:
    """Whether a row's target says that the row is a document."""
    return len(target) == 1 and bool(target[0] < 0)
