"""The top of the report: did it pass, how good, how fast, how small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bertworks.contracts.decision import DECISION
from bertworks.contracts.latency import LATENCY, Speed
from bertworks.contracts.metrics import FLOOR, METRICS, overall
from bertworks.contracts.retraining import OUTCOME
from bertworks.contracts.runs import RunRecord
from bertworks.pages.evaluation import interval
from bertworks.pages.gates import GateRules, refused_on, rules
from bertworks.pages.outcome import KINDS
from bertworks.pages.parts import BadgeKind
from bertworks.pages.text import number, spoken, visible_lines
from bertworks.pages.views import View
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


@dataclass(frozen=True)
class Banner:
    """How the run ended, as its colour, in a few words, and in full ("" where that is all)."""

    kind: BadgeKind
    title: str
    text: str


@dataclass(frozen=True)
class Tile:
    """One number of the agent."""

    name: str
    value: str
    note: str


@dataclass(frozen=True)
class VerdictPart(View):
    """The top of the report; `rules` is None where no gate decided."""

    template = "report/verdict.html.j2"

    subtitle: str
    banner: Banner
    tiles: Sequence[Tile]
    rules: GateRules | None


def verdict(run: RunRecord, opened: dict[str, Artifact]) -> View:
    """The banner, the tiles, and the gate's rules."""
    return VerdictPart(
        subtitle=_subtitle(run),
        banner=_banner(run, opened),
        tiles=_tiles(run, opened),
        rules=rules(DECISION.read(opened["decision"])) if "decision" in opened else None,
    )


def _subtitle(run: RunRecord) -> str:
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
    return " · ".join(word for word in words if word)


def _banner(run: RunRecord, opened: dict[str, Artifact]) -> Banner:
    failed = next((one for one in run.steps if one.state == "failed"), None)
    decision = DECISION.read(opened["decision"]) if "decision" in opened else None
    if "outcome" in opened:  # of a retraining, whose steps may all have done well all the same
        ended = OUTCOME.read(opened["outcome"])
        kind = KINDS[ended.outcome]
        title = _ENDINGS[ended.outcome]
        return Banner("warn" if kind == "plain" else kind, title, visible_lines(ended.text))
    if decision is not None and not decision.passed:
        reasons = "\n".join(f"– {reason}" for reason in decision.reasons)
        title = f"Refused by the gates {refused_on(decision)}".rstrip()
        return Banner("bad", title, visible_lines(reasons))
    if failed is not None:
        message = failed.message or "The step left no message."
        return Banner("bad", f"Failed in {failed.name}", visible_lines(message))
    state = run.state
    if state == "failed":  # not in a step: a damaged artifact, or the runner itself
        return Banner("bad", "Failed", visible_lines(run.message or "See the run's log."))
    if decision is not None and state in ("", "succeeded"):
        noted = opened["registered"].metadata if "registered" in opened else None
        text = "Passed all gates"
        if noted:
            text += f": {noted['name']} version {noted['version']}"
        return Banner("good", text, "")
    ended_so = f"Not finished ({state or 'not begun'})"
    return Banner("warn", ended_so, visible_lines(run.message or ""))


def _tiles(run: RunRecord, opened: dict[str, Artifact]) -> list[Tile]:
    scored = opened.get("bundle_metrics") or opened.get("model_metrics")
    if scored is None:
        return []
    return [*_score_tiles(run, opened, scored), *_speed_tiles(opened)]


def _score_tiles(run: RunRecord, opened: dict[str, Artifact], scored: Artifact) -> list[Tile]:
    gates = run.spec.get("gates") or {}
    name = gates.get("metric") or scored.metadata["metric"]
    ours = overall(METRICS.read(scored)).get(name)
    if ours is None:
        return []
    tiles = [Tile(spoken(name), f"{ours.value:.3f}", f"95 %: {interval(ours)}")]
    if "bundle_metrics" in opened and "model_metrics" in opened:
        before = overall(METRICS.read(opened["model_metrics"])).get(name)
        if before is not None:
            change = ours.value - before.value
            note = f"uncompressed: {before.value:.3f}"
            tiles.append(Tile("change by compression", f"{change:+.3f}", note))
    below = overall(FLOOR.read(scored)).get(name)
    if below is not None:
        gain = f"{ours.value - below.value:+.3f} against a linear model on words"
        tiles.append(Tile("floor", f"{below.value:.3f}", gain))
    return tiles


def _speed_tiles(opened: dict[str, Artifact]) -> list[Tile]:
    if "bundle_metrics" not in opened:
        return []
    now = LATENCY.read(opened["bundle_metrics"])
    before = latency(opened.get("model_metrics"))
    many = number(round(now.rows_per_second))
    busy = ", on a busy machine" if now.load.busy else ""
    tiles = [
        Tile("p95 latency", f"{now.p95_ms:.1f} ms", f"median {now.p50_ms:.1f} ms, one row{busy}"),
        Tile("throughput", f"{many}/s", f"rows in batches, {now.threads} threads{busy}"),
        Tile("size", f"{now.size_mb:.1f} MB", "the whole bundle"),
    ]
    if before:
        faster = now.rows_per_second / before.rows_per_second
        smaller = before.size_mb / now.size_mb
        note = f"and {smaller:.1f}× smaller than before"
        if now.load.busy or before.load.busy:
            # The two were timed minutes apart, unlike the candidates' rounds.
            note += "; timed on a busy machine: the candidates' rounds tell more"
        tiles.append(Tile("speed-up", f"{faster:.1f}×", note))
    return tiles


def latency(metrics: Artifact | None) -> Speed | None:
    """latency.json of a metrics artifact, None where there is none."""
    if metrics is None or not (metrics / LATENCY.name).is_file():
        return None
    return LATENCY.read(metrics)
