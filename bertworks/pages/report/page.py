"""The report of a run: one self-contained HTML file.

It is built from whatever the run left: a run that failed has a shorter report, with the failure on
top. A part that cannot be shown says so in its place and leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from bertworks.contracts.runs import RUN, RunRecord
from bertworks.errors import BertworksError
from bertworks.pages import dialogue, tuning
from bertworks.pages.report import compression as report_compression
from bertworks.pages.report import dag as report_dag
from bertworks.pages.report import data as report_data
from bertworks.pages.report import notices as report_notices
from bertworks.pages.report import origin as report_origin
from bertworks.pages.report import scores as report_scores
from bertworks.pages.report import verdict as report_verdict
from bertworks.pages.text import cut
from bertworks.pages.views import View
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.storage.replacing import replacing

Opened = dict[str, Artifact]
Part = Callable[[RunRecord, Opened], View | None]

PARTS: dict[str, Part] = {
    "": report_verdict.verdict,
    "The run": report_dag.section,
    "What the steps tell": report_notices.section,
    "Policy": dialogue.section,
    "Compression": report_compression.section,
    "Scores": report_scores.scores,
    "How sure": report_scores.sure,
    "Confusion matrix": report_scores.confusion,
    "Slices": report_scores.slices,
    "Sample predictions": report_scores.samples,
    "Worst errors": report_scores.worst,
    "Data": report_data.section,
    "Learning curves": report_scores.curves,
    "Search": tuning.section,
    "By label": report_scores.by_label,
    "Where it comes from": report_origin.section,
}


@dataclass(frozen=True)
class ReportPage(View):
    """The whole report: the parts with their titles."""

    template = "report/page.html.j2"

    title: str
    parts: Sequence[tuple[str, Markup]]


@dataclass(frozen=True)
class Broken(View):
    """What stands for a part that cannot be shown."""

    template = "report/broken.html.j2"

    error: str
    message: str


def build(run: RunRecord | Mapping[str, Any], out: Path) -> None:
    """Writes the report of a run.

    Args:
        run: The record, or what run.json holds; whatever is missing is left out.
        out: The HTML file; replaced in one piece.
    """
    if not isinstance(run, RunRecord):
        run = RUN.of(run, "the record of the run")
    opened = _open(run)
    shown = {title: _guarded(part, run, opened) for title, part in PARTS.items()}
    parts = [(title, html) for title, html in shown.items() if html is not None]
    page = ReportPage(run.name or "run", parts)
    with replacing(out) as beside:
        beside.write_text(str(page), encoding="utf-8")


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


def _guarded(part: Part, run: RunRecord, opened: Opened) -> Markup | None:
    """The HTML of a part, or why it cannot be shown; None where it has nothing to show."""
    try:
        view = part(run, opened)
        return None if view is None else view.__html__()
    except (BertworksError, OSError, ValueError, KeyError, TypeError, IndexError) as error:
        return Broken(type(error).__name__, cut(error, 300)).__html__()
