"""The report of a run: one self-contained HTML file.

It is built from whatever the run left: a run that failed has a shorter report, with the failure on
top. A part that cannot be shown says so in its place and leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from bertworks.contracts.runs import RUN, RunRecord
from bertworks.errors import BertworksError
from bertworks.pages import html
from bertworks.pages.report import compression as report_compression
from bertworks.pages.report import dag as report_dag
from bertworks.pages.report import data as report_data
from bertworks.pages.report import notices as report_notices
from bertworks.pages.report import origin as report_origin
from bertworks.pages.report import scores as report_scores
from bertworks.pages.report import verdict as report_verdict
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.storage.replacing import replacing

Opened = dict[str, Artifact]
Part = Callable[[RunRecord, Opened], Markup]

PARTS: dict[str, Part] = {
    "": report_verdict.verdict,
    "The run": report_dag.section,
    "What the steps tell": report_notices.section,
    "Compression": report_compression.section,
    "Scores": report_scores.scores,
    "Confusion matrix": report_scores.confusion,
    "Slices": report_scores.slices,
    "Sample predictions": report_scores.samples,
    "Worst errors": report_scores.worst,
    "Data": report_data.section,
    "Learning curves": report_scores.curves,
    "By label": report_scores.by_label,
    "Where it comes from": report_origin.section,
}


def build(run: RunRecord | Mapping[str, Any], out: Path) -> None:
    """Writes the report of a run.

    Args:
        run: The record, or what run.json holds; whatever is missing is left out.
        out: The HTML file; replaced in one piece.
    """
    if not isinstance(run, RunRecord):
        run = RUN.of(run, "the record of the run")
    opened = _open(run)
    parts = [Markup("<style>{}</style>").format(Markup(_STYLE))]
    for title, part in PARTS.items():
        body = _guarded(part, run, opened)
        if body:
            parts.append(Markup("<h2>{}</h2>").format(title) + body if title else body)
    page = html.page(run.name or "run", Markup("\n").join(parts))
    with replacing(out) as beside:
        beside.write_text(page, encoding="utf-8")


def _open(run: RunRecord) -> Opened:
    """The artifacts that are there; those of a step that failed are looked for too."""
    paths = dict(run.artifacts)
    for step in run.steps:
        for name, path in step.outputs.items():
            if step.state == "failed":
                paths.setdefault(name, path)
    opened = {}
    for name, path in paths.items():
        try:
            opened[name] = open_artifact(path, verify=False)
        except BertworksError:
            continue
    return opened


def _guarded(part: Part, run: RunRecord, opened: Opened) -> Markup:
    try:
        return part(run, opened)
    except (BertworksError, OSError, ValueError, KeyError, TypeError, IndexError) as error:
        note = Markup('<p class="soft">This part cannot be shown: {}: {}</p>')
        return note.format(type(error).__name__, html.cut(error, 300))


_STYLE = """
.verdict { border-radius: 10px; padding: 1rem 1.25rem; margin: 1rem 0; color: #fff; }
.verdict.good { background: #1a7f4b; } .verdict.bad { background: #b32929; }
.verdict.warn { background: #8a5a00; } .verdict b { font-size: 1.25rem; }
.verdict pre { white-space: pre-wrap; font: .85rem/1.5 ui-monospace, monospace; margin: .6rem 0 0;
  overflow-wrap: anywhere; }
.tiles { display: grid; margin-bottom: 1rem; gap: .75rem;
  grid-template-columns: repeat(auto-fit, minmax(7.4rem, 1fr)); }
.tile { background: var(--panel); border-radius: 10px; padding: .75rem .9rem; }
.tile .value { font-size: 1.35rem; font-weight: 650; line-height: 1.35; white-space: nowrap; }
.tile .name, .tile .note { color: var(--soft); font-size: .8rem; }
td > svg { margin: .3rem 0 0; }
svg.dag { margin: .8rem 0 1.2rem; }
svg.dag .box { fill: var(--panel); stroke: var(--line); }
svg.dag rect.succeeded { stroke: var(--good); }
svg.dag rect.failed { stroke: var(--bad); stroke-width: 2.5; }
svg.dag rect.cached { stroke: var(--c0); stroke-dasharray: 4 3; }
svg.dag .name { fill: var(--ink); font-weight: 600; } svg.dag .edge { stroke: var(--soft); }
svg.dag .step.waiting, svg.dag .step.skipped { opacity: .45; }
svg.dag text { font-size: 11px; } svg.dag .share { fill: var(--c0); }
svg.dag .warnings { fill: var(--warn); }
.pair { display: grid; gap: 0 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); }
.pair > *, .three > * { min-width: 0; } .three { display: grid; gap: 0 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(17rem, 100%), 1fr)); }
.swatch { display: inline-block; width: .7em; height: .7em;
  border-radius: 2px; margin-right: .35em; } .limit { margin-bottom: .25rem; }
.notice { display: grid; grid-template-columns: 5rem 1fr; gap: .2rem .6rem; align-items: start; }
.notice .badge { justify-self: start; } .notice span { overflow-wrap: anywhere; }
 .stack { display: flex; height: 1.1rem;
  border-radius: 5px; overflow: hidden; margin: .6rem 0 .4rem; } .stack span { display: block; }
.short { white-space: nowrap; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; font-size: .85rem; }
"""
