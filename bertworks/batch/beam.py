"""The same answers by Apache Beam: chunks of rows go to workers, which keep the answers as files.

    file -> chunks -> reshuffle -> answer -> parts        then, here: rows and parts in order -> output

Workers must see the bundle, the file and the folder of the output under the same paths. What stands in
`.OUT.parts-*` from a run that was cut off is not computed again. The output is then written as on one
machine, with the parts' answers in place of the agent's: where workers compute as this machine does, the
bytes are the same.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from bertworks.batch.job import Job, answer_file, checked
from bertworks.batch.journal import State, discard
from bertworks.batch.rows import CHUNK_ROWS, BadRow
from bertworks.batch.texts import Form, read_all
from bertworks.contracts.agent import AGENT
from bertworks.errors import ArtifactError, SpecError, innermost
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.replacing import replacing
from bertworks.tasks import form_of

Chunk = tuple[int, list[Any]]
"""Its number among the chunks that have rows to answer, and these rows."""


def answer_by_beam(job: Job, options: Sequence[str] = ()) -> State:
    """Answers every row of a file on Beam's workers.

    Args:
        job: What to do.
        options: Beam's, for example --runner=FlinkRunner; none: in this process.

    Returns:
        What was done.

    Raises:
        DataError: The file cannot be read, or none of its rows.
        SpecError: The options name no runner that there is.
        EnvironmentFault: The output cannot be written.
    """
    job = Job(
        job.bundle.absolute(), job.file.absolute(), job.out.absolute(), job.top, job.keep_formulas
    )
    parts = job.out.with_name(f".{job.out.name}.parts-{job.identity[:12]}")
    parts.mkdir(exist_ok=True)
    try:
        with _pipeline(options) as pipeline:
            _ = (
                pipeline
                | "File" >> beam.Create([str(job.file)])
                | "Chunks" >> beam.ParDo(Chunks(str(job.bundle)))
                | "Spread" >> beam.Reshuffle()
                | "Answer" >> beam.ParDo(Answer(str(job.bundle), str(parts)))
            )
    except Exception as error:
        # Beam wraps what a worker raises, and drops the advice of our own errors.
        raise innermost(error) from error
    discard(job.out)
    state = answer_file(_Answered(job.bundle, parts), job)
    shutil.rmtree(parts)
    return state


class Chunks(beam.DoFn):
    """The chunks of a file, as a run on one machine makes them."""

    def __init__(self, bundle: str) -> None:
        self._bundle = bundle

    def process(self, file: str) -> Iterator[Chunk]:
        """Yields the chunks that have rows to answer."""
        known = _known(Path(self._bundle))
        items, number = read_all([], Path(file), Form.of(known)), 0
        form = form_of(known.task)
        while chunk := list(islice(items, CHUNK_ROWS)):
            found = [checked(form, place, item) for place, item in enumerate(chunk)]
            if rows := [item.row for item in found if not isinstance(item, BadRow)]:
                yield number, rows
                number += 1


class Answer(beam.DoFn):
    """Answers chunks with an agent that each worker loads once."""

    def __init__(self, bundle: str, parts: str) -> None:
        self._bundle, self._parts = bundle, parts

    def setup(self) -> None:
        """Loads the agent."""
        from bertworks.runtime.agent import Agent

        self._agent = Agent.load(self._bundle)

    def process(self, chunk: Chunk) -> None:
        """Writes a chunk's answers, unless an earlier try has."""
        number, rows = chunk
        part = _part(Path(self._parts), number)
        if not part.exists():
            with replacing(part) as path:
                path.write_text(json.dumps(self._agent.predict(rows)), encoding="utf-8")


class _Answered:
    """Stands for the agent where its answers are there: gives them chunk after chunk."""

    def __init__(self, bundle: Path, parts: Path) -> None:
        known = _known(bundle)
        self.task, self.info = known.task, known.info
        self._bundle, self._parts, self._number = bundle, parts, 0

    def predict(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """The answers of the next chunk; without any, to what no worker was asked: an example."""
        part = _part(self._parts, self._number)
        if not (self._number or part.exists()):
            from bertworks.runtime.agent import Agent

            return Agent.load(self._bundle).predict(rows)
        self._number += 1
        answers: list[dict[str, Any]] = json.loads(part.read_text(encoding="utf-8"))
        if len(answers) != len(rows):
            raise ArtifactError(
                f"{part} has {len(answers)} answers to {len(rows)} rows: the file was changed "
                "meanwhile.",
                "Run it again.",
            )
        return answers


def _part(folder: Path, number: int) -> Path:
    return folder / f"{number:08}.json"


def _known(bundle: Path) -> Any:
    """What is known of an agent that is not loaded."""
    info = AGENT.read(open_artifact(bundle, "bundle", verify=False))
    return SimpleNamespace(task=info.task, info=info)


def _pipeline(options: Sequence[str]) -> beam.Pipeline:
    """A pipeline on the runner that was asked for; on this machine, inside this process."""
    named = [one for one in options if one.startswith("--runner=")]
    try:
        if not named or named == ["--runner=DirectRunner"]:
            # Named outright: Beam's DirectRunner may hand over to Prism, a program it has to download.
            given = PipelineOptions(["--direct_running_mode=in_memory", *options])
            return beam.Pipeline(runner=FnApiRunner(), options=given)
        return beam.Pipeline(options=PipelineOptions(list(options)))
    except ValueError as error:
        raise SpecError(
            f"Beam's options cannot be used: {error}.",
            "Name a Beam runner, such as FlinkRunner, and give it its options.",
        ) from error
