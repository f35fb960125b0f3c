"""The HTML view of the statistics artifact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bertworks.contracts.examples import Examples
from bertworks.contracts.statistics import Check
from bertworks.data.validation.profile.encoding import damage_at
from bertworks.data.validation.profile.rows import SPLITS
from bertworks.data.validation.profile.scan import LENGTHS, Scan
from bertworks.pages.charts import BarChart, HistogramChart, bar_chart, histogram
from bertworks.pages.parts import Badge, BadgeKind, Table
from bertworks.pages.text import cut, number
from bertworks.pages.views import View

_TEXT_LENGTH = 240
_MAX_LABELS = 40
_BINS = 30

Texts = Mapping[str, tuple[str, str]]
"""Row id to its split and text."""


@dataclass(frozen=True)
class SampledRows:
    """The rows that broke a check."""

    check: str
    rows: int
    table: Table


@dataclass(frozen=True)
class LabelChart:
    """The most frequent labels, and how many rarer ones there are."""

    chart: BarChart
    hidden: int


@dataclass(frozen=True)
class StatisticsPage(View):
    """Verdict, splits, checks with samples, labels (None where there are none) and lengths."""

    template = "statistics.html.j2"

    verdict: Badge
    read: str
    splits: Table
    checks: Table
    samples: Sequence[SampledRows]
    labels: LabelChart | None
    lengths: Sequence[tuple[str, HistogramChart]]


def render(scan: Scan, checks: list[Check], texts: Texts, info: Examples) -> str:
    """The page: verdict, splits, checks with samples of the rows that broke them, distributions.

    Args:
        scan: What the pass over the rows found.
        checks: Their outcomes.
        texts: The rows that the checks name.
        info: What became of the rows that were read.
    """
    view = StatisticsPage(
        verdict=_verdict(checks),
        read=_read(info),
        splits=_splits(scan),
        checks=_checks(checks),
        samples=[_samples(check, texts) for check in checks if not check.passed and check.rows],
        labels=_labels(scan),
        lengths=_lengths(scan),
    )
    return str(view)


def mark(check: Check) -> tuple[str, BadgeKind]:
    """The word and the colour for an outcome: green, amber, red, or grey when it did not run."""
    if check.passed:
        return ("passed", "good") if check.value is not None else ("not run", "plain")
    return ("failed", "bad") if check.severity == "error" else ("warning", "warn")


def excerpt(check: Check, text: str, length: int) -> str:
    """The part of a row's text that shows what is wrong: its beginning, or where it is damaged."""
    start = max(0, damage_at(text) - length // 2) if check.name == "encoding_damage" else 0
    return cut(("…" if start else "") + text[start:], length)


def _verdict(checks: list[Check]) -> Badge:
    failed = [check for check in checks if not check.passed]
    if not failed:
        return Badge("all good", "good")
    errors = sum(check.severity == "error" for check in failed)
    text = f"{errors} failed, {len(failed) - errors} warnings"
    return Badge(text, "bad" if errors else "warn")


def _read(info: Examples) -> str:
    counts = (
        (info.read, "rows read"),
        (info.duplicates, "duplicates removed"),
        (info.conflicts, "with conflicting labels removed"),
        (info.rejected, "rejected"),
    )
    return ", ".join(f"{number(count or 0)} {what}" for count, what in counts)


def _splits(scan: Scan) -> Table:
    rows = []
    for split in SPLITS:
        words, tokens = scan.numbers("row.words", split), scan.numbers("row.tokens", split)
        labels = len(scan.labels.rows[split])
        rows.append([split, scan.rows[split], labels, *_quantiles(words), *_quantiles(tokens)])
    headers = ["split", "rows", "labels", "words: median", "95 %", "longest"]
    headers += ["tokens (sample): median", "95 %", "longest"]
    return Table(headers, rows, range(1, len(headers)))


def _quantiles(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[object]:
    if not len(values):
        return ["-"] * 3
    return [float(round(value)) for value in np.quantile(values, [0.5, 0.95, 1.0])]


def _checks(checks: list[Check]) -> Table:
    rows = [
        [
            Badge(*mark(check)),
            check.name,
            cut(check.message, 1000),
            "" if check.value is None else check.value,
            "" if check.limit is None else check.limit,
            check.severity,
        ]
        for check in checks
    ]
    return Table(["", "check", "finding", "value", "limit", "severity"], rows, [3, 4])


def _samples(check: Check, texts: Texts) -> SampledRows:
    headers = ["row", "split", "text"]
    rows = [_sample(row, texts, check) for row in check.rows]
    if check.twins:
        headers += ["resembles", "split", "text"]
        rows = [row + _sample(check.twins.get(row[0], ""), texts, check) for row in rows]
    return SampledRows(check.name, len(rows), Table(headers, rows))


def _sample(row: str, texts: Texts, check: Check) -> list[str]:
    split, text = texts.get(row, ("", ""))
    return [row, split, excerpt(check, text, _TEXT_LENGTH)]


def _labels(scan: Scan) -> LabelChart | None:
    labels = scan.labels.total().most_common()
    if not labels:
        return None
    shown = labels[:_MAX_LABELS]
    chart = bar_chart([label for label, _ in shown], [rows for _, rows in shown])
    return LabelChart(chart, hidden=len(labels) - len(shown))


def _lengths(scan: Scan) -> list[tuple[str, HistogramChart]]:
    """A histogram of words (and of scores and tokens, where there are any) for each split."""
    charts = []
    for name in ("score", *LENGTHS):
        every = scan.numbers(name)
        every = every[np.isfinite(every)]
        if not len(every) or name == "row.characters":
            continue
        # The last bin takes the longest percent, so that one long row does not flatten the rest.
        low, high = float(every.min()), float(np.quantile(every, 0.99))
        edges = np.linspace(low, max(high, low + 1.0), _BINS + 1)
        for split in SPLITS:
            values = scan.numbers(name, split)
            values = values[np.isfinite(values)]
            if len(values):
                counts, _ = np.histogram(np.minimum(values, edges[-1]), edges)
                chart = histogram(edges.tolist(), counts.tolist(), LENGTHS.get(name, name))
                charts.append((split, chart))
    return charts
