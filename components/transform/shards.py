"""What one worker does: encodes the rows of a shard, later sorts them and writes them for good.

A shard is a run of consecutive rows of one split. Only its description travels through Beam; its
rows go from Parquet through the tokenizer into an interim Arrow file, batch by batch, so that
memory stays the same however many rows there are. Nothing here imports TensorFlow.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bertworks import progress
from bertworks.contracts.examples import DOCUMENTS
from bertworks.errors import ArtifactError
from bertworks.spec import Task
from bertworks.storage.replacing import replacing
from bertworks.tasks import for_task
from bertworks.text.encode import encode, encode_corpus, encode_documents, number_labels
from bertworks.text.ragged import singletons
from bertworks.text.tokenizer import Tokenizer
from components.transform.facts import Facts

CORPUS = "corpus"
SPLITS = ("train", "validation", "test")
SHARD_BYTES = 64 << 20  # of text, at most: bounds memory when rows are long
ROW_GROUP = 4096
COUNTS = ("rows", "truncated", "windowed", "tokens", "unknown_tokens", "label_values")


@dataclass(frozen=True)
class Shard:
    """Rows `start` to `start + rows` of a split's Parquet files, taken one after the other."""

    split: str
    number: int
    files: tuple[str, ...]
    start: int
    rows: int

    @property
    def name(self) -> str:
        """Its file's name, without the ending."""
        return f"{self.split}/part-{self.number:05d}"


@dataclass(frozen=True)
class Job:
    """What is the same for all shards.

    Attributes:
        task: What is learned.
        tokenizer: Folder of tokenizer.json.
        work: Folder for interim files, which all workers see.
        output: The artifact's folder, which all workers see.
        batch_rows: Rows an Arrow batch.
    """

    task: Task
    tokenizer: str
    work: str
    output: str
    batch_rows: int

    def interim(self, shard: Shard, ending: str = ".arrow") -> Path:
        """A shard's interim file."""
        return Path(self.work) / f"{shard.name}{ending}"


@dataclass
class Report:
    """What a finished shard amounts to; `unknown_labels` are those that the train split lacks."""

    split: str
    number: int
    rows: int
    truncated: int
    windowed: int
    tokens: int
    unknown_tokens: int
    label_values: int
    unknown_labels: dict[str, int]


