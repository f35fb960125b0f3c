"""Ingest: rows from every source, cleaned, deduplicated and split; the base encoder, fetched."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from bertworks.data.rows.documents import DocumentsWriter
from bertworks.data.rows.enough import Apart, too_few_for
from bertworks.data.rows.examples import write_examples
from bertworks.data.rows.outside import write_outside
from bertworks.data.rows.reading import Reader
from bertworks.data.rows.rejected import RejectedLog
from bertworks.data.rows.spill import Record
from bertworks.data.rows.texts import texts_in
from bertworks.data.sources import cache, trimming
from bertworks.data.sources.base import base_notices, fetch_base
from bertworks.data.sources.choice import alike, choose
from bertworks.data.sources.corpus import CorpusWriter
from bertworks.data.sources.others import fetch_others
from bertworks.notices import Notice
from bertworks.spec import Base, Corpus, Data, Task
from bertworks.spec.bases import AUTO
from bertworks.storage import artifacts
from bertworks.tasks import for_task, form_of
from components.contract import StepResult, StepSection
from components.ingest import telling


class Section(StepSection):
    """Parts of the spec, and where its local paths begin.

    Attributes:
        spec_folder: What local paths are relative to.
        others: Encoders of the catalogue that a search tries beside the base: their names, or "auto".
        tells_apart: Whether rows that have nothing to tell apart are refused.
        folds: Parts that a search deals the training rows into; None: there is no such search.
    """

    task: Task
    data: Data
    corpus: Corpus
    base: Base
    spec_folder: str | None = None
    others: list[str] | Literal["auto"] = Field(default_factory=list)
    tells_apart: bool = False
    folds: int | None = None


def run(
    section: Section, *, examples: Path, corpus: Path, rejected: Path, base: Path
) -> StepResult:
    """Runs the step.

    Args:
        section: task, data, corpus, base (parts of the spec), spec_folder (what local paths are
            relative to) and fingerprints (of the sources; they only key caches).
        examples: Output artifact: train, validation and test rows.
        corpus: Output artifact: unlabelled text.
        rejected: Output artifact: the rows that were refused.
        base: Output artifact: the pretrained encoder, or the sizes of a new one.

    Raises:
        SourceError: Something cannot be fetched, or is not what was pinned.
        DataError: The data breaks a rule; nothing is written but OUTPUT.rejected.jsonl.
    """
    task, data = section.task, section.data
    texts, encoder = section.corpus, section.base
    folder = Path(section.spec_folder or ".")
    examples, corpus, rejected, base = map(Path, (examples, corpus, rejected, base))
    metadata: dict[str, object] = {}

    with contextlib.ExitStack() as stack:

        def output(path: Path, kind: str, facts: dict[str, object] | None = None) -> Path:
            written = artifacts.write(path, kind=kind, producer="ingest", metadata=facts)
            return stack.enter_context(written)

        base_out = output(base, "base", metadata)
        examples_out, corpus_out = output(examples, "examples"), output(corpus, "corpus")
        rejected_out = output(rejected, "rejected")
        keep = examples.with_name(f"{examples.name}.rejected.jsonl")
        log = stack.enter_context(RejectedLog(rejected_out, keep))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=examples_out)))

        if encoder.uri != AUTO:  # what cannot be fetched is told before rows are read
            metadata.update(fetch_base(encoder, base_out, folder, task.max_length))
        reader = Reader(task, data.clean, folder, log, data.max_row_bytes, data.label_separator)
        gather = CorpusWriter(texts, scratch / "corpus", form_of(task))
        seen: set[str] = set()
        documents = DocumentsWriter(data, scratch / "documents")
        target = for_task(task).target
        finds, apart = target.unites, Apart(target) if section.tells_apart else None

        def take(split: str, row: Record) -> None:
            gather.take(split, row)
            if apart is not None:
                apart.add(row[target.column])
            if finds:
                documents.take(split, row)
            if data.outside:
                seen.add(row["id"])

        info = write_examples(examples_out, task, data, reader, scratch / "examples", take)
        if apart is not None:  # before more is read, fetched or trained
            apart.check()
        if section.folds and info.rows["train"] < section.folds:
            raise too_few_for(section.folds, info.rows["train"])
        rules = Counter(log.rules)
        listed = Reader(None, data.clean, folder, log, data.max_row_bytes)
        if finds:
            info = documents.write(examples_out, info, listed)
        others = Reader(None, data.clean, folder, log, data.max_row_bytes)
        info = write_outside(
            examples_out, info, data.outside, others, seen, data.max_rejected, scratch / "outside",
            form_of(task),
        )  # fmt: skip
        unlabelled = Counter(log.rules) - rules
        plain = Reader(None, texts.clean, folder, log, data.max_row_bytes, part="corpus")
        corpus_info = gather.write(corpus_out, plain, data.max_rejected)

        def texts_of(split: str) -> Iterator[str]:
            yield from texts_in(examples_out / split, form_of(task).columns)
            if split == "train":
                yield from texts_in(corpus_out, ["text"])

        chosen: list[Notice] = []
        if encoder.uri == AUTO:
            encoder, why = choose(encoder, texts_of("train"), cased=task.kind.capitals)
            chosen.append(why)
            metadata.update(fetch_base(encoder, base_out, folder, task.max_length))
        cut = None if metadata["scratch"] else trimming.trim(encoder, base_out, texts_of)
        if cut is not None:
            metadata["trimmed"] = cut
            chosen.append(trimming.notice(cut))
        if section.others and not metadata["scratch"]:
            names = section.others
            if names == "auto":
                names = alike(encoder, texts_of("train"))
            found, notes = fetch_others(
                names, encoder, base_out, folder, task.max_length, required=section.others != "auto"
            )
            metadata["others"] = found
            chosen += notes
        told = [
            *telling.rows(info, rules, log, task, data),
            *telling.documents(info.documents),
            *telling.outside(info.out_of_scope),
            *telling.texts(corpus_info, log.rules - rules - unlabelled, texts),
            *reader.notices,
            *listed.notices,
            *others.notices,
            *plain.notices,
            *chosen,
            *base_notices(metadata),
        ]

    counts = ("read", "duplicates", "conflicts", "rejected")
    outside = {"out_of_scope_rows": info.out_of_scope.rows} if info.out_of_scope else {}
    numbers = {
        **{f"{split}_rows": rows for split, rows in info.rows.items()},
        **{name: getattr(info, name) for name in counts},
        "corpus_rows": corpus_info.rows,
        **({"vocabulary_kept": cut["after"] / cut["before"]} if cut else {}),
        **outside,
        **({"documents": info.documents.rows} if info.documents else {}),
    }
    return StepResult(numbers, notices=[*told, *cache.notices()])
