"""`bertworks runs compare`: two runs side by side."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import (
    DebugOption,
    HostOption,
    InsecureOption,
    JsonOption,
    NamespaceOption,
    RootOption,
)

if TYPE_CHECKING:
    from rich.table import Table

    from bertworks.contracts.latency import Speed
    from bertworks.evaluation.pairing import Score
    from pipelines.local.compared import Comparison, Named, Scores
    from pipelines.local.sides import StepTime

_SIDE = (
    "A run's id or the beginning of one, on this machine or on the cluster, `latest`, or a model "
    "version: NAME/3, NAME/latest, NAME/champion."
)
FirstArgument = Annotated[str, typer.Argument(help=_SIDE, metavar="A")]
SecondArgument = Annotated[str, typer.Argument(help="Likewise.", metavar="B")]
APART = "Times were taken in each run by itself, so that they are not paired."


def compare(
    first: FirstArgument,
    second: SecondArgument,
    root: RootOption = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="URI or path of the model store that versions are of.",
            show_default="this machine's",
        ),
    ] = None,
    json_: JsonOption = False,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """Compare two runs: spec, scores on the same test rows, sizes, latencies, times a step.

    Differences of scores are B minus A, with 95 % intervals of a paired bootstrap on the test rows that
    both answered.
    """
    from bertworks.contracts.files import to_json
    from pipelines.local import compared, sides
    from pipelines.local.root import find_root

    def side(wanted: str) -> sides.Side:
        if _is_here(wanted, host):
            return sides.find(place, wanted, store)
        from pipelines.cluster.kfp.connection import connect
        from pipelines.cluster.runs.side import of_cluster

        return of_cluster(connect(host, namespace, insecure=insecure), wanted, store)

    place = find_root(root)
    found = compared.compare(side(first), side(second))
    if json_:
        typer.echo(json.dumps(to_json(found), indent=2, ensure_ascii=False))
        return
    _print(found)


def _is_here(wanted: str, host: str | None) -> bool:
    """Whether to look on this machine: versions, ids with a day; else where no cluster is named."""
    from pipelines.local.listed import cluster_is_named
    from pipelines.local.sides import is_of_this_machine

    if wanted == "latest":
        return host is None
    named = host is not None or cluster_is_named()
    return "/" in wanted or is_of_this_machine(wanted) or not named


def _print(found: Comparison) -> None:
    from rich.console import Console

    # Into a file or a pipe, a row stays a line.
    console = Console(width=None if sys.stdout.isatty() else 240, highlight=False)
    for mark, side in (("A", found.first), ("B", found.second)):
        for line in _head(mark, side):
            console.print(line, markup=False)
    console.print("\nspec", style="bold")
    if found.settings is None:
        console.print("  not compared: one of them has none", markup=False)
    elif not found.settings:
        console.print("  the same")
    else:
        console.print(
            _table(
                ("", "A", "B"),
                [(one.key, _value(one.first), _value(one.second)) for one in found.settings],
            )
        )
    for scores in found.scores:
        console.print(f"\nscores of the {scores.of} on test", style="bold")
        _print_scores(console, scores, found.metric)
    for speeds in found.speeds:
        console.print(f"\nsize and latency of the {speeds.of}", style="bold")
        console.print(
            _table(("", "A", "B"), list(_speeds(speeds.first, speeds.second)), right=True)
        )
        for mark, one in (("A", speeds.first), ("B", speeds.second)):
            if one is not None and one.load.busy:
                console.print(
                    f"  {mark} was timed on a busy machine: {one.load}; without the load its p95 is "
                    f"about {one.quiet_p95_ms:.2f} ms",
                    markup=False,
                )
    if found.speeds:
        console.print(f"  {APART}")
    if found.times:
        console.print("\ntime a step", style="bold")
        rows = [(one.step, _time(one.first), _time(one.second)) for one in found.times]
        console.print(_table(("", "A", "B"), rows, right=True))


def _print_scores(console: object, scores: Scores, metric: str) -> None:
    from rich.console import Console

    assert isinstance(console, Console)
    paired = scores.paired
    if paired is None:
        console.print(f"  not compared row by row: {scores.why}", markup=False)
        values = (scores.first or {}, scores.second or {})
        names = sorted(dict.fromkeys([*values[0], *values[1]]), key=lambda one: one != metric)
        own = [(name, *(_number(one.get(name)) for one in values)) for name in names]
        console.print(_table(("each on its own rows", "A", "B"), own, right=True))
        return
    # The one that both go by comes first.
    ordered = sorted(paired.scores, key=lambda one: one.metric != metric)
    rows = [
        (
            one.metric,
            f"{one.first:.4f}",
            f"{one.second:.4f}",
            f"{one.difference:+.4f}",
            "" if one.low is None else f"{one.low:+.4f} to {one.high:+.4f}",
            _said(one),
        )
        for one in ordered
    ]
    console.print(_table(("", "A", "B", "B - A", "95 % interval", ""), rows, right=True))
    same = f"  on {paired.rows:,} rows that both answered"
    if (paired.first_rows, paired.second_rows) != (paired.rows, paired.rows):
        same += f", of {paired.first_rows:,} of A and {paired.second_rows:,} of B"
    changed = "" if paired.changed is None else f"; {paired.changed:,} answers differ"
    console.print(same + changed, markup=False)
    for mark, labels in (("A", paired.only_first), ("B", paired.only_second)):
        if labels:
            shown = ", ".join(map(repr, labels[:5])) + (" ..." if len(labels) > 5 else "")
            console.print(f"  {len(labels)} labels that {mark} alone knows: {shown}", markup=False)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _said(score: Score) -> str:
    if score.low is None:
        return ""
    if score.better is None:
        return "no more than chance"
    return f"{'A' if score.better == 'first' else 'B'} is better"


def _head(mark: str, side: Named) -> Iterator[str]:
    agent = "" if side.id.startswith(f"{side.agent}/") else f"  {side.agent}"
    yield f"{mark}  {side.id}{agent}  {side.state}"
    for one in side.lacks:
        yield f"   {one}"


def _speeds(first: Speed | None, second: Speed | None) -> Iterator[tuple[str, str, str]]:
    def both(name: str, digits: int, field: str) -> tuple[str, str, str]:
        shown = [
            "" if one is None else f"{getattr(one, field):,.{digits}f}" for one in (first, second)
        ]
        return name, shown[0], shown[1]

    yield both("size, MB", 1, "size_mb")
    yield both("one row, median, ms", 2, "p50_ms")
    yield both("one row, 95th percentile, ms", 2, "p95_ms")
    yield both("rows a second in batches", 0, "rows_per_second")
    yield both("CPU threads", 0, "threads")


def _time(one: StepTime | None) -> str:
    from bertworks.progress import duration

    if one is None:
        return "no such step"
    if one.state not in ("succeeded", "cached"):
        return one.state
    return f"{duration(one.seconds)}{' (when it was made)' if one.cached else ''}"


def _value(value: object) -> str:
    from bertworks.pages.text import cut

    return cut(json.dumps(value, ensure_ascii=False), 60)


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], right: bool = False) -> Table:
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, padding=(0, 1))
    for place, column in enumerate(columns):
        last = column == "" and place > 0
        drawn.add_column(
            column, justify="right" if right and place and not last else "left", overflow="fold"
        )
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    return drawn
