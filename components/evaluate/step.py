"""Scores a model or a bundle on the test split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bertworks import artifacts
from bertworks.artifacts import Artifact, open_artifact
from bertworks.errors import ArtifactError
from bertworks.evaluation import data, errors, floor, predictions, view
from bertworks.evaluation import metrics as scoring
from bertworks.evaluation.latency import measure
from bertworks.evaluation.predict import cleaned_by, load_agent, predict
from bertworks.evaluation.slices import slice_metrics
from bertworks.progress import stage
from bertworks.spec import Evaluate, Task, task_metric


def run(
    section: dict[str, Any], *, agent: Path, examples: Path, tokens: Path, metrics: Path
) -> dict[str, Any]:
    """Writes the metrics artifact.

    Args:
        section: task, evaluate, and `metric`, which the run goes by.
        agent: Model or bundle artifact.
        examples: Examples artifact (the text, and the floor's training rows).
        tokens: Tokens artifact of the same examples.
        metrics: Where the metrics artifact goes.

    Raises:
        ArtifactError: The agent is neither a model nor a bundle, or does not fit the task.
        DataError: There are no test rows.
    """
    task = Task.model_validate(section["task"])
    settings = Evaluate.model_validate(section["evaluate"])
    source = open_artifact(agent)
    rows_of, pieces_of = open_artifact(examples, "examples"), open_artifact(tokens, "tokens")
    loaded = load_agent(source)
    labels = _labels(source, pieces_of)
    rows = data.test_rows(task, rows_of, pieces_of)

    parents = {"agent": source, "examples": rows_of, "tokens": pieces_of}
    facts: dict[str, Any] = {
        "metric": section.get("metric") or task_metric(task),
        "split": "test",
        "labels": labels,
    }
    with artifacts.write(
        metrics, kind="metrics", producer="evaluate", parents=parents, metadata=facts
    ) as folder:
        answers = predict(loaded, rows, cleaned_by(loaded, rows_of))
        artifacts.write_json(folder / "latency.json", measure(loaded, rows, source))
        overall = scoring.score(answers, settings.bootstrap, settings.seed)
        with stage("slices"):
            parts = slice_metrics(answers, rows, settings.slices)
        matrix = scoring.confusion(answers)
        files = {
            "metrics": overall + parts,
            "floor": _floor(task, settings, labels, rows_of, rows),
            "confusion": matrix,
            "report": scoring.classification_report(answers),
            "errors": errors.worst(answers, rows["shown"], settings.worst),
        }
        for name, value in files.items():
            artifacts.write_json(folder / f"{name}.json", value)
        predictions.save(folder / "predictions.parquet", answers)
        facts["value"] = next(
            (one["value"] for one in overall if one["name"] == facts["metric"]), None
        )
        written = Artifact(folder, "metrics", "evaluate", "", {}, facts)
        page = view.page(f"Evaluation of the {source.kind}", written)
        (folder / "view.html").write_text(page, encoding="utf-8")
    return {
        "metrics": {one["name"]: one["value"] for one in overall},
        "html": "view.html",
        "confusion": matrix,
    }


def _labels(source: Artifact, tokens: Artifact) -> list[str]:
    labels, wanted = source.json("agent.json")["labels"], tokens.json("info.json")["labels"]
    if labels != wanted:
        raise ArtifactError(
            f"{source.path} answers with the labels {labels}, the rows have {wanted}.",
            "Evaluate the agent on the tokens that it was trained on.",
        )
    return list(labels)


def _floor(
    task: Task, settings: Evaluate, labels: list[str], examples: Artifact, rows: data.Columns
) -> list[dict[str, Any]]:
    if not settings.floor:
        return []
    with stage("floor"):
        train = data.read_split(examples, "train")
        answers = floor.floor_predictions(task, labels, train, rows, settings.seed)
    return scoring.score(answers, settings.bootstrap, settings.seed)
