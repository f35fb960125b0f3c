"""Quantize: builds candidate graphs, measures each, and bundles the fastest that meets the limits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bertworks.compression import choosing, quantization
from bertworks.compression.builders import Source
from bertworks.compression.candidates import TIMINGS, Limits
from bertworks.compression.quantization import Compressed, Scoring, TokenizedRows
from bertworks.contracts.agent import AGENT
from bertworks.contracts.bundle import TIMINGS as TIMED
from bertworks.contracts.bundle import Timings
from bertworks.contracts.confidence import Calibration
from bertworks.contracts.files import to_json
from bertworks.contracts.known import KNOWN
from bertworks.contracts.reference import REFERENCE, Reference
from bertworks.contracts.shown import SHOWN, ShownExample
from bertworks.contracts.tokens import TOKENS, SpecialIds
from bertworks.cpus import available_threads
from bertworks.deadline import deadline
from bertworks.evaluation import reference
from bertworks.evaluation.confidence import fitting
from bertworks.evaluation.tokenized import answers_on_tokens
from bertworks.notices import Notice
from bertworks.pages.candidates import page
from bertworks.progress import stage
from bertworks.runtime import known
from bertworks.runtime.agent import digest_of_reading
from bertworks.runtime.confidence import Scope, parted
from bertworks.runtime.inference import Runner
from bertworks.spec import Confidence, Quantize, Task
from bertworks.storage import temporary
from bertworks.storage.artifacts import Artifact, open_artifact, write
from bertworks.tasks import for_task
from bertworks.tasks.handler import TaskHandler
from bertworks.training.rows import LabelledRows, sample_rows
from components.contract import StepResult, StepSection
from components.quantize.shown import shown_examples

PAGE = "candidates.html"
SCOPE_ROWS = 5000  # training rows, at most, whose vectors say what is in scope
OWN_MB = (
    0.09  # agent.json's own part, candidates.html, timings.json, reference.json, known_answers.json
)


class Section(StepSection):
    """Parts of the spec, and the metric that the run goes by.

    Attributes:
        confidence: What is asked of the answers, the spec's with its defaults filled in.
        gates: Those of the spec's gates that a choice can meet.
        serve: Goes into the bundle's agent.json.
        columns: Likewise: what the sources call the columns that `predict` reads.
    """

    task: Task
    quantize: Quantize
    metric: str | None = None
    gates: Mapping[str, float | None] = Field(default_factory=dict)
    confidence: Confidence = Field(default_factory=Confidence)
    serve: Mapping[str, object] = Field(default_factory=dict)
    columns: Mapping[str, list[str]] = Field(default_factory=dict)


def run(
    section: Section, *, model: Path, tokens: Path, bundle: Path, examples: Path | None = None
) -> StepResult:
    """Writes the bundle.

    Args:
        section: The spec's `task` and `quantize`; `metric`, which the run goes by; and `gates`: what
            the gate will ask of the bundle. `serve` and the `columns` of the sources are noted.
        model: A model artifact with a head.
        tokens: The tokens artifact: train rows calibrate, validation rows measure.
        bundle: Where the bundle artifact is written.
        examples: The examples artifact, for the rows that the page shows; None: it shows none.
    """
    settings, task = (
        section.quantize,
        section.task,
    )
    source_model, rows = open_artifact(model, "model"), open_artifact(tokens, "tokens")
    agent, info = AGENT.read(source_model), TOKENS.read(rows)
    handler = for_task(task, agent.labels, agent.score, section.metric)
    source = Source.read(source_model, info.special.pad)
    source = replace(source, vector=section.confidence.out_of_scope is not None)
    shown = shown_examples(task, section.serve, examples, settings.seed)
    beside = _beside_mb(source_model, source, shown)
    beside += handler.beside_mb(rows.path, source.config.hidden_size)
    limits = Limits.of(settings, section.gates, beside)

    length, target = agent.max_length, handler.target_column
    cut = agent.task.long_text == "cut"
    calibration = sample_rows(rows, "train", settings.calibration_rows, settings.seed, target)
    measured = sample_rows(rows, "validation", settings.measure_rows, settings.seed, target)
    validation = measured.shortened(length, cut=cut)
    scoring = Scoring(
        handler.default_metric,
        lambda logits: answers_on_tokens(
            handler,
            validation.truth,
            [row[..., : handler.outputs] for row in validation.combine(logits)],
        ),
    )
    metadata: dict[str, object] = {}
    parents = {"model": source_model, "tokens": rows}
    with (
        write(
            bundle, kind="bundle", producer="quantize", parents=parents, metadata=metadata,
            measured=(TIMINGS, PAGE, KNOWN.name),
        ) as out,
        temporary.scratch() as work,
    ):  # fmt: skip
        made = quantization.compress(
            source, settings, limits, TokenizedRows.of(calibration.shortened(length, cut=cut)),
            TokenizedRows.of(validation),
            scoring, work, deadline(),
        )  # fmt: skip
        chosen = made.chosen
        sure = _calibrated(made, source, rows, validation, handler, section)
        quantization.take(chosen, out)
        sure.write(out)
        expected = sample_rows(rows, "train", reference.ROWS, settings.seed, target, company=False)
        REFERENCE.write(out, _reference(made, expected, validation, handler, info.special))
        shutil.copy(source_model / "tokenizer.json", out / "tokenizer.json")
        bundled = replace(
            agent,
            engine=chosen.engine,
            candidates=[one.tried() for one in made.candidates],
            parents={name: parent.digest for name, parent in parents.items()},
            serve=section.serve,
            columns=dict(section.columns),
            calibration=sure.known,
            format=AGENT.version,
        )
        AGENT.write(out, bundled)
        if shown:
            SHOWN.write(out, shown)
        threads = settings.threads or available_threads()
        runner, given = chosen.runner, chosen.logits
        assert runner is not None and given is not None  # it was chosen by them
        special = handler.complete(
            out, rows.path, partial(_encoded, runner), validation.truth,
            validation.combine(given), digest_of_reading(out, bundled),
        )  # fmt: skip
        KNOWN.write(out, known.answers_of(out, bundled, threads))
        TIMED.write(out, _timings(made, threads))
        (out / PAGE).write_text(page(made, handler.default_metric, threads), encoding="utf-8")
        facts = _facts(made)
        size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
        metadata.update(engine=chosen.name, metrics=facts)
    numbers = {"size_mb": size / 1e6, **_speeds(made), **facts}
    told = [
        *choosing.notices(made.candidates), *fitting.notices(sure.known), *map(Notice, special),
    ]  # fmt: skip
    return StepResult(numbers, html=PAGE, notices=told)


def _encoded(runner: Runner, ids: Sequence[Any]) -> Sequence[NDArray[np.float32]]:
    """What the chosen graph says of rows that are kept in the bundle."""
    with stage("encoding what is kept", total=len(ids), unit="rows") as current:
        return runner.logits(list(ids), None, current.advance)


@dataclass(frozen=True)
class _Sure:
    """What the bundle keeps of how sure its answers are, and of how far texts are from its own."""

    known: Calibration | None
    matrix: NDArray[np.float32] | None = None

    def write(self, folder: Path) -> None:
        """Writes the bundle's scope.npy, where there is one."""
        if self.matrix is not None:
            np.save(folder / Scope.FILE, self.matrix)


