"""The tokens artifact, made from what Transform wrote: what the training steps read."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bertworks.contracts.tokens import TOKENS, SpecialIds, Tokens
from bertworks.errors import DataError
from bertworks.spec import Clean, Task
from bertworks.storage import artifacts
from bertworks.tasks import for_task, form_of
from bertworks.tasks.target import Target
from bertworks.text.encode import number_labels
from bertworks.text.tokenizer import Tokenizer
from components.transform import analyze
from components.transform.facts import Facts
from components.transform.shards import CORPUS, ROW_GROUP, SPLITS
from pipelines.tfx.steps.preprocessing import RAW, raw_column
from pipelines.tfx.steps.rows import LABEL, POSITION, READ_WORDS, parsed

_SHARD_BITS = 32


def write_tokens(
    out: Path,
    task: Task,
    transform_graph: Path,
    tokenizer: Path,
    files: Mapping[str, list[str]],
    clean: Mapping[str, Any],
) -> None:
    """Writes a tokens artifact: the same rows, order and numbers as the transform step's.

    Args:
        out: Where to write.
        task: What is learned.
        transform_graph: TFX's TransformGraph: label vocabulary, quantiles, moments of the score.
        tokenizer: Folder of tokenizer.json.
        files: Split (or "corpus") to patterns of TFRecord files; splits left out have no rows.
        clean: The spec's data.clean, by which the rows were made.

    Raises:
        DataError: A label that the train split lacks, or scores that are all the same.
    """
    facts = analyze.read_facts(str(transform_graph / "transform_fn"), task)
    if facts.score is not None and facts.score["std"] == 0.0:
        raise DataError(
            f"All scores of the train split are {facts.score['mean']:g}.",
            "Check data.sources[].columns.label: is it the column with the score?",
        )
    with artifacts.write(out, kind="tokens", producer="transform") as folder:
        words = Tokenizer.load(tokenizer)
        words.save(folder)
        counted = {
            split: _write_split(folder / split, split, task, facts, files.get(split, []))
            for split in (*SPLITS, CORPUS)
        }
        shutil.copytree(transform_graph / "transform_fn", folder / "transform" / "transform_fn")
        TOKENS.write(folder, _info(task, words, facts, counted, Clean.model_validate(clean)))


def _write_split(
    folder: Path, split: str, task: Task, facts: Facts, patterns: list[str]
) -> dict[str, int]:
    """Writes a split's shards; counts its rows, tokens and unknown tokens."""
    folder.mkdir(parents=True)
    rows = read_records(patterns)
    rows.sort(key=lambda row: row[POSITION][0])
    shards: dict[int, list[dict[str, list[Any]]]] = {}
    for row in rows:
        shards.setdefault(row[POSITION][0] >> _SHARD_BITS, []).append(row)
    counts = {"rows": len(rows), "tokens": 0}
    for number, members in sorted((shards or {0: []}).items()):
        table = _corpus_table(members) if split == CORPUS else _table(members, task)
        if split != CORPUS:
            table, unknown = number_labels(task, table, facts.labels, facts.score)
            _refuse(split, unknown)
        counts["tokens"] += sum(table.column("length").to_pylist())
        file = folder / f"part-{number:05d}.parquet"
        pq.write_table(table, file, compression="zstd", row_group_size=ROW_GROUP)
    return counts


def read_records(patterns: list[str]) -> list[dict[str, list[Any]]]:
    """All rows of some TFRecord files (gzip), as `rows.parsed` gives them."""
    import tensorflow as tf

    places = [Path(pattern) for pattern in patterns]
    files = sorted(str(file) for place in places for file in place.parent.glob(place.name))
    if not files:
        return []
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    return [parsed(record) for record in records.as_numpy_iterator()]


def _table(rows: list[dict[str, list[Any]]], task: Task) -> pa.Table:
    """Encoded rows with their labels as read, in the columns of `bertworks.text.encode.encode`."""
    columns = {
        "id": pa.array([row["id"][0] for row in rows], pa.string()),
        "input_ids": pa.array([row["input_ids"] for row in rows], pa.list_(pa.int32())),
        "length": pa.array([row["length"][0] for row in rows], pa.int32()),
    }
    target = for_task(task).target
    if form_of(task).two_texts:
        columns["type_ids"] = pa.array([row["type_ids"] for row in rows], pa.list_(pa.int8()))
    columns[target.column] = _labels([row.get(RAW + raw_column(task), []) for row in rows], target)
    if target.per_word:
        tags = [row.get(RAW + LABEL, []) for row in rows]
        columns["word_tags"] = pa.array(tags, pa.list_(pa.string()))
        read = [row.get(READ_WORDS, []) for row in rows]
        columns[READ_WORDS] = pa.array(read, pa.list_(pa.int32()))
    return pa.table(columns)


def _labels(values: list[list[Any]], target: Target) -> pa.Array:
    if target.numeric:
        return pa.array([float(one[0]) for one in values], pa.float64())
    if target.many:
        # No label is empty: that is a piece on which no word begins.
        return pa.array([[one or None for one in row] for row in values], pa.list_(pa.string()))
    return pa.array([one[0] if one else None for one in values], pa.string())


def _corpus_table(rows: list[dict[str, list[Any]]]) -> pa.Table:
    return pa.table(
        {
            "id": pa.array([row["id"][0] for row in rows], pa.string()),
            "input_ids": pa.array([row["input_ids"] for row in rows], pa.list_(pa.int32())),
            "length": pa.array([row["length"][0] for row in rows], pa.int32()),
            "words": pa.array([row["words"] for row in rows], pa.list_(pa.int32())),
        }
    )


def _refuse(split: str, unknown: Mapping[str, int]) -> None:
    if unknown:
        named = ", ".join(f"{label!r} ({unknown[label]} times)" for label in sorted(unknown)[:5])
        raise DataError(
            f"The {split} split has labels that no row of the train split has: {named}.",
            "Add training rows with these labels, or rename them with data.sources[].label_map.",
        )


def _info(
    task: Task,
    tokenizer: Tokenizer,
    facts: Facts,
    counted: Mapping[str, Mapping[str, int]],
    clean: Clean,
) -> Tokens:
    """info.json without the counts of cut rows and unknown tokens, which TFDV's statistics have."""
    return Tokens(
        task=task,
        max_length=task.max_length,
        vocab_size=tokenizer.vocab_size,
        special=SpecialIds(*tokenizer.special),
        rows={split: counted[split]["rows"] for split in SPLITS},
        labels=facts.labels,
        corpus_rows=counted[CORPUS]["rows"],
        length_quantiles=facts.length_quantiles,
        score=facts.score,
        clean=clean,
    )
