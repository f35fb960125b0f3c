"""Arrow batches of rows to Arrow batches of token ids, for every kind of task.

Labels stay as they are read (strings, numbers): which number a label gets is known only when all
rows were seen. Tags are put on the first piece of their word.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bertworks.errors import ArtifactError
from bertworks.spec import Task
from bertworks.text.alignment import first_pieces
from bertworks.text.tokenizer import Encoded, Tokenizer

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
    return pa.ListArray.from_arrays(_offsets(np.ones(len(column), dtype=np.int64)), column)


def encode(
    task: Task, tokenizer: Tokenizer, batch: pa.RecordBatch
) -> tuple[pa.RecordBatch, Counts]:
    """Encodes labelled rows.

    Args:
        task: What is learned, and `max_length`, at which rows are cut.
        tokenizer: The tokenizer.
        batch: Rows of an examples artifact.

    Returns:
        A batch with id, input_ids, type_ids (pairs), length, and the label column (tags are one a
        piece, null where no word begins), and the counts rows, truncated, tokens, unknown_tokens,
        label_values.
    """
    if task.type == "tagging":
        return _encode_words(task, tokenizer, batch)
    encoded, truncated = _encode_texts(task, tokenizer, batch)
    columns = {"id": batch.column("id"), **_id_columns(encoded)}
    if task.pair:
        columns["type_ids"] = _lists([types for _, types in encoded], np.int8)
    columns[label_column(task)] = batch.column(label_column(task))
    labels = 0 if task.type == "regression" else len(labels_of(task, batch).flatten())
    return _finish(columns, tokenizer, truncated, labels)


def encode_corpus(tokenizer: Tokenizer, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Counts]:
    """Encodes unlabelled texts whole and without marks: id, input_ids, words, length."""
    encoded = tokenizer.pieces_and_words_batch(batch.column("text").to_pylist())
    columns = {"id": batch.column("id"), **_id_columns(encoded)}
    columns["words"] = _lists([words for _, words in encoded], np.int32)
    return _finish(columns, tokenizer, 0, 0)


def _encode_texts(
    task: Task, tokenizer: Tokenizer, batch: pa.RecordBatch
) -> tuple[list[Encoded], int]:
    """Ids and type ids of one text or a pair a row, and how many rows were cut."""
    texts = [batch.column(name).to_pylist() for name in text_columns(task)]
    pieces = [tokenizer.pieces_batch(column) for column in texts]
    seconds: list[list[int]] | list[None] = pieces[1] if task.pair else [None] * len(pieces[0])
    encoded, truncated = [], 0
    for first, second in zip(pieces[0], seconds, strict=True):
        row = tokenizer.assemble(first, second, task.max_length)
        whole = len(first) + 2 + (0 if second is None else len(second) + 1)
        truncated += whole > len(row[0])
        encoded.append(row)
    return encoded, truncated


def _encode_words(
    task: Task, tokenizer: Tokenizer, batch: pa.RecordBatch
) -> tuple[pa.RecordBatch, Counts]:
    """Ids of each list of words, and the words' tags on their first pieces."""
    tags = batch.column("tags").to_pylist()
    encoded, pieces, truncated = [], [], 0
    rows = tokenizer.pieces_of_words_batch(batch.column("tokens").to_pylist())
    for row, row_tags in zip(rows, tags, strict=True):
        ids, words = tokenizer.mark_words(*row, task.max_length)
        truncated += len(row[0]) + 2 > len(ids)
        first = first_pieces(words).tolist()
        pieces.append(
            [row_tags[word] if begins else None for word, begins in zip(words, first, strict=True)]
        )
        encoded.append((ids, words))
    columns = {"id": batch.column("id"), **_id_columns(encoded)}
    columns["tags"] = pa.array(pieces, pa.list_(pa.string()))
    return _finish(columns, tokenizer, truncated, sum(map(len, tags)))


def _id_columns(encoded: list[Encoded]) -> dict[str, Any]:
    ids = _lists([row for row, _ in encoded], np.int32)
    return {"input_ids": ids, "length": pc.list_value_length(ids)}


def _finish(
    columns: dict[str, Any], tokenizer: Tokenizer, truncated: int, labels: int
) -> tuple[pa.RecordBatch, Counts]:
    ids = columns["input_ids"].flatten().to_numpy()
    counts = {
        "rows": len(columns["id"]),
        "truncated": truncated,
        "tokens": len(ids),
        "unknown_tokens": int((ids == tokenizer.special.unk).sum()),
        "label_values": labels,
    }
    return pa.RecordBatch.from_pydict(columns), counts


def _lists(rows: list[list[int]], dtype: type[np.integer[Any]]) -> pa.ListArray:
    sizes = np.fromiter(map(len, rows), np.int64, len(rows))
    flat = np.fromiter(chain.from_iterable(rows), dtype, int(sizes.sum()))
    return pa.ListArray.from_arrays(_offsets(sizes), pa.array(flat))


def _offsets(sizes: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32))
