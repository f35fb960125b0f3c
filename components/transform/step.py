"""transform: text to token ids, labels to numbers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow.parquet as pq

from bertworks import progress
from bertworks.contracts.examples import DOCUMENTS, EXAMPLES
from bertworks.contracts.tokens import TOKENS, SpecialIds, Tokens
from bertworks.errors import DataError
from bertworks.notices import Notice
from bertworks.spec import Base, Clean, Task, Transform
from bertworks.storage import artifacts
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import for_task, form_of
from bertworks.text.encode import check_columns
from bertworks.text.tokenizer import Tokenizer
from bertworks.text.windows import most_tokens
from components.contract import StepResult, StepSection
from components.transform.ahead import encoding
from components.transform.facts import Facts
from components.transform.loading import UNUSED, without
from components.transform.shards import CORPUS, SPLITS, Job, Report, Shard, plan, reports
from components.transform.vocabulary import train_tokenizer

WORK = ".work"  # inside the artifact while it is written: the same disk, gone when the step ends


class Section(StepSection):
    """The spec's `task`, `transform` and `base`."""

    task: Task
    transform: Transform
    base: Base


def run(section: Section, *, examples: Path, corpus: Path, base: Path, tokens: Path) -> StepResult:
    """Writes the `tokens` artifact.

    Args:
        section: `task`, `transform` and `base` of the spec.
        examples: The labelled rows.
        corpus: The unlabelled texts.
        base: The encoder, for its tokenizer; for scratch, a vocabulary is trained instead.
        tokens: Where to write.

    Raises:
        DataError: There is no training row, or a label that the train split lacks.
    """
    task = section.task
    settings = section.transform
    parents = {
        "examples": artifacts.open_artifact(examples, "examples"),
        "corpus": artifacts.open_artifact(corpus, "corpus"),
        "base": artifacts.open_artifact(base, "base"),
    }
    shards = _shards(task, settings, parents)
    with artifacts.write(tokens, kind="tokens", producer="transform", parents=parents) as folder:
        tokenizer = _tokenizer(section.base, task, parents["base"], shards)
        tokenizer.save(folder)
        job = Job(
            task=task,
            tokenizer=str(folder),
            work=str(folder / WORK),
            output=str(folder),
            batch_rows=settings.batch_rows,
        )
        (folder / WORK).mkdir()
        here = shards if settings.runner == "DirectRunner" else []
        # With TensorFlow, loading is most of a small run's time.
        with progress.stage("loading tf.Transform"), encoding(here, job), without(*UNUSED):
            from components.transform.pipeline import execute
        facts = execute(settings, task, job, shards)
        done = reports(folder / WORK)
        _refuse(task, facts, done)
        clean = EXAMPLES.read(parents["examples"]).clean
        info = _info(task, tokenizer, facts, done, clean)
        TOKENS.write(folder, info)
        shutil.rmtree(folder / WORK)
    told = [*_notices(task, info), *_cut_documents(task, done)]
    return StepResult(_metrics(info), notices=told)


def _shards(task: Task, settings: Transform, parents: Mapping[str, Artifact]) -> list[Shard]:
    """All shards, those of the train split first."""
    shards = [
        shard
        for split in SPLITS
        for shard in plan(parents["examples"] / split, split, settings.shard_rows)
    ]
    if not any(shard.rows for shard in shards if shard.split == "train"):
        raise DataError(
            f"The train split of {parents['examples'].path} has no rows.",
            "Give more rows, or lower data.validation and data.test.",
        )
    check_columns(task, pq.read_schema(shards[0].files[0]))
    found = parents["examples"] / DOCUMENTS
    documents = plan(found, DOCUMENTS, settings.shard_rows) if found.is_dir() else []
    return [*shards, *documents, *plan(parents["corpus"].path, CORPUS, settings.shard_rows)]


def _tokenizer(base: Base, task: Task, start: Artifact, shards: list[Shard]) -> Tokenizer:
    """The tokenizer of what training starts from; a challenger starts from its champion's."""
    if base.uri == "scratch" and start.metadata.get("scratch", True):
        return train_tokenizer(base.scratch, task, shards)
    return Tokenizer.load(start.path)


