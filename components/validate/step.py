"""Describes the examples and checks them, before anything is trained on them."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format
from pydantic import Field

from bertworks.contracts.examples import EXAMPLES
from bertworks.contracts.statistics import CHECKS, PROFILE
from bertworks.data.validation.anomalies import anomalies_proto, find_anomalies
from bertworks.data.validation.baseline import open_baseline
from bertworks.data.validation.checks import run_checks
from bertworks.data.validation.profile.rows import texts_of
from bertworks.data.validation.profile.scan import scan
from bertworks.data.validation.profile.summary import build_profile, compare
from bertworks.data.validation.report import VIEW, metrics, notices, refuse
from bertworks.data.validation.schema import infer_schema
from bertworks.data.validation.statistics import statistics as feature_statistics
from bertworks.pages.statistics import render
from bertworks.spec import Task, Validate
from bertworks.storage.artifacts import open_artifact, write
from bertworks.tasks import for_task
from components.contract import StepResult, StepSection


class Section(StepSection):
    """The spec's `task` and `validate`."""

    task: Task
    validate_: Validate = Field(alias="validate")


def run(section: Section, *, examples: Path, base: Path, statistics: Path) -> StepResult:
    """Writes the statistics artifact; a failed check of severity "error" then stops the run.

    Args:
        section: The spec's `task` and `validate`.
        examples: The examples artifact.
        base: The base artifact, whose tokenizer counts tokens.
        statistics: Where to write the statistics artifact.

    Raises:
        DataError: A check of severity "error" failed; the artifact is written all the same, so that
            its view.html shows the rows.
        ArtifactError: An input is missing or damaged.
    """
    task, settings = (
        section.task,
        section.validate_,
    )
    handler = for_task(task)
    rows, encoder = open_artifact(examples, "examples"), open_artifact(base, "base")
    baseline = open_baseline(settings.baseline)

    found = scan(rows, task, settings, encoder)
    summary = feature_statistics(found, list(handler.form.columns))
    labels = found.labels.values
    schema = baseline.schema if baseline else infer_schema(summary, handler.target.column, labels)
    anomalies = find_anomalies(summary, schema, labels)
    profile = build_profile(found, task)
    divergences = compare(baseline.profile, profile, found) if baseline else None
    checks = run_checks(found, task, settings.checks, anomalies, divergences)
    shown = {row for check in checks for row in (*check.rows, *check.twins.values())}
    texts = texts_of(rows, task, shown)

    parents = {"examples": rows, "base": encoder}
    if baseline:
        parents["baseline"] = baseline.artifact
    failed = [check.name for check in checks if not check.passed]
    with write(
        statistics, kind="statistics", producer="validate", parents=parents,
        metadata={"failed": failed},
    ) as folder:  # fmt: skip
        (folder / "statistics.binpb").write_bytes(summary.SerializeToString(deterministic=True))
        for name, message in {
            "schema": schema,
            "anomalies": anomalies_proto(anomalies, schema),
        }.items():
            text = text_format.MessageToString(message, as_utf8=True)
            (folder / f"{name}.pbtxt").write_text(text, encoding="utf-8")
        CHECKS.write(folder, checks)
        PROFILE.write(folder, profile)
        page = render(found, checks, texts, EXAMPLES.read(rows))
        (folder / "view.html").write_text(page, encoding="utf-8")

    told = notices(found, checks, settings)
    refuse(checks, texts, statistics / VIEW, told)
    return StepResult(metrics(found, checks), html=VIEW, notices=told)
