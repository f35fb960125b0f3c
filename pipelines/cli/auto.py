"""`bertworks auto`: from files to a gated agent within a time.

Nothing heavy is imported at module level, so that `bertworks --help` answers at once.

First comes an agent that is not pruned: a search over the settings of fine-tuning has its share of the
minutes, and ends by itself. With what is left, all before taken from the cache, the smaller agent is
made: distillation has as many epochs as fit. Each step is told until when it may be at work
(`pipelines.local.pacing`), and shortens what can be shortened.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import DebugOption, RootOption, SetOption

if TYPE_CHECKING:
    from bertworks.contracts.runs import RunRecord
    from bertworks.data.inspection.content import Composed

MOST_DISTILLATION = 10
"""Epochs, where there is time: more were not seen to help (docs/performance.md)."""
USED = 0.9
"""Of the minutes; where less was used it is said why more would not have helped."""
OTHERS_FROM = 20.0
"""Minutes from which on the catalogue's other encoders for the language are tried as well."""
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
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            min=0,
            help="Of search, training, pruning, calibration: the spec's `seed`.",
            show_default="42",
        ),
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

    until = time.time() + 60 * minutes
    place = roots.open_root(root)
    with fetching(data, root):
        found, spec = _spec(data, minutes, out, name, seed)
    typer.echo(f"spec: {spec}; an agent within {minutes:g} minutes")

    def made(*settings: str, again: bool = False) -> RunRecord:
        loaded, shown = spec_file.load(spec, [*(set_ or []), *settings]), display.choose()
        return run(loaded, place, debug=debug, until=until, again=again, display=shown).record()

    asked = spec_file.load(spec, set_ or []).spec
    wanted = asked.compress.prune
    typer.echo(spent(pruned=wanted.enabled))
    # Where nothing is pruned, nothing follows that needs the rest.
    all_of_it = not wanted.enabled and "share" not in asked.tune.model_fields_set
    alone = ["tune.share=1"] if all_of_it else []
    done = searched = made("compress.prune.enabled=false", *alone, again=wanted.enabled)
    lines = [*closing_lines(done, root)]
    left = until - time.time()
    if not wanted.enabled:
        pass
    elif (needed := seconds_of_pruning(done)) > left:
        lines.append(
            f"not pruned: with one epoch of distillation it takes about {needed:.0f} s, and "
            f"{max(0.0, left):.0f} s are left; this one is as accurate, and slower"
        )
    else:
        typer.echo(f"{left / 60:.1f} minutes are left: pruning, with as much distillation as fits")
        try:
            done = made(f"compress.prune.epochs={max(wanted.epochs, MOST_DISTILLATION)}")
            lines = [*closing_lines(done, root)]
        except GateRefused as refused:
            lines.append(f"the pruned one was refused, and this one stays: {refused.message}")
    show(found.decisions)
    for line in lines:
        typer.echo(line)
    took = (time.monotonic() - began) / 60
    for line in time_taken(took, minutes, searched):
        typer.echo(line)
    typer.echo(f"spec: {spec}")


def spent(pruned: bool) -> str:
    """On what the minutes go, in words.

    Args:
        pruned: Whether the spec asks for the smaller agent.
    """
    left = "what is left is for pruning with distillation; " if pruned else ""
    return (
        f"the search takes what is best to the end of its share and tells; {left}when time runs out "
        "trials, epochs, candidates and rounds of timing are cut, no gate"
    )


