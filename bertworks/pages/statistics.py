"""The HTML view of the statistics artifact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from bertworks.contracts.statistics import Check
from bertworks.data.validation.profile.encoding import damage_at
from bertworks.data.validation.profile.rows import SPLITS
from bertworks.data.validation.profile.scan import LENGTHS, Scan
from bertworks.pages import html

_TEXT_LENGTH = 240
_MAX_LABELS = 40
_BINS = 30

Texts = Mapping[str, tuple[str, str]]
"""Row id to its split and text."""


def render(scan: Scan, checks: list[Check], texts: Texts, info: Mapping[str, Any]) -> str:
    """The page: verdict, splits, checks with samples of the rows that broke them, distributions.

    Args:
        scan: What the pass over the rows found.
        checks: Their outcomes.
        texts: The rows that the checks name.
        info: info.json of the examples artifact.
    """
    parts = [
        _verdict(checks, info),
        _heading("Splits"),
        _splits(scan),
        _heading("Checks"),
        _checks(checks),
        *(_samples(check, texts) for check in checks if not check.passed and check.rows),
        *_labels(scan),
        _heading("Lengths"),
        _lengths(scan),
    ]
    return html.page("Data validation", Markup("\n").join(parts))


def mark(check: Check) -> tuple[str, str]:
    """The word and the colour for an outcome: green, amber, red, or grey when it did not run."""
    if check.passed:
        return ("passed", "good") if check.value is not None else ("not run", "plain")
    return ("failed", "bad") if check.severity == "error" else ("warning", "warn")


def excerpt(check: Check, text: str, length: int) -> str:
    """The part of a row's text that shows what is wrong: its beginning, or where it is damaged."""
    start = max(0, damage_at(text) - length // 2) if check.name == "encoding_damage" else 0
    return html.cut(("…" if start else "") + text[start:], length)


def _verdict(checks: list[Check], info: Mapping[str, Any]) -> Markup:
    failed = [check for check in checks if not check.passed]
    errors = [check for check in failed if check.severity == "error"]
    text = f"{len(errors)} failed, {len(failed) - len(errors)} warnings"
    badge = (
        html.badge(text, "bad" if errors else "warn") if failed else html.badge("all good", "good")
    )
    read = ", ".join(
        f"{html.number(info.get(key, 0))} {what}"
        for key, what in {
            "read": "rows read",
            "duplicates": "duplicates removed",
            "conflicts": "with conflicting labels removed",
            "rejected": "rejected",
        }.items()
    )
    return Markup('<p>{} <span class="soft">{}</span></p>').format(badge, read)


def _splits(scan: Scan) -> Markup:
    rows = []
    for split in SPLITS:
        words, tokens = scan.numbers("row.words", split), scan.numbers("row.tokens", split)
        labels = len(scan.labels.rows[split])
        rows.append([split, scan.rows[split], labels, *_quantiles(words), *_quantiles(tokens)])
    headers = ["split", "rows", "labels", "words: median", "95 %", "longest"]
    headers += ["tokens (sample): median", "95 %", "longest"]
    return html.table(headers, rows, range(1, len(headers)))


def _quantiles(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[object]:
    if not len(values):
        return ["-"] * 3
    return [float(round(value)) for value in np.quantile(values, [0.5, 0.95, 1.0])]


def _checks(checks: list[Check]) -> Markup:
    rows = [
        [
            html.badge(*mark(check)),
            check.name,
            html.cut(check.message, 1000),
            "" if check.value is None else check.value,
            "" if check.limit is None else check.limit,
            check.severity,
        ]
        for check in checks
    ]
    return html.table(["", "check", "finding", "value", "limit", "severity"], rows, [3, 4])


def _samples(check: Check, texts: Texts) -> Markup:
    headers = ["row", "split", "text"]
    rows = [_sample(row, texts, check) for row in check.rows]
    if check.twins:
        headers += ["resembles", "split", "text"]
        rows = [row + _sample(check.twins.get(row[0], ""), texts, check) for row in rows]
    return Markup("<details><summary>{}: {} rows</summary>{}</details>").format(
        check.name, len(rows), html.table(headers, rows)
    )


def _sample(row: str, texts: Texts, check: Check) -> list[str]:
    split, text = texts.get(row, ("", ""))
    return [row, split, excerpt(check, text, _TEXT_LENGTH)]


def _labels(scan: Scan) -> list[Markup]:
    labels = scan.labels.total().most_common()
    if not labels:
        return []
    chart = html.bar_chart(
        [label for label, _ in labels[:_MAX_LABELS]], [rows for _, rows in labels[:_MAX_LABELS]]
    )
    hidden = len(labels) - _MAX_LABELS
    note = Markup('<p class="soft">and {} rarer labels</p>').format(hidden) if hidden > 0 else ""
    return [_heading("Labels (rows)"), chart, Markup(note)]


def _lengths(scan: Scan) -> Markup:
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
                chart = html.histogram(edges.tolist(), counts.tolist(), LENGTHS.get(name, name))
                charts.append(Markup("<div><h3>{}</h3>{}</div>").format(split, chart))
    return Markup('<div class="row">{}</div>').format(Markup("\n").join(charts))


def _heading(text: str) -> Markup:
    return Markup("<h2>{}</h2>").format(text)
