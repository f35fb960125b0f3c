"""Arrow batches of rows to Arrow batches of token ids, for every kind of task.

Labels stay as they are read (strings, numbers): which number a label gets is known only when all
rows were seen. Tags are put on the first piece of their word.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bertworks.errors import ArtifactError
from bertworks.spec import Task
from bertworks.text.alignment import first_pieces
from bertworks.text.ragged import Integers, Ragged, ends, join, list_sizes
from bertworks.text.tokenizer import NO_WORD, Tokenizer
from bertworks.text.windows import most_tokens

Counts = dict[str, int]


def text_columns(task: Task) -> list[str]:
    """The columns of an examples artifact that hold the text."""
    if task.type == "tagging":
        return ["tokens"]
    return ["text_a", "text_b"] if task.pair else ["text"]


def label_column(task: Task) -> str:
    """The column that holds what is to be learned."""
    if task.type == "classification":
        return "labels" if task.multi_label else "label"
    return {"tagging": "tags", "regression": "score"}[task.type]


def check_columns(task: Task, schema: pa.Schema) -> None:
    """Checks that examples have the columns that a task needs.

    Raises:
        ArtifactError: They were made for another task.
    """
    missing = {"id", *text_columns(task), label_column(task)} - set(schema.names)
    if missing:
        raise ArtifactError(
            f"The examples have no column {', '.join(sorted(missing))}, which the task needs "
            f"({task.type}); they have {', '.join(schema.names)}.",
            "Run the ingest step again with the same task section.",
        )


def labels_of(task: Task, batch: pa.RecordBatch) -> pa.ListArray:
    """The labels of each row as a list of strings, whatever the task."""
    column = batch.column(label_column(task))
    if pa.types.is_list(column.type):
        return column
    return singletons(column)


def singletons(values: pa.Array) -> pa.ListArray:
    """A list of one value a row."""
    return pa.ListArray.from_arrays(pa.array(np.arange(len(values) + 1, dtype=np.int32)), values)


def encode(
    task: Task, tokenizer: Tokenizer, batch: pa.RecordBatch
) -> tuple[pa.RecordBatch, Counts]:
    """Encodes labelled rows.

    Args:
        task: What is learned, and at which length rows are cut.
        tokenizer: The tokenizer.
        batch: Rows of an examples artifact.

    Returns:
        A batch with id, input_ids, type_ids (pairs), length, and the label column (tags are one a
        piece, null where no word begins; beside them word_tags, a tag a word, and read_words, the
        index of each word that has a piece), and the counts rows,
        windowed (read in several windows), truncated, tokens, unknown_tokens, label_values.
    """
    made, counts = _encode(task, tokenizer, batch)
    longer = made.column("length").to_numpy() > task.max_length
    return made, {**counts, "windowed": int(longer.sum())}


def _encode(
    task: Task, tokenizer: Tokenizer, batch: pa.RecordBatch
) -> tuple[pa.RecordBatch, Counts]:
    if task.type == "tagging":
        return _encode_words(task, tokenizer, batch)
    encoded, truncated = _encode_texts(task, tokenizer, batch)
    columns = {"id": batch.column("id"), **encoded}
    columns[label_column(task)] = batch.column(label_column(task))
    labels = 0 if task.type == "regression" else len(labels_of(task, batch).flatten())
    return _finish(columns, tokenizer, truncated, labels)


def encode_corpus(tokenizer: Tokenizer, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Counts]:
    """Encodes unlabelled texts whole and without marks: id, input_ids, words, length."""
    pieces, words = tokenizer.chunks.texts_and_words(batch.column("text"))
    columns = {"id": batch.column("id"), **_id_columns(pieces), "words": words.lists()}
    return _finish(columns, tokenizer, 0, 0)


def _encode_texts(
    task: Task, tokenizer: Tokenizer, batch: pa.RecordBatch
) -> tuple[dict[str, pa.Array], int]:
    """The columns of one text or a pair a row, and how many rows were cut."""
    cls, sep = tokenizer.special.cls, tokenizer.special.sep
    first, *rest = (tokenizer.chunks.texts(batch.column(name)) for name in text_columns(task))
    if not rest:
        keep = np.minimum(first.lengths, most_tokens(task) - 2)
        return _id_columns(join([cls, first.cut(keep), sep])), int((keep < first.lengths).sum())
    second = rest[0]
    limit = task.max_length - 3
    keep_first, keep_second = longest_first_batch(first.lengths, second.lengths, limit)
    columns = _id_columns(join([cls, first.cut(keep_first), sep, second.cut(keep_second), sep]))
    sides = np.stack([keep_first + 2, keep_second + 1], axis=1)
    types = np.repeat(np.tile(np.array([0, 1], np.int32), len(sides)), sides.ravel())
    columns["type_ids"] = Ragged(types, ends(sides.sum(axis=1))).lists(np.int8)
    return columns, int((first.lengths + second.lengths > limit).sum())


def _encode_words(
    task: Task, tokenizer: Tokenizer, batch: pa.RecordBatch
) -> tuple[pa.RecordBatch, Counts]:
    """Ids of each list of words, and the words' tags on their first pieces."""
    tags = batch.column("tags")
    pieces, words = tokenizer.chunks.words(batch.column("tokens"))
    keep = np.minimum(pieces.lengths, most_tokens(task) - 2)
    cls, sep = tokenizer.special.cls, tokenizer.special.sep
    index = join([NO_WORD, words.cut(keep), NO_WORD])
    begins = first_pieces(index.values)
    tag = index.values + np.repeat(ends(list_sizes(tags))[:-1], index.lengths)
    of_pieces = tags.flatten().take(pa.array(tag, mask=~begins))
    columns = {"id": batch.column("id"), **_id_columns(join([cls, pieces.cut(keep), sep]))}
    columns["tags"] = pa.ListArray.from_arrays(columns["input_ids"].offsets, of_pieces)
    columns["word_tags"] = tags
    columns["read_words"] = index.keep(begins).lists()
    return _finish(columns, tokenizer, int((keep < pieces.lengths).sum()), len(tags.flatten()))


def longest_first_batch(first: Integers, second: Integers, limit: int) -> tuple[Integers, Integers]:
    """`tokenizer.longest_first` for every pair of lengths."""
    shorter = np.minimum(first, second)
    kept_shorter = np.minimum(shorter, limit // 2)
    kept_longer = np.minimum(np.maximum(first, second), limit - kept_shorter)
    longer_first = first > second
    return (
        np.where(longer_first, kept_longer, kept_shorter),
        np.where(longer_first, kept_shorter, kept_longer),
    )


def _id_columns(ids: Ragged) -> dict[str, Any]:
    column = ids.lists()
    return {"input_ids": column, "length": pc.list_value_length(column)}


def _finish(
    columns: dict[str, Any], tokenizer: Tokenizer, truncated: int, labels: int
) -> tuple[pa.RecordBatch, Counts]:
    ids = columns["input_ids"].flatten().to_numpy()
    counts = {
        "rows": len(columns["id"]),
        "truncated": truncated,
        "windowed": 0,
        "tokens": len(ids),
        "unknown_tokens": int((ids == tokenizer.special.unk).sum()),
        "label_values": labels,
    }
    return pa.RecordBatch.from_pydict(columns), counts
