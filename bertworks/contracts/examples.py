"""What ingest tells of the rows and texts that it wrote, and of what became of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bertworks.contracts.files import OMIT, File
from bertworks.spec import Clean, Task

Example = Mapping[str, Any]
"""A row of examples: `id`, the columns of its text and of its target, which are its task's, `source`,
and those that were kept beside; see `bertworks.data.rows.shards.examples_schema`."""

OUTSIDE = "out_of_scope"
"""The folder of texts that the agent should not answer, beside those of the splits."""

DOCUMENTS = "documents"
"""The folder of what may be found, beside those of the splits, of examples and of tokens (matching)."""


@dataclass(frozen=True)
class SourceRows:
    """What came of one source.

    Attributes:
        uri: Without what is secret in it.
        sha256: Of its files.
        rows: How many were read.
        filtered: How many the source's `where` left out.
        license: As the spec says.
    """

    uri: str
    sha256: str | None = None
    rows: int | None = None
    filtered: int = 0
    license: str | None = None


@dataclass(frozen=True)
class Unmatched:
    """A key of a `label_map` that no row had.

    Attributes:
        uri: The source.
        label: The key.
    """

    uri: str
    label: str


@dataclass(frozen=True)
class Outside:
    """What came of the sources that are marked out_of_scope; none of it counts elsewhere.

    Attributes:
        rows: Texts in out_of_scope/.
        labelled: Rows that were left out since their text stands in a split.
        duplicates: Rows that repeat others and were merged.
        rejected: Refused rows.
        sources: What came of each source.
    """

    rows: int
    labelled: int = 0
    duplicates: int = 0
    rejected: int = 0
    sources: list[SourceRows] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """What came of the documents that may be found.

    Attributes:
        rows: Documents in documents/.
        seen: Those of them that belong to training rows.
        unasked: Those that belong to no row at all.
        duplicates: Rows of sources of documents that repeat others and were merged.
        rejected: Refused rows of such sources.
        sources: What came of each such source.
    """

    rows: int
    seen: int
    unasked: int
    duplicates: int = 0
    rejected: int = 0
    sources: list[SourceRows] = field(default_factory=list)


@dataclass(frozen=True)
class Examples:
    """info.json of examples; `read` is the sum of the rows and of what is no row any more.

    Attributes:
        task: The spec's task.
        rows: Split to rows.
        clean: The spec's data.clean, by which the rows were made; null: not recorded.
        labels: Sorted.
        extra: Columns that were kept beside.
        read: Rows that were read.
        duplicates: Rows that repeat others, text and label, and were merged.
        conflicts: Rows that were dropped since others of their text have another label.
        left_out: Over data.max_rows.
        rejected: Refused rows.
        label_rows: Label to rows that have it; for tags the types of entity.
        unmatched: Keys of label maps that no row had.
        conflicting_texts: Texts of `conflicts`.
        settled: Rows that do not agree and were brought to one label or score
            (data.conflicting_labels, data.repeated_scores).
        settled_texts: Their texts.
        sources: What came of each source.
        out_of_scope: What came of sources that are marked so; left out where there are none.
        documents: What may be found, of type: matching; else left out.
    """

    task: Task
    rows: dict[str, int]
    clean: Clean | None = None
    labels: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    read: int | None = None
    duplicates: int | None = None
    conflicts: int | None = None
    left_out: int | None = None
    rejected: int | None = None
    label_rows: dict[str, int] = field(default_factory=dict)
    unmatched: list[Unmatched] = field(default_factory=list)
    conflicting_texts: int = 0
    settled: int = 0
    settled_texts: int = 0
    sources: list[SourceRows] = field(default_factory=list)
    out_of_scope: Outside | None = field(default=None, metadata=OMIT)
    documents: Found | None = field(default=None, metadata=OMIT)


@dataclass(frozen=True)
class Corpus:
    """info.json of a corpus.

    Attributes:
        rows: Texts.
        duplicates: Texts that repeat others and were merged.
        held_out: Texts that were left out since they stand in validation or test.
        left_out: Over corpus.max_rows.
        rejected: Refused rows.
        sources: What came of each source.
    """

    rows: int
    duplicates: int = 0
    held_out: int = 0
    left_out: int = 0
    rejected: int = 0
    sources: list[SourceRows] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where something stands.

    Attributes:
        file: Its name in messages.
        row: The row's number among the file's rows, from 1; null: what was found is of no one row.
        value: What stands there, cut to 200 characters.
        line: The line where the row begins, from 1; null: there is none.
    """

    file: str
    row: int | None
    value: str
    line: int | None = None


@dataclass(frozen=True)
class Changed:
    """An entry of changed.json: one way in which what was read is not what stands in the files.

    Attributes:
        count: How often.
        details: What became of what, to how often; 20 at most.
        first: The first places; 20 at most.
    """

    count: int
    details: dict[str, int] = field(default_factory=dict)
    first: list[Place] = field(default_factory=list)


EXAMPLES: File[Examples] = File("info.json", Examples)
CORPUS: File[Corpus] = File("info.json", Corpus)
CHANGED: File[dict[str, Changed]] = File("changed.json", dict[str, Changed])
