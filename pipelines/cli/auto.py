"""`bertworks auto`: from files to a gated agent within a time.

Nothing heavy is imported at module level, so that `bertworks --help` answers at once.

The time is spent by what is measured on the way. First comes an agent that is not pruned: a search over
the settings of fine-tuning has its share of the minutes, and ends by itself. Then it is known what an
epoch takes, and what compression and evaluation take: as many epochs of distillation as fit into what is
left make the smaller agent, with all before taken from the cache.
"""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import DebugOption, RootOption, SetOption

if TYPE_CHECKING:
    from bertworks.contracts.runs import RunRecord
    from bertworks.data.inspection.content import Composed

SEARCH_SHARE = 0.55
"""Of all minutes; what is left is for reading, compression and evaluation."""
LEAST_SEARCH = 0.5  # minutes
DISTILLED = 2.0
"""What an epoch of distillation takes, teacher and all, by one of fine-tuning (docs/performance.md)."""
CUTTING_SECONDS = 45.0
"""For importance, widths and starts of steps."""
SURE = 0.9  # of the time that is left
_BEHIND = ("quantize", "evaluate-bundle", "gate", "register")


def auto(
    data: Annotated[
        list[str],
        typer.Argument(help="Files, folders, globs or URIs with the rows.", metavar="DATA..."),
    ],
    minutes: Annotated[
        float, typer.Option("--minutes", min=1.0, help="All that may pass, compression included.")
    ] = 20.0,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="The spec to write.", show_default="NAME.yaml"),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The agent's name.", show_default="the files' name")
    ] = None,
    set_: SetOption = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Make the best agent of DATA within MINUTES: find out what it holds, search, compress, gate.

    As `init --yes`, then `run` with a search; the spec is written beside. Killed at any moment, the same
    command goes on from there.
    """
    began = time.monotonic()
    from bertworks.errors import GateRefused
    from bertworks.spec import file as spec_file
    from pipelines.cli.init import fetching, show
    from pipelines.cli.verdict import closing_lines
    from pipelines.local import display
    from pipelines.local import root as roots
    from pipelines.local.run import run

    place = roots.open_root(root)
    with fetching(data, root):
        found, spec = _spec(data, minutes, out, name)
    typer.echo(f"spec: {spec}; an agent within {minutes:g} minutes")

    def made(*settings: str) -> RunRecord:
        loaded = spec_file.load(spec, [*(set_ or []), *settings])
        return run(loaded, place, debug=debug, display=display.choose()).record()

    done = made("compress.prune.enabled=false")
    wanted = spec_file.load(spec, set_ or []).spec.compress.prune
    # What the cache gave took its time when it was made: the same command comes to the same agent.
    earlier = sum(one.made_in_seconds for one in done.steps if one.from_cache)
    left = 60 * minutes - (time.monotonic() - began) - earlier
    epochs = min(distillation_epochs(done, left), wanted.epochs) if wanted.enabled else 0
    lines = [*closing_lines(done, root)]
    if epochs >= 1:
        typer.echo(
            f"{left / 60:.1f} minutes are left: pruning, with {epochs} epochs of distillation"
        )
        try:
            done = made(f"compress.prune.epochs={epochs}")
            lines = [*closing_lines(done, root)]
        except GateRefused as refused:
            lines.append(f"the pruned one was refused, and this one stays: {refused.message}")
    elif wanted.enabled:
        lines.append("not pruned: no epoch of distillation fits into the minutes that were left")
    show(found.decisions)
    for line in lines:
        typer.echo(line)
    took = (time.monotonic() - began) / 60
    typer.echo(f"{time_taken(took, minutes)}; spec: {spec}")


def _spec(
    data: list[str], minutes: float, out: Path | None, name: str | None
) -> tuple[Composed, Path]:
    """What the files hold, and the spec that says so; one that this command wrote before is kept."""
    from bertworks.data.inspection.inspect import inspect
    from bertworks.data.inspection.saving import save, was_written_by

    found = inspect(data, (out or Path("agent.yaml")).absolute().parent, name=name)
    searched = search_minutes(minutes)
    found.content["tune"] = {"minutes": searched}
    found.add(
        "search", f"{searched:g} minutes",
        f"of {minutes:g} in all: what is left is for compression and evaluation", ("tune",),
    )  # fmt: skip
    spec = out or Path(f"{found.content['name']}.yaml")
    command = f"bertworks auto {shlex.join(data)} --minutes {minutes:g}"
    if not was_written_by(command, spec):
        save(found, spec, command)
    return found, spec


def time_taken(took: float, minutes: float) -> str:
    """How the time was kept, in words; both in minutes."""
    if round(took, 1) <= minutes:
        return f"took {took:.1f} of {minutes:g} minutes"
    return (
        f"took {took:.1f} minutes: {took - minutes:.1f} ({took / minutes - 1:.0%}) more than the "
        f"{minutes:g} of --minutes"
    )


def search_minutes(minutes: float) -> float:
    """The search's share of all minutes."""
    return max(LEAST_SEARCH, round(SEARCH_SHARE * minutes, 1))


def distillation_epochs(done: RunRecord, left: float) -> int:
    """How many epochs of distillation fit into the seconds that are left, by a run that searched.

    Args:
        done: The record of a run that was not pruned.
        left: Seconds.
    """
    epoch = _epoch_seconds(done)
    if epoch is None:
        return 0
    behind = sum(max(one.seconds, one.made_in_seconds) for one in done.steps if one.name in _BEHIND)
    room = SURE * left - behind - CUTTING_SECONDS
    return max(0, int(room / (DISTILLED * epoch)))


def _epoch_seconds(done: RunRecord) -> float | None:
    """What an epoch of fine-tuning took in the search; None where none is known."""
    from bertworks.contracts.tuned import SEARCH_TIMES, TUNED

    step = done.step("tune")
    if step is None or "tuned" not in step.outputs:
        return None
    folder = Path(step.outputs["tuned"])
    trials, times = TUNED.read(folder).trials, SEARCH_TIMES.read(folder)
    epochs = sum(len(one.rungs) for one in trials)
    return sum(times.trials) / epochs if epochs and sum(times.trials) > 0 else None
