"""TextSchema and Checks: constraints for ExampleValidator, and what to do about what it finds."""

import json
import sys
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx import v1 as tfx
from tfx.types import artifact_utils
from tfx.utils import io_utils

from bertworks.errors import DataError
from bertworks.spec import Checks as CheckSettings
from bertworks.spec import Task, Validate
from bertworks.storage.artifacts import write_json
from components.launch import run_step
from pipelines.tfx.steps.constraints import SEVERITIES, constrain
from pipelines.tfx.steps.kinds import Report, RowsArtifact, inside

Schema = tfx.types.standard_artifacts.Schema
Statistics = tfx.types.standard_artifacts.ExampleStatistics
Anomalies = tfx.types.standard_artifacts.ExampleAnomalies
SPLITS = ("train", "validation", "test")


@tfx.dsl.components.component
def TextSchema(
    section: tfx.dsl.components.Parameter[str],
    statistics: tfx.dsl.components.InputArtifact[Statistics],
    inferred: tfx.dsl.components.InputArtifact[Schema],
    schema: tfx.dsl.components.OutputArtifact[Schema],
) -> None:
    """Puts the text-aware constraints on the inferred schema."""
    import tensorflow_data_validation as tfdv

    task, checks = _settings(section)
    file = Path(artifact_utils.get_split_uri([statistics], "train")) / "FeatureStats.pb"
    found = tfdv.load_stats_binary(str(file)).datasets[0]
    plain = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(inferred.uri))
    wanted: schema_pb2.Schema = constrain(plain, found, task, checks)
    text = text_format.MessageToString(wanted, as_utf8=True)
    (Path(schema.uri) / "schema.pbtxt").write_text(text, encoding="utf-8")


@tfx.dsl.components.component
def Checks(
    section: tfx.dsl.components.Parameter[str],
    rows: tfx.dsl.components.InputArtifact[RowsArtifact],
    base: tfx.dsl.components.InputArtifact[RowsArtifact],
    anomalies: tfx.dsl.components.InputArtifact[Anomalies],
    report: tfx.dsl.components.OutputArtifact[Report],
) -> None:
    """Stops the run where ExampleValidator found an error, or where the validate step does."""
    _, checks = _settings(section)
    found = read_anomalies(anomalies)
    write_json(Path(report.uri) / "anomalies.json", found)
    refuse(found, checks)
    run_step(
        "validate",
        section,
        {"examples": inside(rows, "examples"), "base": inside(base, "base")},
        {"statistics": inside(report, "statistics")},
    )


def read_anomalies(artifact: Any) -> list[dict[str, str]]:
    """What ExampleValidator wrote: split, feature, and what is wrong."""
    found = []
    for split in artifact_utils.decode_split_names(artifact.split_names):
        file = Path(artifact_utils.get_split_uri([artifact], split)) / "SchemaDiff.pb"
        read = anomalies_pb2.Anomalies.FromString(file.read_bytes())
        infos = dict(read.anomaly_info)
        if read.HasField("dataset_anomaly_info"):
            infos["(all columns)"] = read.dataset_anomaly_info
        found += [
            {
                "split": split,
                # TFDV quotes names with dots in its keys.
                "feature": info.path.step[0] if info.path.step else name,
                "short": info.short_description,
                "message": info.description,
            }
            for name, info in sorted(infos.items())
        ]
    return found


def refuse(found: list[dict[str, str]], checks: CheckSettings) -> None:
    """Raises for anomalies whose severity is "error"; prints the others.

    Raises:
        DataError: Names split, feature and what is wrong.
    """
    errors = []
    for one in found:
        check = SEVERITIES.get(one["feature"], "schema_anomalies")
        severity, limit = getattr(checks, check), getattr(checks, f"max_{check}", None)
        text = f"{one['split']}, {one['feature']}: {(one['message'] or one['short']).strip()}"
        text += "" if limit is None else f" At most {limit:g} is allowed (max_{check})."
        if severity == "error":
            errors.append(text)
        elif severity == "warning":
            print(f"warning: {text}", file=sys.stderr, flush=True)
    if errors:
        listed = "\n".join(f"  - {text}" for text in errors[:20])
        raise DataError(
            f"ExampleValidator found {len(errors)} anomalies of severity error:\n{listed}",
            "Correct the data, or set the severity of the check (validate.checks.schema_anomalies, "
            "too_long, unknown_tokens) to warning.",
        )


def _settings(section: str) -> tuple[Task, CheckSettings]:
    settings = json.loads(section)["settings"]
    return (
        Task.model_validate(settings["task"]),
        Validate.model_validate(settings["validate"]).checks,
    )
