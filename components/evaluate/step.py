"""Scores a model or a bundle on the test split."""

from __future__ import annotations

from pathlib import Path

from bertworks.contracts.agent import AGENT
from bertworks.contracts.confidence import CONFIDENCE
from bertworks.contracts.latency import LATENCY, Latency
from bertworks.contracts.metrics import CONFUSION, ERRORS, FLOOR, METRICS, REPORT, Metric
from bertworks.contracts.tokens import TOKENS
from bertworks.errors import ArtifactError
from bertworks.evaluation import calibration, data, errors, floor, one_answer, predictions
from bertworks.evaluation import metrics as scoring
from bertworks.evaluation.confidence import measuring
from bertworks.evaluation.gating.gates import FLOOR_ANSWERS
from bertworks.evaluation.latency import measure
from bertworks.evaluation.predictions import Predictions
from bertworks.evaluation.slices import slice_metrics
from bertworks.notices import Notice
from bertworks.pages import evaluation as view
from bertworks.progress import stage
from bertworks.runtime.agent import Agent
from bertworks.runtime.loading import ask, cleaned_by, load_agent, with_documents
from bertworks.spec import Evaluate, Task
from bertworks.storage import artifacts
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.tasks import for_task, form_of
from bertworks.tasks.handler import TaskHandler
from bertworks.text.windows import most_tokens
from components.contract import StepResult, StepSection


class Section(StepSection):
    """The spec's `task` and `evaluate`, and the metric that the run goes by."""

    task: Task
    evaluate: Evaluate
    metric: str


def run(
    section: Section, *, agent: Path, examples: Path, tokens: Path, metrics: Path
) -> StepResult:
    """Writes the metrics artifact.

    Args:
        section: task, evaluate, and `metric`, which the run goes by.
        agent: Model or bundle artifact.
        examples: Examples artifact (the text, and the floor's training rows).
        tokens: Tokens artifact of the same examples.
        metrics: Where the metrics artifact goes.

    Returns:
        Every metric; notices where all rows got one answer, and where scores are no probabilities.

    Raises:
        ArtifactError: The agent is neither a model nor a bundle, or does not fit the task.
        DataError: There are no test rows.
    """
    task = section.task
    settings = section.evaluate
    source = open_artifact(agent)
    rows_of, pieces_of = open_artifact(examples, "examples"), open_artifact(tokens, "tokens")
    loaded = with_documents(load_agent(source), pieces_of)
    labels = _labels(source, pieces_of)
    rows = data.test_rows(task, rows_of, pieces_of)

    parents = {"agent": source, "examples": rows_of, "tokens": pieces_of}
    facts: dict[str, object] = {"metric": section.metric, "split": "test", "labels": labels}
    with artifacts.write(
        metrics, kind="metrics", producer="evaluate", parents=parents, metadata=facts,
        measured=("latency.json", "view.html"),
    ) as folder:  # fmt: skip
        cleaned = cleaned_by(loaded, rows_of)
        asked = ask(loaded, rows, cleaned)
        answers = predictions.decode_by(loaded.handler, asked.rows, asked.logits)
        outside = data.outside_rows(rows_of)
        sure = measuring.measured(loaded, asked, rows_of, pieces_of, outside, cleaned)
        if sure is not None:
            CONFIDENCE.write(folder, sure)
        speed = measure(loaded, rows, source)
        LATENCY.write(folder, speed)
        overall = scoring.score(answers, settings.bootstrap, settings.seed)
        with stage("slices"):
            parts = slice_metrics(answers, rows, settings.slices)
        matrix = scoring.confusion(answers)
        floor_answers = _floor(loaded.handler, settings, rows_of, rows)
        METRICS.write(folder, overall + parts)
        FLOOR.write(folder, _scored(floor_answers, settings))
        CONFUSION.write(folder, matrix)
        REPORT.write(folder, scoring.classification_report(answers))
        ERRORS.write(folder, errors.worst(answers, rows["shown"], settings.worst))
        predictions.save(folder / "predictions.parquet", answers)
        if floor_answers is not None:
            predictions.save(folder / FLOOR_ANSWERS, floor_answers)
        facts["value"] = next((one.value for one in overall if one.name == section.metric), None)
        page = view.page(f"Evaluation of the {source.kind}", folder)
        (folder / "view.html").write_text(page, encoding="utf-8")
    values = {one.name: one.value for one in overall}
    notices = [
        *_notices(speed),
        *_cut(task, pieces_of, len(rows["id"])),
        *one_answer.notices(answers, "model" if source.kind == "model" else "bundle"),
        *calibration.notices(answers, values.get("calibration_error"), _source_of(source, loaded)),
        *(measuring.notices(sure, len(outside["text"])) if source.kind == "bundle" else []),
    ]
    values |= {name: value for name, value in measuring.values(sure) if value is not None}
    return StepResult(values, html="view.html", confusion=matrix, notices=notices)


def _source_of(source: Artifact, agent: Agent) -> calibration.Scored:
    if source.kind == "model":
        return "model"
    known = agent.info.calibration
    return "scaled" if known is not None and known.asked.calibrate else "plain"


def _notices(speed: Latency) -> list[Notice]:
    """That the times are those of a busy machine."""
    load = speed.load
    if not load.busy:
        return []
    text = (
        f"The machine was busy while latencies were measured, {load.attempts} times: {load}. The p95 of "
        f"{speed.p95_ms:.2f} ms has that in it; without it about {speed.quiet_p95_ms:.2f} ms."
    )
    return [Notice(text, "warning", more="latency.json")]


def _cut(task: Task, tokens: Artifact, rows: int) -> list[Notice]:
    """How many texts were cut: they are scored by their beginning."""
    cut = (TOKENS.read(tokens).truncated or {}).get("test", 0)
    if not cut:
        return []
    what = (
        "words behind it count as missed"
        if for_task(task).target.per_word
        else "what is before is scored"
    )
    after = f"{most_tokens(task)} tokens ({what}); {form_of(task).remedy(task)}"
    return [Notice(f"{cut} of {rows} test texts were cut after {after}", "note", cut)]


def _labels(source: Artifact, tokens: Artifact) -> list[str]:
    labels, wanted = AGENT.read(source).labels, TOKENS.read(tokens).labels
    if labels != wanted:
        raise ArtifactError(
            f"{source.path} answers with the labels {labels}, the rows have {wanted}.",
            "Evaluate the agent on the tokens that it was trained on.",
        )
    return labels


def _floor(
    handler: TaskHandler, settings: Evaluate, examples: Artifact, rows: data.Columns
) -> Predictions | None:
    if not settings.floor:
        return None
    with stage("floor"):
        train = data.read_split(examples, "train")
        return floor.floor_predictions(handler, train, rows, settings.seed)


def _scored(answers: Predictions | None, settings: Evaluate) -> list[Metric]:
    return [] if answers is None else scoring.score(answers, settings.bootstrap, settings.seed)
