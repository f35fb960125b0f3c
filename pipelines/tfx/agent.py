"""The DAG that makes an agent, as a TFX pipeline with ML Metadata lineage.

    Ingest -> ExampleGen -> StatisticsGen -> SchemaGen -> TextSchema -> ExampleValidator -> Checks
                  |                                           |
                  +-------------> Transform <-----------------+
                                      |
                   [Pretrain] ->  Trainer -> Compressor -> Budget -> Evaluator -> Pusher
                                                                        ^
                                            LatestBlessed (Resolver) ---+

The same spec, the same library and step functions as in `pipelines/boxes.py`; only the wiring is TFX's.
`python -m pipelines.tfx.agent SPEC --root DIR` runs it by LocalDagRunner. It needs the packages of
requirements/tfx.txt, whose wheels want glibc 2.39: the `tfx` image has them. See docs/tfx.md.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bertworks.errors import BertworksError, EnvironmentFault, SpecError
from bertworks.spec import AgentSpec

BEAM = ("--direct_running_mode=in_memory", "--direct_num_workers=1")
"""Beam's DirectRunner may else hand over to Prism, a program that it has to download."""


def build(spec: AgentSpec, sections: Mapping[str, str], root: Path, *, cache: bool = True) -> Any:
    """The TFX pipeline of a spec.

    Args:
        spec: The agent spec.
        sections: Each box's part of it as JSON, from `pipelines.tfx.running.sections`.
        root: Folder for artifacts, ML Metadata and pushed models.
        cache: Take finished boxes from ML Metadata.

    Raises:
        EnvironmentFault: tfx is not importable here.
        SpecError: The spec asks for a box that this DAG does not have.
    """
    refuse_others(spec)
    require_tfx()
    from tfx import v1 as tfx

    from pipelines.tfx import gathering
    from pipelines.tfx.steps import checking, compressing, evaluating

    train, measure = tfx.proto.TrainArgs, tfx.proto.EvalArgs
    clean = spec.data.clean.model_dump(mode="json")
    ingest = gathering.Ingest(section=sections["ingest"]).with_id("Ingest")
    example_gen = gathering.ExampleGen(
        section=sections["transform"],
        rows=ingest.outputs["rows"],
        corpus=ingest.outputs["corpus"],
        base=ingest.outputs["base"],
    ).with_id("ExampleGen")
    examples = example_gen.outputs["examples"]
    statistics_gen = tfx.components.StatisticsGen(examples=examples)
    schema_gen = tfx.components.SchemaGen(
        statistics=statistics_gen.outputs["statistics"],
        exclude_splits=["validation", "test"],
    )
    text_schema = checking.TextSchema(
        section=sections["validate"],
        statistics=statistics_gen.outputs["statistics"],
        inferred=schema_gen.outputs["schema"],
    ).with_id("TextSchema")
    example_validator = tfx.components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=text_schema.outputs["schema"]
    )
    checks = checking.Checks(
        section=sections["validate"],
        rows=ingest.outputs["rows"],
        base=ingest.outputs["base"],
        anomalies=example_validator.outputs["anomalies"],
    ).with_id("Checks")
    transform = tfx.components.Transform(
        examples=examples,
        schema=text_schema.outputs["schema"],
        preprocessing_fn="pipelines.tfx.steps.preprocessing.preprocessing_fn",
        splits_config=tfx.proto.SplitsConfig(
            analyze=["train"], transform=["train", "validation", "test"]
        ),
        custom_config={"task": spec.task.model_dump(mode="json")},
        disable_statistics=True,  # StatisticsGen has them
    )
    transform.add_upstream_node(checks)
    nodes = [ingest, example_gen, statistics_gen, schema_gen, text_schema]
    nodes += [example_validator, checks, transform]

    initial = example_gen.outputs["encoder"]
    if spec.pretrain.enabled:
        pretrain = tfx.components.Trainer(
            run_fn="pipelines.tfx.steps.training.pretrain_fn",
            examples=example_gen.outputs["texts"],
            transform_graph=transform.outputs["transform_graph"],
            base_model=initial,
            train_args=train(splits=["corpus"]),
            eval_args=measure(splits=["corpus"]),
            custom_config={"section": sections["pretrain"], "clean": clean},
        ).with_id("Pretrain")
        initial = pretrain.outputs["model"]
        nodes.append(pretrain)
    trainer = tfx.components.Trainer(
        run_fn="pipelines.tfx.steps.training.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        base_model=initial,
        train_args=train(splits=["train"]),
        eval_args=measure(splits=["validation"]),
        custom_config={"section": sections["finetune"], "clean": clean},
    )
    compressor = compressing.Compressor(
        prune=sections.get("prune", ""),
        quantize=sections["quantize"],
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        model=trainer.outputs["model"],
        rows=ingest.outputs["rows"],
        clean=json.dumps(clean),
    ).with_id("Compressor")
    budget = compressing.Budget(
        evaluate=sections["evaluate"],
        gate=sections["gate"],
        rows=ingest.outputs["rows"],
        tokens=compressor.outputs["tokens"],
        model=trainer.outputs["model"],
        bundle=compressor.outputs["bundle"],
    ).with_id("Budget")
    last_blessed = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("LatestBlessed")
    evaluator = evaluating.Evaluator(
        examples=examples,
        example_splits=["test"],
        model=compressor.outputs["bundle"],
        baseline_model=last_blessed.outputs["model"],
        eval_config=evaluating.eval_config(spec),
        module_path="pipelines.tfx.steps.evaluating",
    )
    evaluator.add_upstream_node(budget)
    pusher = tfx.components.Pusher(
        model=compressor.outputs["bundle"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=budget.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(
                base_directory=str(root / "serving" / spec.name)
            )
        ),
    )
    nodes += [trainer, compressor, budget, last_blessed, evaluator, pusher]
    return tfx.dsl.Pipeline(
        pipeline_name=spec.name,
        pipeline_root=str(root / "artifacts"),
        components=nodes,
        enable_cache=cache,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(root / "metadata.sqlite")
        ),
        beam_pipeline_args=beam_arguments(spec),
    )


