"""The page of a step that draws none of its own: its numbers, and how its training went; notices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bertworks.contracts.history import HISTORY, History
from bertworks.notices import Notice
from bertworks.pages.charts import LineChart, line_chart
from bertworks.pages.parts import Badge, PlainPage, Table
from bertworks.pages.report.notices import KINDS
from bertworks.pages.views import View

TITLE_ENDS = "</h1>"


def page(task: str, numbers: Mapping[str, float], outputs: Mapping[str, Path]) -> str:
    """A self-contained HTML page for the Kubeflow UI.

    Args:
        task: The task's name in the DAG.
        numbers: Its metrics.
        outputs: Its output folders; one that holds history.json trained a model.
    """
    rows = [[name, value] for name, value in numbers.items()]
    parts: list[View] = [Table(["", "value"], rows, (1,))]
    for folder in outputs.values():
        if (folder / "history.json").is_file():
            parts += _curves(HISTORY.read(folder))
    return str(PlainPage(task, parts))


def with_notices(page: str, notices: Sequence[Notice]) -> str:
    """A page, be it the step's own, with the notices under its title; as it is without any."""
    if not notices:
        return page
    rows = [[Badge(one.level, KINDS[one.level]), one.text, one.more] for one in notices]
    told = Table(["", "what the step tells", "more"], rows)
    before, title, after = page.partition(TITLE_ENDS)
    return f"{before}{title}\n{told}{after}" if title else f"{told}{page}"


def _curves(history: History) -> Iterator[LineChart]:
    """A chart a metric, with a curve a split."""
    metrics: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for point in history.points:
        series = metrics.setdefault(point.name, {}).setdefault(point.split, [])
        series.append((point.epoch, point.value))
    for name, curves in metrics.items():
        yield line_chart(curves, "epoch", name)
