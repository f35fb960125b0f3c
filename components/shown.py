"""The page of a step that draws none of its own: its numbers, and how its training went; notices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from bertworks.contracts.history import HISTORY, History
from bertworks.notices import Notice
from bertworks.pages import html


def page(task: str, numbers: Mapping[str, float], outputs: Mapping[str, Path]) -> str:
    """A self-contained HTML page for the Kubeflow UI.

    Args:
        task: The task's name in the DAG.
        numbers: Its metrics.
        outputs: Its output folders; one that holds history.json trained a model.
    """
    parts = [html.table(["", "value"], [[name, value] for name, value in numbers.items()], (1,))]
    for folder in outputs.values():
        if (folder / "history.json").is_file():
            parts += _curves(HISTORY.read(folder))
    return html.page(task, Markup("\n").join(parts))


def with_notices(page: str, notices: Sequence[Notice]) -> str:
    """A page with the notices under its first heading; as it is where there are none."""
    if not notices:
        return page
    kinds = {"warning": "warn", "note": "plain"}
    rows = [
        [html.badge(notice.level, kinds[notice.level]), notice.text, notice.more]
        for notice in notices
    ]
    before, heading, after = page.partition("</h1>")
    told = html.table(["", "what the step tells", "more"], rows)
    return f"{before}{heading}\n{told}{after}" if heading else f"{told}{page}"


def _curves(history: History) -> Iterator[Markup]:
    """A chart a metric, with a curve a split."""
    metrics: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for point in history.points:
        series = metrics.setdefault(point.name, {}).setdefault(point.split, [])
        series.append((point.epoch, point.value))
    for name, curves in metrics.items():
        yield html.line_chart(curves, "epoch", name)