def _refuse(task: Task, facts: Facts, done: list[Report]) -> None:
    """Stops at rows that nothing can be learned from, or that cannot be scored."""
    target = for_task(task).target
    if facts.score is not None and facts.score["std"] == 0.0:
        raise DataError(
            f"All scores of the train split are {facts.score['mean']:g}.",
            "Check data.sources[].columns.label: is it the column with the score?",
        )
    if target.has_labels and not _count(done, "train", "label_values"):
        raise DataError(
            "No row of the train split has a label.",
            "Check data.sources[].columns.label: is it the column with the labels?",
        )
    for split in SPLITS:
        unknown: dict[str, int] = {}
        for report in done:
            for label, count in report.unknown_labels.items() if report.split == split else ():
                unknown[label] = unknown.get(label, 0) + count
        if unknown:
            raise _unknown_labels(split, unknown)


def _unknown_labels(split: str, unknown: Mapping[str, int]) -> DataError:
    named = ", ".join(f"{label!r} ({unknown[label]} times)" for label in sorted(unknown)[:5])
    more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
    if split == "train":
        return DataError(
            f"Labels may not be empty or hold a line break. Received: {named}{more}",
            "Make the examples with the ingest step: it writes a line break in a label as a space, and "
            "rejects rows without one.",
        )
    return DataError(
        f"The {split} split has labels that no row of the train split has: {named}{more}.",
        "Add training rows with these labels, or rename them with data.sources[].label_map, or "
        "leave the rows out with data.sources[].where.",
    )


def _count(done: list[Report], split: str, name: str) -> int:
    return sum(getattr(report, name) for report in done if report.split == split)


def _info(
    task: Task,
    tokenizer: Tokenizer,
    facts: Facts,
    done: list[Report],
    clean: Clean | None,
) -> Tokens:
    unknown, tokens = (_count(done, "train", name) for name in ("unknown_tokens", "tokens"))
    return Tokens(
        task=task,
        max_length=task.max_length,
        vocab_size=tokenizer.vocab_size,
        special=SpecialIds(*tokenizer.special),
        rows=_counts(done, "rows"),
        labels=facts.labels,
        corpus_rows=_count(done, CORPUS, "rows"),
        length_quantiles=facts.length_quantiles,
        score=facts.score,
        clean=clean,
        truncated=_counts(done, "truncated"),
        windowed=_counts(done, "windowed"),
        documents=_count(done, DOCUMENTS, "rows") or None,
        unknown_share=unknown / tokens,
    )


def _counts(done: list[Report], name: str) -> dict[str, int]:
    return {split: _count(done, split, name) for split in SPLITS}


def _notices(task: Task, info: Tokens) -> Iterator[Notice]:
    """How many rows are read in windows, and how many are cut, split by split."""
    if long := sum((info.windowed or {}).values()):
        text = f"{long:,} rows have more than {task.max_length} tokens and are read in windows"
        setting = f"task.long_text = windows, task.max_length = {task.max_length}"
        yield Notice(
            f"{text} of {task.max_length} that overlap ({setting})", "note", long, "info.json"
        )
    cut = info.truncated or {}
    if count := sum(cut.values()):
        where = ", ".join(f"{split} {cut[split]:,} of {info.rows[split]:,}" for split in SPLITS)
        text = f"{count:,} rows have more than {most_tokens(task):,} tokens and are cut: {where}"
        yield Notice(f"{text} ({form_of(task).remedy(task)})", "warning", count, "info.json")


def _cut_documents(task: Task, done: list[Report]) -> Iterator[Notice]:
    """How many documents are read by their beginning."""
    if count := _count(done, DOCUMENTS, "truncated"):
        text = f"{count:,} of {_count(done, DOCUMENTS, 'rows'):,} documents have more than"
        yield Notice(
            f"{text} {most_tokens(task):,} tokens and are found by their beginning "
            f"(task.max_length = {task.max_length})",
            "warning",
            count,
        )


def _metrics(info: Tokens) -> dict[str, float | None]:
    cut = sum((info.truncated or {}).values())
    return {
        **{f"{split}_rows": info.rows[split] for split in SPLITS},
        "corpus_rows": info.corpus_rows,
        "vocab_size": info.vocab_size,
        "median_length": info.length_quantiles[2],
        "truncated_share": cut / sum(info.rows.values()),
        "unknown_share": info.unknown_share,
    }
