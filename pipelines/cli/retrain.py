"""`bertworks retrain`, and `bertworks models outcomes`: how retrainings ended."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bertworks.errors import BertworksError
from pipelines.cli.command import called
from pipelines.cli.options import DebugOption, RootOption, SetOption, SpecPath

if TYPE_CHECKING:
    from bertworks.contracts.retraining import Outcome
    from bertworks.contracts.runs import RunRecord

WEBHOOK = "BERTWORKS_WEBHOOK"  # as in bertworks.retraining.webhook, which is loaded when needed


def retrain(
    spec: SpecPath,
    set_: SetOption = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Retrain the agent or dialogue of SPEC on this machine, if there is anything new to learn from.

    The sources are read anew and compared with the rows that the champion knows. Nothing new: the run
    ends well within a minute. Enough new rows, or a drift of their text or labels: a challenger is
    trained on them from the champion's weights, with old rows mixed in against forgetting, and takes
    the champion's place if it is better on the same test rows by more than the noise.

    Of a dialogue: where its knowledge base, a file that its spec names, a spec or a source of its agents
    is another than the champion's, it is made anew, with what has not changed from the cache. Its policy
    has to beat the champion's.

    Every ending is kept (`bertworks models outcomes`) and told to the webhook in BERTWORKS_WEBHOOK. A
    challenger that loses is an ordinary ending: the exit code says whether the run worked.
    """
    from bertworks.contracts.retraining import OUTCOME
    from bertworks.spec import file as spec_file

    loaded = spec_file.load_any(spec, set_ or [])
    from pipelines.local import display
    from pipelines.local import root as roots
    from pipelines.local.run import run

    place = roots.open_root(root)
    done = run(loaded, place, kind="retrain", display=display.choose(), debug=debug).record()
    ended = OUTCOME.read(Path(done.artifacts["outcome"]))
    typer.echo("")
    typer.echo(f"{ended.outcome}, after {done.seconds:.0f} s")
    typer.echo(ended.text)
    if _was_not_told(done):
        log = done.folder / "logs" / "notify.log"
        typer.echo(f"warning: the webhook in {WEBHOOK} was not told; why: {log}", err=True)
    typer.echo(f"report: {done.folder / 'report.html'}")
    option = f" --root {shlex.quote(root)}" if root else ""
    typer.echo(f"all endings: {called()} models outcomes {loaded.spec.name}{option}")


def _was_not_told(done: RunRecord) -> bool:
    """Whether there is a webhook, and it did not take the outcome."""
    told = any(step.metrics.get("told") for step in done.steps)
    return bool(os.environ.get(WEBHOOK, "").strip()) and not told


def outcomes(
    name: Annotated[str, typer.Argument(help="The model.", metavar="NAME")],
    store: Annotated[
        str | None,
        typer.Option(help="URI or path of another model store than the one in --root."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Show how the retrainings of a model ended, oldest first."""
    from bertworks.contracts.files import to_json
    from bertworks.storage.outcomes import Outcomes
    from pipelines.local.root import find_root

    uri = store or str(find_root(root).models)
    found = Outcomes(uri, name).every()
    if not found:
        raise BertworksError(
            f"No retraining of {name!r} has ended in {uri}.",
            "Start one with `bertworks retrain SPEC`, or name the model store with --store.",
        )
    for one in found:
        typer.echo(json.dumps(to_json(one), ensure_ascii=False) if as_json else _line(one))


def _line(outcome: Outcome) -> str:
    text = outcome.text.partition(": ")[2].replace("\n", " ")
    return f"{outcome.time}  {outcome.outcome:9}  {text}"