def _calibrated(
    made: Compressed,
    source: Source,
    tokens: Artifact,
    rows: LabelledRows,
    handler: TaskHandler,
    section: Section,
) -> _Sure:
    """By the chosen graph's own answers: of training rows the vectors, of validation rows the rest."""
    asked, runner, given = section.confidence, made.chosen.runner, made.chosen.logits
    assert given is not None and runner is not None  # it was chosen by them
    answers = rows.combine(given)
    if not source.vector:
        return _Sure(fitting.calibrated(handler, rows.truth, answers, asked))
    width = source.config.hidden_size
    sample = sample_rows(tokens, "train", SCOPE_ROWS, section.quantize.seed, handler.target_column)
    train = sample.shortened(source.max_length, cut=handler.task.long_text == "cut")
    inputs = TokenizedRows.of(train)
    with stage("measuring the scope", total=len(inputs.ids), unit="rows") as current:
        learned = train.combine(runner.logits(inputs.ids, inputs.types, current.advance))
    _, vectors = parted(learned, handler.outputs or 0, width)
    matrix = fitting.scope_matrix(vectors, handler.scope_labels(train.truth))
    logits, vectors = parted(answers, handler.outputs or 0, width)
    scope = Scope(matrix).scores(vectors)
    known = fitting.calibrated(handler, rows.truth, logits, asked, scope)
    return _Sure(known and replace(known, vector=width), matrix)


def _reference(
    made: Compressed,
    train: LabelledRows,
    validation: LabelledRows,
    handler: TaskHandler,
    special: SpecialIds,
) -> Reference:
    """What a server compares its texts and answers with: training texts, and this graph's answers."""
    given = made.chosen.logits
    assert given is not None  # it was chosen by them
    answered = [row[..., : handler.outputs] for row in validation.combine(given)]
    answers = handler.answers_on_tokens(validation.truth, answered)
    marks = (special.cls, special.sep, special.pad)
    labelled = handler.target.has_labels
    return reference.reference(list(train.input_ids), answers, marks, special.unk, labelled)


def _beside_mb(model: Artifact, source: Source, shown: list[ShownExample]) -> float:
    """What a bundle of this model holds beside the graph, 10^6 bytes."""
    sizes = (model / name for name in ("tokenizer.json", "agent.json"))
    width = source.config.hidden_size
    scope = 4 * width * (width + source.head.outputs) / 1e6 if source.vector else 0.0
    rows = len(json.dumps(to_json(shown), ensure_ascii=False).encode()) / 1e6
    return sum(file.stat().st_size for file in sizes) / 1e6 + OWN_MB + scope + rows


def _timings(made: Compressed, threads: int) -> Timings:
    """timings.json: what the clock said, which another run on the same data does not repeat."""
    times = {one.name: one.times() for one in made.candidates}
    return Timings(times, made.load, threads, _speeds(made))


def _facts(made: Compressed) -> dict[str, float]:
    """The chosen graph's metric, and what it lost against the float32 graph's."""
    chosen = made.chosen
    return {
        "metric": chosen.metric or 0.0,
        "metric_drop": 0.0 if chosen.drop is None else chosen.drop.value,
    }


def _speeds(made: Compressed) -> dict[str, float]:
    """How fast the chosen graph is, in milliseconds, and against the float32 graph's paired rounds."""
    chosen, latency = made.chosen, made.chosen.latency
    return {
        "latency_ms": 0.0 if latency is None else latency.p50_ms,
        "p95_ms": 0.0 if latency is None else latency.p95_ms,
        "rows_per_second": chosen.rows_per_second or 0.0,
        "speedup": float(np.median(choosing.ratios(made.candidates[0], chosen, "throughput"))),
    }
