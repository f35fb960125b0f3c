"""What a benchmark found, kept as JSON in benchmarks/results, one file a benchmark.

docs/performance.md is made from these files (`make bench-page`), so that no number there is typed.
"""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.harness.sides import REPOSITORY
from bertworks.cpus import CPUINFO, available_threads
from bertworks.storage.replacing import replacing

FOLDER = REPOSITORY / "benchmarks/results"


@dataclass(frozen=True)
class Row:
    """One comparison with one peer, or one measure against a limit.

    Attributes:
        what: What was measured, for example "one short sentence".
        peer: The peer with its settings; "" where there is none.
        unit: Of the two medians, for example "s" or "rows/s".
        own: Median of our side's rounds.
        peer_value: Median of the peer's rounds; None without a peer.
        ratio: How many times better we are: the ratio of the medians. None without a peer.
        goal: What was asked of `ratio`, or of `own` where there is no peer; None: nothing.
        at_most: Whether the goal is an upper limit.
        spread: Least and greatest ratio of a round.
        rounds: How often each side was measured.
        quality: What speaks for equal work, for example {"accuracy": 0.82, "peer accuracy": 0.83}.
        note: What the reader has to know.
    """

    what: str
    peer: str
    unit: str
    own: float
    peer_value: float | None = None
    ratio: float | None = None
    goal: float | None = None
    at_most: bool = False
    spread: tuple[float, float] | None = None
    rounds: int = 1
    quality: dict[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal was met; None where there is none."""
        value = self.own if self.ratio is None else self.ratio
        if self.goal is None:
            return None
        return value <= self.goal if self.at_most else value >= self.goal


@dataclass
class Result:
    """All rows of a benchmark's last run, and how to repeat them.

    Attributes:
        name: The benchmark's, as in `make bench-NAME`.
        title: What it is called in the table.
        command: What repeats it.
        data: Which rows, and from where.
        rows: The comparisons.
        curves: Points for a plot: name of the curve to (x, y) pairs; `axes` names both axes.
        axes: Names of x and y, where there are curves.
        seed: Of everything random.
        machine: CPU and threads; when and how it was measured is in `measured`.
        measured: The day, in UTC.
    """

    name: str
    title: str
    command: str
    data: str
    rows: list[Row]
    curves: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)
    axes: tuple[str, str] = ("", "")
    seed: int = 42
    machine: str = ""
    measured: str = ""

    def save(self, folder: Path = FOLDER) -> Path:
        """Writes the result beside and renames it into place; prints it as a table too."""
        self.machine = self.machine or machine()
        self.measured = self.measured or datetime.now(UTC).date().isoformat()
        file = folder / f"{self.name}.json"
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(file) as beside:
            beside.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        print(self.markdown())
        print(f"\nwrote {file}; `make bench-page` puts it into docs/performance.md")
        return file

    @classmethod
    def load(cls, file: Path) -> Result:
        """Reads what `save` wrote."""
        value = json.loads(file.read_text(encoding="utf-8"))
        rows = [
            Row(**{**row, "spread": tuple(row["spread"]) if row["spread"] else None})
            for row in value.pop("rows")
        ]
        return cls(**{**value, "rows": rows, "axes": tuple(value["axes"])})

    def markdown(self) -> str:
        """The rows as a Markdown table."""
        lines = [
            "| what | peer | bertworks | peer | ratio (rounds) | asked | |",
            "|---|---|---|---|---|---|---|",
        ]
        for row in self.rows:
            quality = ", ".join(f"{name} {value:.4g}" for name, value in row.quality.items())
            after = "; ".join(part for part in (quality, row.note) if part)
            lines.append(
                f"| {row.what} | {row.peer or '-'} | {shown(row.own)} {row.unit} | "
                f"{'-' if row.peer_value is None else f'{shown(row.peer_value)} {row.unit}'} | "
                f"{ratio_text(row)} | {goal_text(row)} | {after} |"
            )
        return "\n".join(lines)


def compare(
    what: str,
    peer: str,
    unit: str,
    own: Sequence[float],
    other: Sequence[float],
    *,
    higher_is_better: bool = False,
    **more: Any,
) -> Row:
    """A row from paired rounds.

    Args:
        what: See `Row`; so are `peer`, `unit` and `more`.
        peer: See `Row`.
        unit: See `Row`.
        own: Our rounds, in order.
        other: The peer's rounds, in the same order.
        higher_is_better: Rates rather than times.
        more: See `Row`.
    """
    pairs = list(zip(own, other, strict=True))
    ratios = [a / b if higher_is_better else b / a for a, b in pairs]
    mine, theirs = statistics.median(own), statistics.median(other)
    return Row(
        what=what,
        peer=peer,
        unit=unit,
        own=mine,
        peer_value=theirs,
        ratio=mine / theirs if higher_is_better else theirs / mine,
        spread=(min(ratios), max(ratios)),
        rounds=len(pairs),
        **more,
    )


def machine(cpuinfo: Path = CPUINFO) -> str:
    """The CPU, how many threads may be used, and the operating system's machine type.

    Virtual machines call CPUs of several generations by one name: family and model tell them apart.
    """
    told = dict[str, str]()
    for line in cpuinfo.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        told.setdefault(name.strip(), value.strip())
    name = told.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in told:
        name += f" (family {told['cpu family']}, model {told.get('model', '?')})"
    return f"{name}, {available_threads()} threads, {platform.system()} {platform.machine()}"


def shown(value: float) -> str:
    """Three significant digits, whole numbers above a hundred."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ratio_text(row: Row) -> str:
    """The ratio, the rounds' least and greatest, and how many there were; "-" without a peer."""
    if row.ratio is None:
        return "-"
    digits = 2 if row.ratio >= 0.1 else 4
    least, greatest = (f"{value:.{digits}f}" for value in row.spread or (0.0, 0.0))
    spread = f" ({least} to {greatest}; {row.rounds})" if row.spread else ""
    return f"**{row.ratio:.{digits}f}x**{spread}"


def goal_text(row: Row) -> str:
    """What was asked, and whether it was met; "-" where nothing was."""
    if row.goal is None:
        return "-"
    sign = "at most " if row.at_most else ""
    unit = "x" if row.ratio is not None else f" {row.unit}".rstrip()
    return f"{sign}{row.goal:g}{unit}, {'met' if row.met else '**falls short**'}"
