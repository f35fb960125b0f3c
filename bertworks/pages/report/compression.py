"""The report's part on compression: before and after, every candidate, and what was cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bertworks.compression.candidates import table
from bertworks.contracts.bundle import Loss, Times
from bertworks.contracts.latency import Speed
from bertworks.contracts.runs import RunRecord
from bertworks.pages.candidates import limits
from bertworks.pages.parts import Badge, Bar, Table
from bertworks.pages.report.verdict import latency
from bertworks.pages.text import number, spoken
from bertworks.pages.views import View
from bertworks.storage.artifacts import Artifact

Opened = dict[str, Artifact]
WORDS = (("slower", "faster"), ("larger", "smaller"))


@dataclass(frozen=True)
class BeforeAndAfter:
    """The model before and after compression: bars side by side, and all numbers."""

    bars: Sequence[Table]
    table: Table
    threads: int


@dataclass(frozen=True)
class CompressionPart(View):
    """What compression did; None where a run has nothing to show of it."""

    template = "report/compression.html.j2"

    change: BeforeAndAfter | None
    candidates: Table | None
    widths: Table | None


def section(run: RunRecord, opened: Opened) -> View | None:
    """The table of before and after, the candidates, and the widths of a pruned encoder."""
    change, candidates, widths = _before_and_after(opened), _candidates(opened), _widths(opened)
    if change is None and candidates is None and widths is None:
        return None
    return CompressionPart(change, candidates, widths)


def _before_and_after(opened: Opened) -> BeforeAndAfter | None:
    before, after = opened.get("model_metrics"), opened.get("bundle_metrics")
    old, new = latency(before), latency(after)
    if before is None or after is None or old is None or new is None:
        return None
    name = after.metadata["metric"]
    rows: list[list[object]] = [
        [spoken(name), _score(before), _score(after), _signed(before, after)],
    ]
    measures = {
        "size, MB": (old.size_mb, new.size_mb, 1),
        "median latency, ms": (old.p50_ms, new.p50_ms, 2),
        "p95 latency, ms": (old.p95_ms, new.p95_ms, 2),
        "rows/s in batches": (old.rows_per_second, new.rows_per_second, 0),
    }
    for title, (one, other, digits) in measures.items():
        ratio = other / one if title == "rows/s in batches" else one / other
        word = WORDS[title == "size, MB"][ratio >= 1]
        factor = ratio if ratio >= 1 else 1 / ratio
        gain = Badge(f"{factor:.1f}× {word}", "good" if ratio >= 1 else "bad")
        rows.append([title, f"{one:,.{digits}f}", f"{other:,.{digits}f}", gain])
    table = Table(["", "uncompressed model", "bundle", ""], rows, (1, 2))
    return BeforeAndAfter(_bars(old, new), table, new.threads)


def _bars(old: Speed, new: Speed) -> list[Table]:
    """Size, latency and throughput before and after, side by side."""
    measures = {
        "Size, MB": (old.size_mb, new.size_mb),
        "Median latency, ms": (old.p50_ms, new.p50_ms),
        "Rows/s in batches": (old.rows_per_second, new.rows_per_second),
    }
    tables = []
    for title, pair in measures.items():
        rows = [
            [name, _bar(value, max(pair)), number(round(value, 1))]
            for name, value in zip(("uncompressed", "bundle"), pair, strict=True)
        ]
        tables.append(Table([title, "", ""], rows, [2]))
    return tables


def _candidates(opened: Opened) -> Table | None:
    if "bundle" not in opened:
        return None
    rows = [
        [
            one.name,
            _number(one.size_mb, 1),
            _number(times.latency_ms, 2),
            _number(times.p95_ms, 2),
            _number(times.rows_per_second, 0),
            _number(one.metric, 4),
            Badge("chosen", "good") if one.chosen else "",
            times.reason,
            _drop(one.drop),
            limits(times.checks),
        ]
        for one in table(opened["bundle"])
        for times in [one.times or Times()]
    ]
    headers = [
        "candidate", "MB", "ms", "p95 ms", "rows/s", "validation metric", "", "why", "drop",
        "what each limit says",
    ]  # fmt: skip
    return Table(headers, rows, range(1, 6)) if rows else None


def _widths(opened: Opened) -> Table | None:
    """Heads and neurons that each layer keeps, as bars against what it had."""
    if "pruned" not in opened:
        return None
    config = opened["pruned"].json("config.json")
    kept = config.get("bertworks")
    if not kept:
        return None
    heads, neurons = config["num_attention_heads"], config["intermediate_size"]
    if "model" in opened:
        before = opened["model"].json("config.json")
        heads, neurons = before["num_attention_heads"], before["intermediate_size"]
    pairs = zip(kept["num_heads"], kept["intermediate_sizes"], strict=True)
    rows = [
        [layer, _bar(has, heads), f"{has} of {heads}", _bar(wide, neurons), f"{wide} of {neurons}"]
        for layer, (has, wide) in enumerate(pairs, start=1)
    ]
    return Table(["layer", "heads", "", "neurons", ""], rows)


def _bar(value: float, most: float) -> Bar:
    return Bar.of(min(1.0, value / most) if most else 0, 150)


def _drop(drop: Loss | None) -> str:
    """The loss against float32, its bounds, and on how many rows."""
    if drop is None:
        return "–"
    if drop.low == drop.high == 0:
        return "none"
    changed = "" if drop.changed is None else f", {drop.changed} answers differ"
    bounds = f"{drop.low:+.4f} to {drop.high:+.4f}"
    return f"{drop.value:+.4f} ({bounds} on {drop.rows} rows{changed})"


def _score(metrics: Artifact) -> str:
    value = metrics.metadata.get("value")
    return "–" if value is None else f"{value:.4f}"


def _signed(before: Artifact, after: Artifact) -> str:
    old, new = before.metadata.get("value"), after.metadata.get("value")
    return "" if old is None or new is None else f"{new - old:+.4f}"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"
