"""A tag for each word of a row: on its first piece in training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bertworks.tasks.tagging.entities import OUTSIDE, told_spans
from bertworks.tasks.target import Target, Unknown, Variety
from bertworks.text.alignment import IGNORE

if TYPE_CHECKING:
    import pyarrow as pa

    from bertworks.contracts.examples import Example
    from bertworks.spec import Columns
    from bertworks.tasks.forms.form import Pieces


class Truth(NamedTuple):
    """What the words of one row are tagged with.

    Attributes:
        tags: Label index of every word, shape (words,), those that were cut off included.
        words: The words that are read, in order: those that have a first piece in the row.
        starts: Where in the row's logits each of them is answered.
    """

    tags: np.ndarray
    words: np.ndarray
    starts: np.ndarray


def truth_of(row: Truth | Any) -> Truth:
    """A row's truth from its tags on pieces (-100 where no word begins), or as it is."""
    if isinstance(row, Truth):
        return row
    tags = np.asarray(row)
    starts = np.flatnonzero(tags != IGNORE)
    return Truth(tags[starts], np.arange(len(starts)), starts)


class TagsTarget(Target):
    """IOB2 tags; "O" is the first label, a type of entity is what is counted."""

    column = learned = "tags"
    many = per_word = True
    outside = OUTSIDE
    title = "Entities"

    def source_columns(self, columns: Columns) -> list[str]:
        """The column of tags."""
        return [columns.tags]

    def read(self, reader: Any, columns: Columns, values: Mapping[str, Any]) -> Example:
        """Tags are read together with their words; see `Tagging.example`."""
        raise NotImplementedError("tags are read with their words")

    def field(self) -> tuple[str, pa.DataType]:
        """A list of texts."""
        import pyarrow as pa

        return self.column, pa.list_(pa.string())

    def to_source(self, value: Any) -> dict[str, Any]:
        """`tags`."""
        return {"tags": list(value)}

    def of_source(self, row: Mapping[str, Any]) -> list[str]:
        """The tags."""
        return list(row["tags"])

    def choices(self, labels: Sequence[str]) -> list[str]:
        """None."""
        return []

    def kinds(self, labels: Sequence[str]) -> list[str]:
        """Types of entity, in the order of their tags."""
        return list(dict.fromkeys(tag.partition("-")[2] or tag for tag in labels if tag != OUTSIDE))

    def counted(self, value: Any) -> set[str]:
        """The types of the row's entities."""
        return {tag[2:] for tag in value if tag != OUTSIDE}

    def shown_labels(self, value: Any) -> list[str]:
        """The types of its entities, one an entity."""
        return [tag[2:] for tag in value if tag.startswith("B-")]

    def told(self, value: Any, words: Sequence[str]) -> str:
        """The entities that its tags mark."""
        return "; ".join(told_spans(value, words)) or "no entity"

    def label_values(self, values: pa.Array) -> pa.Array:
        """Types of entity."""
        import pyarrow.compute as pc

        return pc.replace_substring_regex(values, "^[BI]-", "")

    def balance(self, labels: Counter[str], rows: int) -> tuple[int, str]:
        """A type's share is that of all types' rows: most words have none."""
        return sum(labels.values()), "entities' rows"

    def variety(self, values: Mapping[str, int], rows: int) -> Variety:
        """Types of entity; one will do, beside the words that are none."""
        return len(values), 1, "types of entity"

    def beside(self, batch: pa.RecordBatch, pieces: Pieces) -> dict[str, pa.Array]:
        """The tags, one a piece and null where no word begins, and `word_tags`, one a word."""
        import pyarrow as pa

        from bertworks.text.ragged import ends, list_sizes

        tags = batch.column(self.column)
        place, none = self._places(ends(list_sizes(tags))[:-1], pieces)
        of_pieces = tags.flatten().take(pa.array(place, mask=none))
        offsets = pieces.columns["input_ids"].offsets
        return {self.column: pa.ListArray.from_arrays(offsets, of_pieces), "word_tags": tags}

    def _places(self, starts: np.ndarray, pieces: Pieces) -> tuple[np.ndarray, np.ndarray]:
        """Where each piece's tag stands among all of a batch, and which pieces have none.

        Args:
            starts: Where each row's tags begin, (rows,).
            pieces: The rows' pieces.
        """
        index = pieces.words
        if index is None:
            raise ValueError("Tags need rows of words.")
        return index.values + np.repeat(starts, index.lengths), ~pieces.begins

    def ordered(self, labels: Iterable[str]) -> list[str]:
        """ "O", then the others by the alphabet."""
        return [OUTSIDE, *(one for one in sorted(labels) if one != OUTSIDE)]

    def number(
        self, table: pa.Table, labels: Sequence[str], score: Mapping[str, float] | None
    ) -> tuple[pa.Table, Unknown]:
        """Places in `labels`, of the tags on pieces and of those a word."""
        from bertworks.text.labels import number_lists

        table, unknown = number_lists(table, self.column, labels)
        if "word_tags" in table.column_names:
            table, unknown = number_lists(table, "word_tags", labels)
        return table, unknown

    def indexes(self, values: Sequence[Any], labels: Sequence[str]) -> list[list[str]]:
        """Lists of tags as they are."""
        return list(values)

    def named(self, values: Any, row: int, labels: Sequence[str]) -> list[str]:
        """The tags."""
        return list(values[row])

    def batch(self, targets: Any, chosen: np.ndarray) -> tuple[np.ndarray, float]:
        """Tags on pieces, (rows, length), ignored where padded; divided by the words."""
        from bertworks.text.batching import pad_batch

        found: Any = pad_batch([targets[row] for row in chosen], IGNORE)
        return found, float((found >= 0).sum())
