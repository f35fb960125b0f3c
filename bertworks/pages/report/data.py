"""The report's part on data: rows, labels, lengths, checks, sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bertworks.contracts.examples import EXAMPLES, Examples
from bertworks.contracts.runs import RunRecord
from bertworks.contracts.statistics import CHECKS, Check
from bertworks.evaluation.data import read_split
from bertworks.pages.charts import BarChart, HistogramChart, bar_chart, histogram
from bertworks.pages.parts import Badge, Table
from bertworks.pages.text import cut
from bertworks.pages.views import View
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import for_task

SPLITS = ("train", "validation", "test")
MOST_LABELS = 25


@dataclass(frozen=True)
class TargetChart:
    """What the training rows have as targets, under a heading."""

    title: str
    chart: BarChart | HistogramChart


@dataclass(frozen=True)
class TokenLengths:
    """How many tokens the training rows have."""

    chart: HistogramChart
    median: str
    most: str


@dataclass(frozen=True)
class ExamplesPart:
    """The rows in numbers and pictures, and where they are from."""

    counts: Table
    targets: TargetChart | None
    lengths: TokenLengths | None
    sources: Table | None


@dataclass(frozen=True)
class ChecksTable:
    """The outcomes of the checks, and how many have a finding."""

    table: Table
    failed: int


@dataclass(frozen=True)
class DataPart(View):
    """The data of a run; None where there is nothing to show."""

    template = "report/data.html.j2"

    rows: ExamplesPart | None
    checks: ChecksTable | None


def section(run: RunRecord, opened: dict[str, Artifact]) -> View | None:
    """Counts, label and length charts, checks, sources."""
    if "examples" not in opened and "statistics" not in opened:
        return None
    return DataPart(
        _rows(opened) if "examples" in opened else None,
        _checks(CHECKS.read(opened["statistics"])) if "statistics" in opened else None,
    )


def _rows(opened: dict[str, Artifact]) -> ExamplesPart:
    info = EXAMPLES.read(opened["examples"])
    return ExamplesPart(
        counts=_counts(info),
        targets=_targets(opened["examples"]),
        lengths=_lengths(opened.get("tokens")),
        sources=_sources(info),
    )


def _counts(info: Examples) -> Table:
    rows = info.rows
    names = {"read": "read", "rejected": "refused", "duplicates": "duplicates removed",
             "conflicts": "conflicting labels removed"}  # fmt: skip
    headers = [*SPLITS, *names.values()]
    values = [rows.get(split, 0) for split in SPLITS] + [
        "–" if count is None else count
        for count in (info.read, info.rejected, info.duplicates, info.conflicts)
    ]
    return Table(headers, [values], range(len(headers)))


def _targets(examples: Artifact) -> TargetChart | None:
    """Train rows by label; by score for regression; entities by type for tagging."""
    target = for_task(EXAMPLES.read(examples).task).target
    values = read_split(examples, "train", [target.column]).get(target.column, [])
    if target.numeric:
        counts, edges = np.histogram(np.asarray(values, float), bins=24)
        chart = histogram(edges.tolist(), counts.tolist(), target.value_name)
        return TargetChart(target.title, chart)
    names = [name for value in values for name in target.shown_labels(value)]
    common = Counter(names).most_common(MOST_LABELS)
    if not common:
        return None
    bars = bar_chart([name for name, _ in common], [count for _, count in common])
    return TargetChart(f"{target.title} in the training rows", bars)


def _lengths(tokens: Artifact | None) -> TokenLengths | None:
    if tokens is None:
        return None
    lengths = np.asarray(read_split(tokens, "train", ["length"]).get("length", []), float)
    if not len(lengths):
        return None
    # Whole tokens a bar: bars of unequal content would look like gaps in the data.
    step = int(np.ceil((lengths.max() - lengths.min() + 1) / 45))
    counts, edges = np.histogram(lengths, np.arange(lengths.min(), lengths.max() + step + 1, step))
    chart = histogram(edges.tolist(), counts.tolist(), "tokens a row", width=420)
    middle, most = np.quantile(lengths, [0.5, 0.99])
    return TokenLengths(chart, f"{middle:.0f}", f"{most:.0f}")


def _checks(checks: Sequence[Check]) -> ChecksTable:
    rows = [
        [_mark(one), one.name.replace("_", " "), cut(one.message, 300)]
        for one in checks
        if one.severity != "ignore"
    ]
    failed = sum(not one.passed for one in checks if one.severity != "ignore")
    return ChecksTable(Table(["", "check", "finding"], rows), failed)


def _mark(check: Check) -> Badge:
    if check.passed:
        return Badge("ok", "good")
    return Badge(check.severity, "bad" if check.severity == "error" else "warn")


def _sources(info: Examples) -> Table | None:
    outside = info.out_of_scope.sources if info.out_of_scope else []
    rows = [
        [one.uri, "–" if one.rows is None else one.rows, one.license or "–"]
        for one in (*info.sources, *outside)
    ]
    return Table(["source", "rows", "licence"], rows, [1]) if rows else None
