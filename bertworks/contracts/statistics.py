"""What the validate step found: its checks, and the profile that later runs compare with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bertworks.contracts.files import UNWRITTEN, File
from bertworks.spec import Task


@dataclass(frozen=True)
class Check:
    """An entry of checks.json: the outcome of one check.

    Attributes:
        name: As in the spec's validate.checks.
        severity: "ignore", "warning" or "error".
        passed: Whether the value keeps to the limit.
        message: What was measured, in a sentence.
        value: What the rule compares; null where the check did not run.
        limit: What it is compared with; likewise.
        rows: Ids of rows that broke the rule, twenty at most.
        twins: For near-duplicates, the id of the row that each one resembles.
        count: How many rows, tokens or labels broke the rule; None where that has no number.
    """

    name: str
    severity: str
    passed: bool
    message: str
    value: float | None = None
    limit: float | None = None
    rows: list[str] = field(default_factory=list)
    twins: dict[str, str] = field(default_factory=dict, metadata=UNWRITTEN)
    count: int | None = field(default=None, metadata=UNWRITTEN)


@dataclass(frozen=True)
class Histogram:
    """Counts between edges.

    Attributes:
        edges: In rising order.
        counts: How many values fall between them.
    """

    edges: list[int | float]
    counts: list[int]


@dataclass(frozen=True)
class Vocabulary:
    """Words by the bucket that their hash falls into.

    Attributes:
        buckets: How many there are.
        counts: Words a bucket.
    """

    buckets: int
    counts: list[int]


@dataclass(frozen=True)
class Profile:
    """profile.json: the histograms that the next run's drift check compares with.

    Attributes:
        task: The spec's task.
        rows: Split to rows.
        lengths: Words a row.
        vocabulary: All words.
        words: The most frequent words and how often each stands.
        labels: Label to rows.
        scores: Regression: the scores; else null.
        format: Of the file.
    """

    task: Task
    rows: dict[str, int]
    lengths: Histogram
    vocabulary: Vocabulary
    words: dict[str, int]
    labels: dict[str, int]
    scores: Histogram | None = None
    format: Literal[1] = 1


CHECKS: File[list[Check]] = File("checks.json", list[Check])
PROFILE: File[Profile] = File("profile.json", Profile)
