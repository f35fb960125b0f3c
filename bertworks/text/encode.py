"""Arrow batches of rows to Arrow batches of token ids, for every kind of task.

Labels stay as they are read (strings, numbers): which number a label gets is known only when all
rows were seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from bertworks.errors import ArtifactError
from bertworks.spec import Task
from bertworks.tasks import for_task
from bertworks.tasks.forms.batches import id_columns, text_pieces
from bertworks.text.tokenizer import Tokenizer

Counts = dict[str, int]


def check_columns(task: Task, schema: pa.Schema) -> None:
    """Checks that examples have the columns that a task needs.

    Raises:
        ArtifactError: They were made for another task.
    """
    handler = for_task(task)
    missing = {"id", *handler.form.columns, handler.target.column} - set(schema.names)
    if missing:
        raise ArtifactError(
            f"The examples have no column {', '.join(sorted(missing))}, which the task needs "
            f"({handler.kind.type}); they have {', '.join(schema.names)}.",
            "Run the ingest step again with the same task section.",
        )


def encode(
    task: Task, tokenizer: Tokenizer, batch: pa.RecordBatch
) -> tuple[pa.RecordBatch, Counts]:
    """Encodes labelled rows.

    Args:
        task: What is learned, and at which length rows are cut.
        tokenizer: The tokenizer.
        batch: Rows of an examples artifact.

    Returns:
        A batch with id, input_ids, type_ids (pairs), length, and the target's columns (tags are one a
        piece, null where no word begins; beside them word_tags, a tag a word, and read_words, the
        index of each word that has a piece), and the counts rows,
        windowed (read in several windows), truncated, tokens, unknown_tokens, label_values.
    """
    handler = for_task(task)
    pieces = handler.form.pieces(task, tokenizer, batch)
    columns = {
        "id": batch.column("id"), **pieces.columns, **handler.target.beside(batch, pieces),
        **pieces.after,
    }  # fmt: skip
    labels = handler.target.label_count(batch)
    made, counts = _finish(columns, tokenizer, pieces.truncated, labels)
    longer = made.column("length").to_numpy() > task.max_length
    return made, {**counts, "windowed": int(longer.sum())}


def number_labels(
    task: Task, table: pa.Table, labels: Sequence[str], score: Mapping[str, float] | None = None
) -> tuple[pa.Table, dict[str, int]]:
    """Replaces what was read (labels, scores) by what training needs.

    Args:
        task: The task.
        table: Encoded rows, with the label column as it was read.
        labels: Those of the train split; none for regression.
        score: For regression `mean` and `std` of the train split's scores.

    Returns:
        The table, and how often each label was seen that is not in `labels`.
    """
    return for_task(task).target.number(table, labels, score)


def encode_corpus(tokenizer: Tokenizer, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Counts]:
    """Encodes unlabelled texts whole and without marks: id, input_ids, words, length."""
    pieces, words = tokenizer.chunks.texts_and_words(batch.column("text"))
    columns = {"id": batch.column("id"), **id_columns(pieces), "words": words.lists()}
    return _finish(columns, tokenizer, 0, 0)


def encode_documents(
    task: Task, tokenizer: Tokenizer, batch: pa.RecordBatch
) -> tuple[pa.RecordBatch, Counts]:
    """Encodes documents as queries are: id, number, seen, text, input_ids, length."""
    pieces = text_pieces(task, tokenizer, batch.column("text"))
    numbers = for_task(task).target.numbers(batch.column("id").to_pylist())
    columns = {
        **{name: batch.column(name) for name in ("id", "seen", "text")},
        "number": pa.array(numbers, pa.int64()),
        **pieces.columns,
    }
    return _finish(columns, tokenizer, pieces.truncated, 0)


def _finish(
    columns: dict[str, pa.Array], tokenizer: Tokenizer, truncated: int, labels: int
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
