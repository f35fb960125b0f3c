"""`bertworks init`: from files to a spec whose every decision has its reason.

Nothing heavy is imported at module level, so that `bertworks --help` answers at once.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.command import called
from pipelines.cli.options import DebugOption, RootOption

if TYPE_CHECKING:
    from bertworks.data.inspection.decisions import Decision

_ORDER = (
    "format", "sample", "split", "text", "words, tags", "label", "labels", "score", "task", "language",
)  # fmt: skip


def init(
    data: Annotated[
        list[str],
        typer.Argument(help="Files, folders, globs or URIs with the rows.", metavar="DATA..."),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The spec to write.")] = Path(
        "agent.yaml"
    ),
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: take the likelier, and say so.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="The agent's name.", show_default="the files' name")
    ] = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Find out what DATA holds and write a spec for an agent that learns it.

    Format, columns, task, language, splits and settings: each decision stands in the spec with its
    reason. What cannot be decided is asked. A file that is there is never overwritten.
    """
    from bertworks.data.inspection.decisions import nobody
    from bertworks.data.inspection.inspect import inspect
    from bertworks.data.inspection.saving import refuse_existing, save

    refuse_existing(out)
    ask = _asked if not yes and _is_terminal() else nobody
    with fetching(data, root):
        found = inspect(data, out.absolute().parent, ask, name)
    save(found, out, f"bertworks init {shlex.join(data)}")
    show(found.decisions)
    typer.echo(f"\nwrote {out}")
    typer.echo(f"run it: {called()} run {shlex.quote(str(out))}")


@contextlib.contextmanager
def fetching(data: Sequence[str], root: str | None) -> Iterator[None]:
    """What is fetched goes where a run looks for it, and what runs have fetched is at hand."""
    from bertworks.data.sources import cache
    from pipelines.local.root import find_root

    downloads = find_root(root).downloads
    if not downloads.is_dir() and not any("://" in one for one in data):
        yield
        return
    with cache.cache_in(downloads):
        yield


def _is_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _asked(question: str, answers: Sequence[str]) -> str:
    """Asks on the terminal; the first answer is the likelier."""
    typer.echo(question)
    for number, answer in enumerate(answers, 1):
        typer.echo(f"  {number}  {answer}")
    while not 1 <= (chosen := typer.prompt("Which?", default=1, type=int)) <= len(answers):
        typer.echo(f"A number from 1 to {len(answers)}.")
    return answers[chosen - 1]


def show(decisions: Sequence[Decision]) -> None:
    """What was decided, in one screen: guesses are marked."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=44)
    table.add_column(overflow="fold", style="dim")
    ranked = sorted(decisions, key=_place)
    for one in ranked:
        mark = "? " if one.guessed else "  "
        table.add_row(mark + one.subject, _plain(one.value), _plain(one.reason))
    Console(width=None if sys.stdout.isatty() else 120, highlight=False, markup=False).print(table)
    if any(one.guessed for one in decisions):
        typer.echo("? was guessed: look at it in the spec before you rely on it")


def _place(one: Decision) -> int:
    return _ORDER.index(one.subject) if one.subject in _ORDER else len(_ORDER)


def _plain(text: str) -> str:
    """A text in one line, whatever stands in it."""
    return "".join(character if character.isprintable() else " " for character in text)
