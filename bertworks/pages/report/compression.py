"""The report's part on compression: before and after, every candidate, and what was cut."""

from __future__ import annotations

from markupsafe import Markup

from bertworks.compression.candidates import table
from bertworks.contracts.bundle import Loss, Times
from bertworks.contracts.latency import Speed
from bertworks.contracts.runs import RunRecord
from bertworks.pages import html
from bertworks.pages.candidates import limits
from bertworks.pages.evaluation import spoken
from bertworks.pages.report.verdict import latency
from bertworks.storage.artifacts import Artifact

Opened = dict[str, Artifact]
WORDS = (("slower", "faster"), ("larger", "smaller"))


def section(run: RunRecord, opened: Opened) -> Markup:
    """The table of before and after, the candidates, and the widths of a pruned encoder."""
    return _before_and_after(opened) + _candidates(opened) + _widths(opened)


def _before_and_after(opened: Opened) -> Markup:
    before, after = opened.get("model_metrics"), opened.get("bundle_metrics")
    old, new = latency(before), latency(after)
    if before is None or after is None or old is None or new is None:
        return Markup("")
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
        gain = html.badge(f"{factor:.1f}× {word}", "good" if ratio >= 1 else "bad")
        rows.append([title, f"{one:,.{digits}f}", f"{other:,.{digits}f}", gain])
    note = Markup(
        '<p class="soft">Test rows, text to answer, {} threads; the uncompressed model runs as a '
        "float32 graph in ONNX Runtime.</p>"
    )
    table = html.table(["", "uncompressed model", "bundle", ""], rows, (1, 2))
    return _bars(old, new) + table + note.format(new.threads)


def _bars(old: Speed, new: Speed) -> Markup:
    """Size, latency and throughput before and after, side by side."""
    charts = Markup("")
    measures = {
        "Size, MB": (old.size_mb, new.size_mb),
        "Median latency, ms": (old.p50_ms, new.p50_ms),
        "Rows/s in batches": (old.rows_per_second, new.rows_per_second),
    }
    for title, pair in measures.items():
        rows = [
            [name, _bar(value, max(pair)), html.number(round(value, 1))]
            for name, value in zip(("uncompressed", "bundle"), pair, strict=True)
        ]
        charts += Markup("<div>{}</div>").format(html.table([title, "", ""], rows, [2]))
    return Markup('<div class="three">{}</div>').format(charts)


def _candidates(opened: Opened) -> Markup:
    if "bundle" not in opened:
        return Markup("")
    rows = [
        [
            one.name,
            _number(one.size_mb, 1),
            _number(times.latency_ms, 2),
            _number(times.p95_ms, 2),
            _number(times.rows_per_second, 0),
            _number(one.metric, 4),
            html.badge("chosen", "good") if one.chosen else "",
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
    if not rows:
        return Markup("")
    return Markup("<h3>Candidates</h3>") + html.table(headers, rows, range(1, 6))


def _widths(opened: Opened) -> Markup:
    """Heads and neurons that each layer keeps, as bars against what it had."""
    if "pruned" not in opened:
        return Markup("")
    config = opened["pruned"].json("config.json")
    kept = config.get("bertworks")
    if not kept:
        return Markup("")
    heads, neurons = config["num_attention_heads"], config["intermediate_size"]
    if "model" in opened:
        before = opened["model"].json("config.json")
        heads, neurons = before["num_attention_heads"], before["intermediate_size"]
    pairs = zip(kept["num_heads"], kept["intermediate_sizes"], strict=True)
    rows = [
        [layer, _bar(has, heads), f"{has} of {heads}", _bar(wide, neurons), f"{wide} of {neurons}"]
        for layer, (has, wide) in enumerate(pairs, start=1)
    ]
    headers = ["layer", "heads", "", "neurons", ""]
    return Markup("<h3>What pruning kept</h3>") + html.table(headers, rows)


def _bar(value: float, most: float) -> Markup:
    return Markup(
        '<svg viewBox="0 0 150 12" width="150" height="12" role="img">'
        '<rect width="150" height="12" rx="2" fill="var(--panel)"/>'
        '<rect width="{}" height="12" rx="2" fill="var(--c0)"/></svg>'
    ).format(round(150 * min(1.0, value / most) if most else 0, 1))


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
