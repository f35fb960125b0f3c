"""The top of the report: did it pass, how good, how fast, how small."""

from __future__ import annotations

from datetime import UTC, datetime

from markupsafe import Markup

from bertworks.contracts.decision import DECISION
from bertworks.contracts.latency import LATENCY, Speed
from bertworks.contracts.metrics import FLOOR, METRICS, overall
from bertworks.contracts.retraining import OUTCOME
from bertworks.contracts.runs import RunRecord
from bertworks.pages import html
from bertworks.pages.evaluation import interval, spoken
from bertworks.pages.gates import refused_on, rules
from bertworks.pages.outcome import KINDS
from bertworks.progress import duration
from bertworks.storage.artifacts import Artifact

_ENDINGS = {
    "unchanged": "Nothing new to learn from",
    "promoted": "A new champion",
    "kept": "The champion stays",
    "refused": "The challenger was refused",
    "cancelled": "Cancelled",
    "failed": "The retraining failed",
}


def verdict(run: RunRecord, opened: dict[str, Artifact]) -> Markup:
    """The banner, the tiles, and the gate's rules."""
    parts = [_subtitle(run), _banner(run, opened), _tiles(run, opened)]
    if "decision" in opened:
        parts.append(rules(DECISION.read(opened["decision"])))
    return Markup("\n").join(parts)


def _subtitle(run: RunRecord) -> Markup:
    spec = run.spec
    started = run.started
    if isinstance(started, (int, float)):
        started = datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%d %H:%M UTC")
    task = spec.get("task") or {}
    kind = " of pairs" if task.get("pair") else ""
    words = [
        spec.get("description") or "",
        f"{task.get('type', '')}{kind}",
        f"started {started}" if started else "",
        f"took {duration(run.seconds)}" if run.seconds else "",
    ]
    return Markup('<p class="soft">{}</p>').format(" · ".join(word for word in words if word))


def _banner(run: RunRecord, opened: dict[str, Artifact]) -> Markup:
    box = Markup('<div class="verdict {}"><b>{}</b>{}</div>')
    failed = next((one for one in run.steps if one.state == "failed"), None)
    decision = DECISION.read(opened["decision"]) if "decision" in opened else None
    if "outcome" in opened:  # of a retraining, whose steps may all have done well all the same
        ended = OUTCOME.read(opened["outcome"])
        kind = {"plain": "warn"}.get(KINDS[ended.outcome], KINDS[ended.outcome])
        return box.format(kind, _ENDINGS[ended.outcome], _lines(ended.text))
    if decision is not None and not decision.passed:
        reasons = "\n".join(f"– {reason}" for reason in decision.reasons)
        title = f"Refused by the gates {refused_on(decision)}".rstrip()
        return box.format("bad", title, _lines(reasons))
    if failed is not None:
        message = failed.message or "The step left no message."
        return box.format("bad", f"Failed in {failed.name}", _lines(message))
    state = run.state
    if state == "failed":  # not in a step: a damaged artifact, or the runner itself
        return box.format("bad", "Failed", _lines(run.message or "See the run's log."))
    if decision is not None and state in ("", "succeeded"):
        noted = opened["registered"].metadata if "registered" in opened else None
        text = "Passed all gates"
        if noted:
            text += f": {noted['name']} version {noted['version']}"
        return box.format("good", text, "")
    return box.format("warn", f"Not finished ({state or 'not begun'})", _lines(run.message or ""))


def _lines(text: str) -> Markup:
    return (
        Markup("<pre>{}</pre>").format("\n".join(html.visible(line) for line in text.splitlines()))
        if text
        else Markup("")
    )


def _tiles(run: RunRecord, opened: dict[str, Artifact]) -> Markup:
    scored = opened.get("bundle_metrics") or opened.get("model_metrics")
    if scored is None:
        return Markup("")
    tiles = [*_score_tiles(run, opened, scored), *_speed_tiles(opened)]
    tile = Markup(
        '<div class="tile"><div class="name">{}</div><div class="value">{}</div>'
        '<div class="note">{}</div></div>'
    )
    return Markup('<div class="tiles" style="max-width: {}rem">{}</div>').format(
        12 * len(tiles), Markup("").join(tile.format(*one) for one in tiles)
    )


def _score_tiles(
    run: RunRecord, opened: dict[str, Artifact], scored: Artifact
) -> list[tuple[str, str, str]]:
    gates = run.spec.get("gates") or {}
    name = gates.get("metric") or scored.metadata["metric"]
    ours = overall(METRICS.read(scored)).get(name)
    if ours is None:
        return []
    tiles = [(spoken(name), f"{ours.value:.3f}", f"95 %: {interval(ours)}")]
    if "bundle_metrics" in opened and "model_metrics" in opened:
        before = overall(METRICS.read(opened["model_metrics"])).get(name)
        if before is not None:
            change = ours.value - before.value
            note = f"uncompressed: {before.value:.3f}"
            tiles.append(("change by compression", f"{change:+.3f}", note))
    below = overall(FLOOR.read(scored)).get(name)
    if below is not None:
        gain = f"{ours.value - below.value:+.3f} against a linear model on words"
        tiles.append(("floor", f"{below.value:.3f}", gain))
    return tiles


def _speed_tiles(opened: dict[str, Artifact]) -> list[tuple[str, str, str]]:
    if "bundle_metrics" not in opened:
        return []
    now = LATENCY.read(opened["bundle_metrics"])
    before = latency(opened.get("model_metrics"))
    many = html.number(round(now.rows_per_second))
    tiles = [
        ("p95 latency", f"{now.p95_ms:.1f} ms", f"median {now.p50_ms:.1f} ms, one row"),
        ("throughput", f"{many}/s", f"rows in batches, {now.threads} threads"),
        ("size", f"{now.size_mb:.1f} MB", "the whole bundle"),
    ]
    if before:
        faster = now.rows_per_second / before.rows_per_second
        smaller = before.size_mb / now.size_mb
        tiles.append(("speed-up", f"{faster:.1f}×", f"and {smaller:.1f}× smaller than before"))
    return tiles


def latency(metrics: Artifact | None) -> Speed | None:
    """latency.json of a metrics artifact, None where there is none."""
    if metrics is None or not (metrics / LATENCY.name).is_file():
        return None
    return LATENCY.read(metrics)