def refuse_others(spec: AgentSpec) -> None:
    """This DAG has no box that searches settings, and hands on no documents beside the rows.

    Raises:
        SpecError: The spec asks for either.
    """
    if spec.task.kind.section == "matching":
        raise SpecError(
            "The TFX DAG finds no documents. Received: task.type=matching",
            "Run the spec by `bertworks run`, or on Kubeflow Pipelines by `bertworks submit`.",
        )
    if spec.tune.enabled:
        raise SpecError(
            "The TFX DAG has no box for tune. Received: tune.enabled=true",
            "Add --set tune.enabled=false; or run the spec by `bertworks run`, and put the settings "
            "that won into its finetune section.",
        )


def beam_arguments(spec: AgentSpec) -> list[str]:
    """Beam's options from `transform.runner` and `transform.options`."""
    if spec.transform.runner == "DirectRunner":
        return [*BEAM, *spec.transform.options]
    return [f"--runner={spec.transform.runner}", *spec.transform.options]


def require_tfx() -> None:
    """Checks that tfx can be imported, as far as that can be told without the 20 seconds it takes.

    Raises:
        EnvironmentFault: It, or one of the libraries under it, is not here.
    """
    from importlib.util import find_spec

    missing = [
        name for name in ("tfx", "tensorflow_data_validation", "ml_metadata") if not find_spec(name)
    ]
    if missing:
        import platform

        raise EnvironmentFault(
            f"The TFX pipeline needs {', '.join(missing)}, which this Python ({sys.prefix}) does not "
            f"have. Their wheels need glibc 2.39 or newer; here it is "
            f"{' '.join(platform.libc_ver()) or 'another C library'}.",
            "Run it in the tfx image: make images IMAGES=tfx, then docker run --rm -v "
            '"$PWD:/work" -w /work bertworks/tfx:VERSION python -m pipelines.tfx.agent SPEC; or on '
            "Debian 13 / Ubuntu 24.04 with Python 3.13: pip install -r requirements/tfx.txt",
        )


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    spec: Annotated[Path, typer.Argument(help="The agent spec, a YAML file.", metavar="SPEC")],
    root: Annotated[
        Path, typer.Option(help="Folder for artifacts, ML Metadata and pushed models.")
    ] = Path(".bertworks/tfx"),
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a value: --set finetune.epochs=2. Repeatable."),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run every box anew.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and all logs.")] = False,
) -> None:
    """Run the TFX DAG of SPEC on this machine, with LocalDagRunner.

    Finished boxes are taken from ML Metadata. The bundle is pushed to DIR/serving/NAME/VERSION only
    when it is blessed; then its lineage is printed. Exit codes are those of `bertworks run`; 6 says
    that the bundle was not blessed.
    """
    from bertworks.spec import file as spec_file

    loaded = spec_file.load(spec, set_ or [])
    refuse_others(loaded.spec)
    require_tfx()
    from pipelines.tfx.running import run

    for line in run(loaded, root.absolute(), cache=not no_cache, debug=debug):
        typer.echo(line)


def entry() -> None:
    """The command; a known error ends with its message and exit code, no traceback."""
    try:
        app()
    except BertworksError as error:
        if os.environ.get("BERTWORKS_DEBUG") or "--debug" in sys.argv:
            raise
        typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
        sys.exit(error.exit_code)
    except Exception as error:
        if os.environ.get("BERTWORKS_DEBUG") or "--debug" in sys.argv:
            raise
        fix = "This is a fault in bertworks or in a library under it: --debug shows where."
        text = f"error: {type(error).__name__}: {error}\n  fix: {fix}"
        typer.secho(text, err=True, fg=typer.colors.RED)
        sys.exit(1)


if __name__ == "__main__":
    entry()