def _spec(
    data: list[str], minutes: float, out: Path | None, name: str | None, seed: int | None = None
) -> tuple[Composed, Path]:
    """What the files hold, and the spec that says so; one that this command wrote before is kept."""
    from bertworks.data.inspection.inspect import inspect
    from bertworks.data.inspection.saving import save, was_written_by

    found = inspect(data, (out or Path("agent.yaml")).absolute().parent, name=name)
    found.content["minutes"] = minutes
    tune: dict[str, object] = {"minutes": "auto"}
    found.content["tune"] = tune
    found.add("minutes", f"{minutes:g}", "all that a run may take: --minutes", ("minutes",))
    found.add(
        "search", "auto", "its share of the minutes; what is left is for compression and evaluation",
        ("tune",),
    )  # fmt: skip
    if minutes >= OTHERS_FROM and "base" not in found.content:
        tune["space"] = {"base": "auto"}
        found.add(
            "other bases", "tried", f"{minutes:g} minutes are time for trials of a deeper encoder",
            ("tune", "space"),
        )  # fmt: skip
    spec = out or Path(f"{found.content['name']}.yaml")
    command = f"bertworks auto {shlex.join(data)} --minutes {minutes:g}"
    if seed is not None:
        command += f" --seed {seed}"
        found.content["seed"] = seed
        found.add("seed", str(seed), "of all that draws at random: --seed", ("seed",))
    if not was_written_by(command, spec):
        save(found, spec, command)
    return found, spec


def time_taken(took: float, minutes: float, searched: RunRecord) -> Iterator[str]:
    """How the time was kept, in words.

    Args:
        took: Minutes.
        minutes: That it could have taken.
        searched: The run with the search.
    """
    if round(took, 1) > minutes:
        yield (
            f"took {took:.1f} minutes: {took - minutes:.1f} ({took / minutes - 1:.0%}) more than the "
            f"{minutes:g} of --minutes"
        )
        return
    yield f"took {took:.1f} of {minutes:g} minutes"
    if took < USED * minutes:
        yield f"  it ended early: {_why_early(searched)}"


def _why_early(searched: RunRecord) -> str:
    """Why more time would not have helped, or what spent less of it than it had."""
    from bertworks.contracts.tuned import TUNED

    step = searched.step("tune")
    if step is None or "tuned" not in step.outputs:
        return "nothing was searched"
    if step.from_cache:
        return "the search came from the cache of an earlier run"
    found = TUNED.read(Path(step.outputs["tuned"]))
    if found.ended == "converged":
        return f"{len(found.trials)} trials, and more of them would not have helped"
    if found.ended == "trials":
        return f"the search ended after its {len(found.trials)} trials (tune.trials)"
    return "the steps behind the search took less than was held back for them"


def seconds_of_pruning(done: RunRecord) -> float:
    """What the smaller agent takes with one epoch of distillation, by a run that searched.

    Args:
        done: The record of a run that was not pruned.
    """
    from bertworks.compression.pruning.prune import least_seconds

    epoch = _epoch_seconds(done)
    if epoch is None:
        return float("inf")
    behind = sum(max(one.seconds, one.made_in_seconds) for one in done.steps if one.name in _BEHIND)
    return behind + least_seconds(epoch, _slowness(done))


def _slowness(done: RunRecord) -> float:
    """How many times as long a run's steps took as on a quiet machine."""
    from pipelines.boxes import TABLE
    from pipelines.local.pacing import SLOWEST

    usual = {box.name: box.seconds for box in TABLE if not box.varies}
    ran = [one for one in done.steps if one.name in usual and one.seconds and not one.from_cache]
    if not ran:
        return 1.0
    ratio = sum(one.seconds for one in ran) / sum(usual[one.name] for one in ran)
    return min(SLOWEST, max(1.0, ratio))


def _epoch_seconds(done: RunRecord) -> float | None:
    """What an epoch of the search's best trial took; None where none is known."""
    from bertworks.contracts.tuned import SEARCH_TIMES, TUNED

    step = done.step("tune")
    if step is None or "tuned" not in step.outputs:
        return None
    folder = Path(step.outputs["tuned"])
    found, times = TUNED.read(folder), SEARCH_TIMES.read(folder)
    epochs, took = len(found.trials[found.best].rungs), times.trials[found.best]
    return took / epochs if epochs and took > 0 else None
