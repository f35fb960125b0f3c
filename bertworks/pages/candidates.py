"""candidates.html: every candidate, what the gates will say of it, and how fast each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bertworks.compression.candidates import Candidate
from bertworks.compression.quantization import Compressed
from bertworks.contracts.bundle import Check
from bertworks.pages.charts import BarChart, bar_chart
from bertworks.pages.parts import Badge, BadgeKind, Part, Table
from bertworks.pages.views import View
from bertworks.runtime.inference import ROWS


@dataclass(frozen=True)
class CandidatesPage(View):
    """The table of all candidates, how they were measured, and a chart of their speed."""

    template = "candidates.html.j2"

    threads: int
    rounds: int
    batch: int
    load: str
    table: Table
    speed: BarChart


@dataclass(frozen=True)
class LimitLines(Part):
    """A line a limit: how it ended, and value and limit in words."""

    macro = "limits"

    lines: Sequence[tuple[Badge, str]]


def page(made: Compressed, metric: str, threads: int) -> str:
    """The table of all candidates and a chart of their speed."""
    headers = [
        "candidate", metric, "drop", "graph, MB", "rows/s", "one row, ms", "p95, ms", "limits", "",
        "reason",
    ]  # fmt: skip
    timed = [one for one in made.candidates if one.rows_per_second is not None]
    names, speeds = [one.name for one in timed], [one.rows_per_second or 0.0 for one in timed]
    view = CandidatesPage(
        threads=threads,
        rounds=max((len(one.batch_ms) for one in timed), default=0),
        batch=ROWS,
        load=str(made.load),
        table=Table(headers, [_row(one) for one in made.candidates], numeric=range(1, 7)),
        speed=bar_chart(names, speeds, "rows/s"),
    )
    return str(view)


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


def limits(checks: Sequence[Check]) -> LimitLines:
    """A line a limit: met, not met, or not judged, and what was measured."""
    kinds: dict[bool | None, BadgeKind] = {True: "good", False: "bad", None: "warn"}
    words = {True: "", False: " not met", None: " not judged"}
    return LimitLines(
        [
            (Badge(f"{_short(check.setting)}{words[check.met]}", kinds[check.met]), check.said)
            for check in checks
        ]
    )


def _short(setting: str) -> str:
    return setting.removeprefix("compress.").removeprefix("gates.")


def _shown(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
