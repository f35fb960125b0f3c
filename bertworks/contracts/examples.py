"""What ingest tells of the rows that it wrote."""

from __future__ import annotations

from dataclasses import dataclass, field

from bertworks.contracts.files import File
from bertworks.spec import Clean, Task


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


EXAMPLES: File[Examples] = File("info.json", Examples)
