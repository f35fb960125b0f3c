"""The command line: `bertworks`.

Nothing heavy is imported at module level, so that `bertworks --help` answers at once.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bertworks import __version__
from bertworks.errors import BertworksError, SpecError
from pipelines.cli import ask as ask_cli
from pipelines.cli import asking as asking_cli
from pipelines.cli import audit as audit_cli
from pipelines.cli import auto as auto_cli
from pipelines.cli import bases as bases_cli
from pipelines.cli import board as board_cli
from pipelines.cli import canary as canary_cli
from pipelines.cli import chat as chat_cli
from pipelines.cli import compare as compare_cli
from pipelines.cli import dialogue as dialogue_cli
from pipelines.cli import index as index_cli
from pipelines.cli import init as init_cli
from pipelines.cli import keys as keys_cli
from pipelines.cli import label as label_cli
from pipelines.cli import models as models_cli
from pipelines.cli import retrain as retrain_cli
from pipelines.cli import spec as spec_cli
from pipelines.cli.command import called, check_arguments, print_anywhere
from pipelines.cli.options import DebugOption, RootOption, SetOption, SpecPath
from pipelines.cli.verdict import closing_lines
from pipelines.cluster.deploy import cli as deploy_cli
from pipelines.cluster.doctor import cli as doctor_cli
from pipelines.cluster.runs import cli as runs_cli
from pipelines.cluster.runs.submit_cli import submit
from pipelines.cluster.schedule import cli as schedule_cli

if TYPE_CHECKING:
    from pipelines.box import Kind

app = typer.Typer(
    name="bertworks",
    help="From a pretrained BERT and your own text to a small, fast, gated agent.\n\n"
    "Start with: bertworks init reviews.csv, or bertworks run examples/sentiment.yaml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(spec_cli.app, name="spec")
app.add_typer(models_cli.app, name="models")
app.add_typer(canary_cli.app, name="canary")
app.add_typer(index_cli.app, name="index")
app.add_typer(label_cli.app, name="label")
app.add_typer(dialogue_cli.app, name="dialogue")
app.add_typer(schedule_cli.app, name="schedule")


def main() -> None:
    """Runs the command line; a known error ends with its message and exit code, no traceback."""
    print_anywhere()
    try:
        check_arguments(sys.argv[1:])
        app(standalone_mode=True)
    except BertworksError as error:
        if os.environ.get("BERTWORKS_DEBUG") or "--debug" in sys.argv:
            raise
        typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get("BERTWORKS_DEBUG") or "--debug" in sys.argv:
            raise
        fix = (
            "Check the path, its permissions and the space on its disk."
            if isinstance(error, OSError)
            else "This is a fault in bertworks or in a library under it: --debug shows where."
        )
        typer.secho(
            f"error: {type(error).__name__}: {error}\n  fix: {fix}", err=True, fg=typer.colors.RED
        )
        sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command()(init_cli.init)
app.command()(auto_cli.auto)


@app.command()
def run(
    spec: SpecPath,
    set_: SetOption = None,
    root: RootOption = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run every step anew.")] = False,
    debug: DebugOption = False,
) -> None:
    """Run the whole DAG of SPEC on this machine.

    Finished steps are taken from the cache; an interrupted step goes on from its last checkpoint. The
    result is a gated bundle in the model store and a report to look at. The spec of a dialogue makes its
    agents first, then learns, judges and registers the dialogue.
    """
    from bertworks.spec import file as spec_file

    loaded = spec_file.load_any(spec, set_ or [])
    from pipelines.local import display
    from pipelines.local import root as roots

    place = roots.open_root(root)
    from pipelines.local.run import run as run_locally

    shown = display.choose()
    done = run_locally(loaded, place, cache=not no_cache, debug=debug, display=shown)
    for line in closing_lines(done.record(), root):
        typer.echo(line)
    if isinstance(loaded, spec_file.SpecFile) and loaded.spec.serve.deploy.enabled:
        typer.echo(
            f"deploy: left out on this machine; runs on a cluster do it, or {called()} deploy"
        )


@app.command()
def step(
    name: Annotated[str, typer.Argument(help="The step, e.g. finetune.", metavar="STEP")],
    run_id: Annotated[str, typer.Option("--run", help="A run's id.")] = "latest",
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write; a folder in the run's by default.")
    ] = None,
    root: RootOption = None,
    debug: DebugOption = False,
) -> None:
    """Run one step of an earlier run again, in this process, on the same inputs."""
    from bertworks.notices import in_order
    from bertworks.pages.text import number
    from components.launch import run_step
    from pipelines.local import record
    from pipelines.local import root as roots

    place = roots.open_root(root)
    done = record.latest(place, run_id)
    found = done.step(name)
    if found is None or not found.section:
        ran = [one.name for one in done.steps if one.section]
        raise BertworksError(
            f"Run {done.id} did not run a step {name!r} (its cached steps have no inputs noted).",
            f"Name one of: {', '.join(ran)}." if ran else "Run with --no-cache once.",
        )
    os.environ.update({k: v for k, v in place.environment().items() if "CHECKPOINTS" not in k})
    folder = out or done.folder / "again" / name
    outputs = {key: folder / key for key in found.outputs}
    result = run_step(
        found.step,
        found.section,
        {key: Path(path) for key, path in found.inputs.items()},
        outputs,
    )
    for notice in in_order(result.notices):
        typer.echo(notice.line())
    for key, value in result.metrics.items():
        typer.echo(f"{key}: {number(value)}")
    for key, path in outputs.items():
        typer.echo(f"{key}: {path}")


@app.command()
def compile(
    spec: SpecPath,
    out: Annotated[Path, typer.Option("-o", "--out", help="The pipeline file to write.")] = Path(
        "pipeline.yaml"
    ),
    retrain: Annotated[
        bool, typer.Option("--retrain", help="The retraining pipeline instead of the training.")
    ] = False,
    store: Annotated[
        str | None,
        typer.Option(
            help="URI of the model store, as the cluster's pods see it.",
            show_default="resources.store",
        ),
    ] = None,
    set_: SetOption = None,
    debug: DebugOption = False,
) -> None:
    """Compile SPEC into a Kubeflow pipeline file; the same spec and data give the same bytes.

    Nothing is asked of a cluster. `bertworks submit` compiles, uploads and runs in one go.
    """
    from bertworks.spec import file as spec_file

    if store and "://" not in store and not store.startswith("/"):
        raise SpecError(
            f"--store must be a URI, or a path as the pods see it. Received: {store!r}",
            "Write for example s3://bucket/models or /bertworks/models, or leave it out.",
        )
    loaded = spec_file.load_any(spec, set_ or [])
    from pipelines.compile import compile_agent, frozen, notes

    kind: Kind = "retrain" if retrain else "agent"
    compile_agent(loaded, out, kind=kind, store=store)
    for note in (*notes(loaded.spec), *frozen(loaded, kind)):
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"wrote {out}")


app.command()(bases_cli.bases)
app.command()(asking_cli.predict)
app.command()(asking_cli.serve)
app.command()(ask_cli.ask)
app.command()(chat_cli.chat)
app.add_typer(keys_cli.app, name="keys")
app.add_typer(audit_cli.app, name="audit")


@app.command()
def report(
    run_id: Annotated[str, typer.Argument(help="A run's id.", metavar="RUN")] = "latest",
    root: RootOption = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser.")] = True,
    debug: DebugOption = False,
) -> None:
    """Build and open a run's report: one self-contained HTML file."""
    from bertworks.pages.report import page as reports
    from pipelines.local import record
    from pipelines.local import root as roots

    done = record.latest(roots.find_root(root), run_id)
    file = done.folder / "report.html"
    reports.build(done, file)
    typer.echo(str(file))
    if open_ and (os.environ.get("DISPLAY") or sys.platform in ("darwin", "win32")):
        import webbrowser

        webbrowser.open(file.as_uri())


app.command()(board_cli.board)
app.command("submit")(submit)
runs_cli.app.command()(compare_cli.compare)
app.add_typer(runs_cli.app, name="runs")
app.command()(doctor_cli.doctor)
app.command()(deploy_cli.deploy)
app.command()(retrain_cli.retrain)
models_cli.app.command()(retrain_cli.outcomes)


def _let_help_flow(group: typer.Typer) -> None:
    """Lets the lines of a docstring's paragraphs break where the terminal does, not where ours do."""
    for command in group.registered_commands:
        text = command.help or inspect.getdoc(command.callback) or ""
        command.help = re.sub(r"(?<=\S)\n(?=\S)", " ", text)
    for one in group.registered_groups:
        if one.typer_instance is not None:
            _let_help_flow(one.typer_instance)


_let_help_flow(app)
