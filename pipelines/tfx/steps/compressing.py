"""Compressor and Budget: the model becomes a bundle, and the bundle must be within its limits."""

import json
from pathlib import Path

from tfx import v1 as tfx
from tfx.types import artifact_utils

from bertworks.contracts.decision import DECISION
from bertworks.errors import GateRefused
from bertworks.evaluation.gating import gates
from bertworks.evaluation.gating.remedies import fix
from bertworks.spec import Gates, Task
from bertworks.storage import artifacts
from components.launch import run_step
from components.transform.shards import SPLITS
from pipelines.tfx.steps.kinds import Report, RowsArtifact, inside, served
from pipelines.tfx.steps.tokens import write_tokens

Examples = tfx.types.standard_artifacts.Examples
TransformGraph = tfx.types.standard_artifacts.TransformGraph
Model = tfx.types.standard_artifacts.Model
InfraBlessing = tfx.types.standard_artifacts.InfraBlessing


@tfx.dsl.components.component
def Compressor(
    prune: tfx.dsl.components.Parameter[str],
    quantize: tfx.dsl.components.Parameter[str],
    examples: tfx.dsl.components.InputArtifact[Examples],
    transform_graph: tfx.dsl.components.InputArtifact[TransformGraph],
    model: tfx.dsl.components.InputArtifact[Model],
    rows: tfx.dsl.components.InputArtifact[RowsArtifact],
    clean: tfx.dsl.components.Parameter[str],
    bundle: tfx.dsl.components.OutputArtifact[Model],
    tokens: tfx.dsl.components.OutputArtifact[RowsArtifact],
) -> None:
    """Runs the prune step (where the spec asks for it: `prune` is not empty) and the quantize step."""
    task = Task.model_validate(json.loads(quantize)["settings"]["task"])
    pieces, given = inside(tokens, "tokens"), served(model)
    files = {split: [f"{artifact_utils.get_split_uri([examples], split)}/*"] for split in SPLITS}
    write_tokens(pieces, task, Path(transform_graph.uri), given, files, json.loads(clean))
    narrow = Path(tokens.uri) / "pruned"
    if prune:
        run_step("prune", prune, {"model": given, "tokens": pieces}, {"pruned": narrow})
        given = narrow
    taken = {"model": given, "tokens": pieces, "examples": inside(rows, "examples")}
    run_step("quantize", quantize, taken, {"bundle": served(bundle)})


@tfx.dsl.components.component
def Budget(
    evaluate: tfx.dsl.components.Parameter[str],
    gate: tfx.dsl.components.Parameter[str],
    rows: tfx.dsl.components.InputArtifact[RowsArtifact],
    tokens: tfx.dsl.components.InputArtifact[RowsArtifact],
    model: tfx.dsl.components.InputArtifact[Model],
    bundle: tfx.dsl.components.InputArtifact[Model],
    report: tfx.dsl.components.OutputArtifact[Report],
    blessing: tfx.dsl.components.OutputArtifact[InfraBlessing],
) -> None:
    """Measures model and bundle and blesses the bundle, or stops the run, by every gate but two.

    Latency, size, loss by compression and the floor are facts of this machine and these rows, which
    TFMA's thresholds cannot express. The metric's minimum and the champion are the Evaluator's.
    """
    settings = json.loads(gate)["settings"]
    rules = Gates.model_validate(settings["gates"])
    task = Task.model_validate(settings["task"])
    found = {}
    for name, artifact in (("bundle", bundle), ("model", model)):
        out = inside(report, name)
        inputs = {
            "agent": served(artifact),
            "examples": inside(rows, "examples"),
            "tokens": inside(tokens, "tokens"),
        }
        run_step("evaluate", evaluate, inputs, {"metrics": out})
        found[name] = artifacts.open_artifact(out, "metrics")
    metric = settings["metric"]
    packed = artifacts.open_artifact(served(bundle), "bundle")
    measured = gates.Measured.of(packed, found["bundle"], found["model"], task, metric, rules)
    kept = rules.model_copy(update={"minimum": None, "beat_champion": False})
    verdict = gates.decide(kept, metric, measured)
    DECISION.write(Path(report.uri), verdict)
    if not verdict.passed:
        raise GateRefused(
            "The bundle is not within its limits:\n"
            + "\n".join(f"  - {reason}" for reason in verdict.reasons),
            fix(verdict, measured),
        )
    (Path(blessing.uri) / "INFRA_BLESSED").touch()
    blessing.set_int_custom_property("blessed", 1)  # what Pusher reads
