"""The Beam pipeline: shards are encoded, the train split is analyzed, shards are finished.

    shards -> encode -+-> train's lengths and labels -> AnalyzeDataset -> facts, transform/
                      +-> (encoded)  ------------------------------------- + -> finish

Only descriptions of shards and the analyzers' batches travel through Beam, so that any runner whose
workers see the output folder can run it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import AsSingleton, TaggedOutput
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from bertworks.errors import SpecError, innermost
from bertworks.spec import Task, Transform
from components.transform import analyze
from components.transform.facts import FACTS, Facts
from components.transform.shards import Job, Shard, analysis, encode_shard, finish_shard

ANALYSIS = "analysis"


def execute(settings: Transform, task: Task, job: Job, shards: list[Shard]) -> Facts:
    """Encodes, analyzes and writes all shards.

    Returns:
        What the analyzers found. The shards' reports are in `job.work`.
    """
    try:
        _run(settings, task, job, shards)
    except Exception as error:
        # Beam wraps what a worker raises, and drops the advice of our own errors.
        raise innermost(error) from error
    analyze.forget_paths(Path(job.output) / "transform" / "transform_fn")
    return FACTS.read(Path(job.work))


def _run(settings: Transform, task: Task, job: Job, shards: list[Shard]) -> None:
    temporary = str(Path(job.work) / "tft")
    with tft_beam.Context(temp_dir=temporary), _pipeline(settings) as pipeline:
        encoded = (
            pipeline
            | "Shards" >> beam.Create(shards)
            | "Encode" >> beam.ParDo(Encode(job)).with_outputs(ANALYSIS, main="encoded")
        )
        rows = encoded[ANALYSIS] | "Batches" >> beam.Map(_same).with_output_types(pa.RecordBatch)
        graph = (rows, analyze.adapter_config(task)) | tft_beam.AnalyzeDataset(
            analyze.preprocessing(task)
        )
        _ = graph | tft_beam.WriteTransformFn(str(Path(job.output) / "transform"))
        facts = graph[0] | "Facts" >> beam.Map(partial(_write_facts, task=task, work=job.work))
        _ = encoded.encoded | "Finish" >> beam.Map(
            partial(_finish, job=job), facts=AsSingleton(facts)
        )


class Encode(beam.DoFn):
    """Encodes a shard; what the analyzers need goes to the ANALYSIS output."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def process(self, shard: Shard) -> Iterator[Any]:
        encode_shard(shard, self._job)
        for batch in analysis(shard, self._job):
            yield TaggedOutput(ANALYSIS, batch)
        yield shard


def _same(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch


def _finish(shard: Shard, facts: Facts, job: Job) -> None:
    finish_shard(shard, job, facts)


def _write_facts(saved_model: Any, task: Task, work: str) -> Facts:
    facts = analyze.read_facts(str(saved_model), task)
    FACTS.write(Path(work), facts)
    return facts


def _pipeline(settings: Transform) -> beam.Pipeline:
    """A pipeline on the runner that was asked for; on this machine, inside this process."""
    options = list(settings.options)
    if settings.runner == "DirectRunner":
        # Named outright: Beam's DirectRunner may hand over to Prism, a program it has to download.
        options = ["--direct_running_mode=in_memory", *options]
        return beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions(options))
    try:
        return beam.Pipeline(options=PipelineOptions([f"--runner={settings.runner}", *options]))
    except ValueError as error:
        raise SpecError(
            f"transform.runner cannot be used: {error}.",
            "Name a Beam runner, such as DirectRunner or FlinkRunner, and give it its options in "
            "transform.options.",
        ) from error