def plan(folder: Path, split: str, shard_rows: int) -> list[Shard]:
    """Cuts a split into shards; a split without rows has one shard, which is empty."""
    files = sorted(folder.glob("part-*.parquet"))
    if not files:
        raise ArtifactError(
            f"{folder} holds no part-*.parquet.",
            "Run the ingest step again: its output is incomplete.",
        )
    metadata = [pq.read_metadata(file) for file in files]
    rows = sum(entry.num_rows for entry in metadata)
    size = sum(
        entry.row_group(group).total_byte_size
        for entry in metadata
        for group in range(entry.num_row_groups)
    )
    most = max(1, min(shard_rows, rows * SHARD_BYTES // max(size, 1)))
    names = tuple(str(file) for file in files)
    return [
        Shard(split, number, names, start, min(most, rows - start))
        for number, start in enumerate(range(0, max(rows, 1), most))
    ]


def read(shard: Shard, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """The shard's rows, as Arrow batches of at most `batch_rows`."""
    begin, end, at = shard.start, shard.start + shard.rows, 0
    for name in shard.files:
        file = pq.ParquetFile(name)
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if at + rows > begin and at < end:
                yield from _slice(file, group, at, begin, end, batch_rows)
            at += rows


def _slice(
    file: pq.ParquetFile, group: int, at: int, begin: int, end: int, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    for batch in file.iter_batches(batch_rows, row_groups=[group]):
        first, last = max(begin - at, 0), min(end - at, batch.num_rows)
        if first < last:
            yield batch.slice(first, last - first)
        at += batch.num_rows


def encode_shard(shard: Shard, job: Job) -> None:
    """Encodes a shard into its interim file, and the train split's lengths and labels beside it.

    A shard that has its interim file is left as it is: then it was encoded ahead (`ahead.py`), or by
    an earlier attempt of the runner.
    """
    interim = job.interim(shard)
    if interim.exists():
        return
    with replacing(interim) as beside:  # last: who finds it finds what lies beside it as well
        _encode(shard, job, beside)


def _encode(shard: Shard, job: Job, interim: Path) -> None:
    tokenizer = _tokenizer(job.tokenizer)
    writer, totals, found = None, Counter(dict.fromkeys(COUNTS, 0)), []
    with progress.stage(f"tokenizing {shard.name}", shard.rows, "rows") as stage:
        for batch in _or_empty(shard, job):
            if shard.split == CORPUS:
                encoded, counts = encode_corpus(tokenizer, batch)
            elif shard.split == DOCUMENTS:
                encoded, counts = encode_documents(job.task, tokenizer, batch)
            else:
                encoded, counts = encode(job.task, tokenizer, batch)
            writer = writer or pa.ipc.new_file(str(interim), encoded.schema)
            writer.write_batch(encoded)
            totals.update(counts)
            stage.advance(batch.num_rows)
            if shard.split == "train":
                found.append(_for_analysis(job.task, batch, encoded))
    if writer is not None:
        writer.close()
    if found:
        _write_analysis(job.interim(shard, ".analysis"), found)
    job.interim(shard, ".json").write_text(json.dumps(totals), encoding="utf-8")


def _write_analysis(file: Path, batches: list[pa.RecordBatch]) -> None:
    """Writes a shard's lengths and labels as one batch: tf.Transform has a price for each."""
    table = pa.Table.from_batches(batches).combine_chunks()
    with pa.ipc.new_file(str(file), table.schema) as writer:
        writer.write_table(table)


def analysis(shard: Shard, job: Job) -> Iterator[pa.RecordBatch]:
    """What the analyzers need of an encoded shard.

    Yields:
        For the train split, batches with `length`, and the raw `label` values or the `score`, each
        a list a row. For others, nothing.
    """
    if shard.split == "train":
        with pa.OSFile(str(job.interim(shard, ".analysis"))) as source:
            yield from pa.ipc.open_file(source).read_all().to_batches()


def _or_empty(shard: Shard, job: Job) -> Iterator[pa.RecordBatch]:
    """The shard's batches; a single empty one, which carries the schema, when it has no rows."""
    if shard.rows:
        yield from read(shard, job.batch_rows)
    else:
        schema = pq.read_schema(shard.files[0])
        yield pa.RecordBatch.from_pylist([], schema=schema)


def _for_analysis(task: Task, batch: pa.RecordBatch, encoded: pa.RecordBatch) -> pa.RecordBatch:
    length = pc.cast(encoded.column("length"), pa.int64())
    columns = {"length": singletons(length)}
    target = for_task(task).target
    if target.numeric:
        columns["score"] = singletons(pc.cast(batch.column(target.column), pa.float32()))
    elif target.has_labels:
        columns["label"] = target.label_lists(batch)
    return pa.RecordBatch.from_pydict(columns)


def finish_shard(shard: Shard, job: Job, facts: Facts) -> None:
    """Sorts a shard by length, turns labels and scores into numbers, and writes its Parquet file.

    Args:
        shard: Its interim file must be there; it is removed.
        job: The job.
        facts: What the analyzers found.
    """
    interim = job.interim(shard)
    counts = json.loads(job.interim(shard, ".json").read_text(encoding="utf-8"))
    with pa.memory_map(str(interim)) as source:
        table = pa.ipc.open_file(source).read_all()
        order = np.argsort(table.column("length").to_numpy(), kind="stable")
        table = table.take(pa.array(order)).combine_chunks()
    unknown: dict[str, int] = {}
    if shard.split not in (CORPUS, DOCUMENTS):
        table, unknown = number_labels(job.task, table, facts.labels, facts.score)
    file = Path(job.output) / f"{shard.name}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file, compression="zstd", row_group_size=ROW_GROUP)
    report = Report(split=shard.split, number=shard.number, unknown_labels=unknown, **counts)
    text = json.dumps(asdict(report))
    (Path(job.work) / f"{shard.split}-{shard.number:05d}.report.json").write_text(text, "utf-8")
    interim.unlink()


def reports(work: Path) -> list[Report]:
    """The reports of all finished shards."""
    files = sorted(work.glob("*.report.json"))
    return [Report(**json.loads(file.read_text(encoding="utf-8"))) for file in files]


@functools.lru_cache(maxsize=2)
def _tokenizer(folder: str) -> Tokenizer:
    return Tokenizer.load(folder)
