"""The report's part on data: rows, labels, lengths, checks, sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from bertworks.contracts.examples import EXAMPLES, Examples
from bertworks.contracts.runs import RunRecord
from bertworks.contracts.statistics import CHECKS, Check
from bertworks.evaluation.data import read_split
from bertworks.pages import html
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import for_task

SPLITS = ("train", "validation", "test")
MOST_LABELS = 25


def section(run: RunRecord, opened: dict[str, Artifact]) -> Markup:
    """Counts, label and length charts, checks, sources."""
    parts = []
    if "examples" in opened:
        info = EXAMPLES.read(opened["examples"])
        parts += [_counts(info), _charts(opened), _sources(info)]
    if "statistics" in opened:
        parts.append(_checks(CHECKS.read(opened["statistics"])))
    return Markup("\n").join(parts)


def _counts(info: Examples) -> Markup:
    rows = info.rows
    names = {"read": "read", "rejected": "refused", "duplicates": "duplicates removed",
             "conflicts": "conflicting labels removed"}  # fmt: skip
    headers = [*SPLITS, *names.values()]
    values = [rows.get(split, 0) for split in SPLITS] + [
        "–" if count is None else count
        for count in (info.read, info.rejected, info.duplicates, info.conflicts)
    ]
    return html.table(headers, [values], range(len(headers)))


def _charts(opened: dict[str, Artifact]) -> Markup:
    left, right = _labels(opened["examples"]), _lengths(opened.get("tokens"))
    return Markup('<div class="pair"><div>{}</div><div>{}</div></div>').format(left, right)


def _labels(examples: Artifact) -> Markup:
    """Train rows by label; by score for regression; entities by type for tagging."""
    target = for_task(EXAMPLES.read(examples).task).target
    values = read_split(examples, "train", [target.column]).get(target.column, [])
    if target.numeric:
        counts, edges = np.histogram(np.asarray(values, float), bins=24)
        chart = html.histogram(edges.tolist(), counts.tolist(), target.value_name)
        return Markup("<h3>{}</h3>").format(target.title) + chart
    names = [name for value in values for name in target.shown_labels(value)]
    common = Counter(names).most_common(MOST_LABELS)
    if not common:
        return Markup("")
    chart = html.bar_chart([name for name, _ in common], [count for _, count in common])
    return Markup("<h3>{} in the training rows</h3>").format(target.title) + chart


def _lengths(tokens: Artifact | None) -> Markup:
    if tokens is None:
        return Markup("")
    lengths = np.asarray(read_split(tokens, "train", ["length"]).get("length", []), float)
    if not len(lengths):
        return Markup("")
    # Whole tokens a bar: bars of unequal content would look like gaps in the data.
    step = int(np.ceil((lengths.max() - lengths.min() + 1) / 45))
    counts, edges = np.histogram(lengths, np.arange(lengths.min(), lengths.max() + step + 1, step))
    chart = html.histogram(edges.tolist(), counts.tolist(), "tokens a row", width=420)
    middle, most = np.quantile(lengths, [0.5, 0.99])
    note = Markup('<p class="soft">Median {}, 99 % have at most {}.</p>')
    return Markup("<h3>Length</h3>") + chart + note.format(f"{middle:.0f}", f"{most:.0f}")


def _checks(checks: Sequence[Check]) -> Markup:
    rows = [
        [_mark(one), one.name.replace("_", " "), html.cut(one.message, 300)]
        for one in checks
        if one.severity != "ignore"
    ]
    failed = sum(not one.passed for one in checks if one.severity != "ignore")
    summary = f"{len(rows)} checks, {failed} with a finding"
    return Markup("<h3>Checks</h3><details{}><summary>{}</summary>{}</details>").format(
        Markup(" open") if failed else "", summary, html.table(["", "check", "finding"], rows)
    )


def _mark(check: Check) -> Markup:
    if check.passed:
        return html.badge("ok", "good")
    return html.badge(check.severity, "bad" if check.severity == "error" else "warn")


def _sources(info: Examples) -> Markup:
    rows = [
        [one.uri, "–" if one.rows is None else one.rows, one.license or "–"] for one in info.sources
    ]
    return html.table(["source", "rows", "licence"], rows, [1]) if rows else Markup("")
