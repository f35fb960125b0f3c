"""candidates.html: every candidate, what the gates will say of it, and how fast each is."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from bertworks.compression.candidates import Candidate
from bertworks.compression.quantization import Compressed
from bertworks.contracts.bundle import Check
from bertworks.pages import html
from bertworks.runtime.inference import ROWS


def page(made: Compressed, metric: str, threads: int) -> str:
    """The table of all candidates and a chart of their speed."""
    headers = [
        "candidate", metric, "drop", "graph, MB", "rows/s", "one row, ms", "p95, ms", "limits", "",
        "reason",
    ]  # fmt: skip
    rows = [_row(one) for one in made.candidates]
    timed = [one for one in made.candidates if one.rows_per_second is not None]
    chart = html.bar_chart(
        [one.name for one in timed], [one.rows_per_second or 0.0 for one in timed], "rows/s"
    )
    rounds = max((len(one.batch_ms) for one in timed), default=0)
    note = Markup("<p>{}</p>").format(
        f"Measured on validation rows with {threads} CPU threads, in up to {rounds} interleaved rounds: "
        f"speed in batches of at most {ROWS} rows sorted by length, one thread each, and one row at a "
        f"time; {made.load}. Among those that meet every limit the fastest is chosen; where the rounds "
        "do not tell two apart, the smaller."
    )
    table = html.table(headers, rows, numeric_columns=range(1, 7))
    return html.page("Quantization candidates", note + table + chart)


def _row(one: Candidate) -> list[object]:
    latency = one.latency
    return [
        one.name,
        _shown(one.metric, 4),
        "" if one.drop is None else f"{one.drop.value:+.4f}",
        _shown(one.size_mb, 2),
        _shown(one.rows_per_second, 0),
        _shown(None if latency is None else latency.p50_ms, 2),
        _shown(None if latency is None else latency.p95_ms, 2),
        limits(one.checks),
        "chosen" if one.chosen else "",
        one.reason,
    ]


def limits(checks: Sequence[Check]) -> Markup:
    """A line a limit: met, not met, or not judged, and what was measured."""
    kinds = {True: "good", False: "bad", None: "warn"}
    words = {True: "", False: " not met", None: " not judged"}
    return Markup("").join(
        Markup('<div class="limit">{} {}</div>').format(
            html.badge(f"{_short(check.setting)}{words[check.met]}", kinds[check.met]),
            html.visible(check.said),
        )
        for check in checks
    )


def _short(setting: str) -> str:
    return setting.removeprefix("compress.").removeprefix("gates.")


def _shown(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
