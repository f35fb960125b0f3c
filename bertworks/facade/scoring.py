"""An agent's scores on rows of one's own: the measures of the run, on what its sources' reader reads."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertworks.contracts.examples import Example
from bertworks.data.rows.reading import Reader
from bertworks.data.rows.rejected import RejectedLog
from bertworks.errors import DataError
from bertworks.evaluation import metrics
from bertworks.facade.given import Given, source_of
from bertworks.facade.settings import columns_of, needed
from bertworks.progress import quiet
from bertworks.runtime.agent import Agent
from bertworks.runtime.loading import predict
from bertworks.spec import Clean, Data, Source
from bertworks.storage import temporary

SEED = 42


def scores(
    agent: Agent, rows: Given, told: Mapping[str, Any], like: Mapping[str, Any]
) -> dict[str, float]:
    """Every measure of the task over labelled rows.

    They are read and cleaned as those of a run are; duplicates count as often as they stand there.

    Args:
        agent: The agent that answers.
        rows: As `Agent.fit` takes them.
        told: text, label, score, tokens, tags; None where not told.
        like: A source whose settings hold for these rows too, `columns` among them.

    Raises:
        DataError: No rows, more than one in a hundred refused, or a label that the agent does not know.
    """
    named, _ = columns_of({key: one for key, one in told.items() if one is not None})
    columns = {**like["columns"], **named}
    with temporary.scratch() as scratch:
        found = source_of(rows, needed(columns, agent.task.model_dump()), scratch, "evaluate")
        source = Source.model_validate({**like, **found, "columns": columns})
        with quiet():
            examples = _read(agent, source, scratch)
            known = {name: [example[name] for example in examples] for name in examples[0]}
            known["truth"] = agent.handler.truth(known, agent.labels)
            answers = predict(agent, known, agent.clean)
            return {one.name: one.value for one in metrics.score(answers, 0, SEED)}


def _read(agent: Agent, source: Source, scratch: Path) -> list[Example]:
    clean = agent.clean or Clean(unicode="none", whitespace=False)
    data = Data(sources=[source], clean=clean)
    with RejectedLog(scratch, scratch / "kept.jsonl") as log:
        reader = Reader(
            agent.task, clean, Path.cwd(), log, data.max_row_bytes, data.label_separator
        )
        examples = [found.example for found in reader.examples(data.sources)]
        _check_refused(reader, data.max_rejected)
    _check_labels(agent, examples)
    return examples


def _check_refused(reader: Reader, limit: float) -> None:
    """Tells of refused rows; of more than a few as an error: the rest is not what was given."""
    if not reader.rejected:
        return
    said = f"{reader.rejected} of {reader.read} rows were refused: {reader.log.in_short()}"
    if reader.rejected > limit * reader.read:
        raise DataError(f"{said}.", reader.log.advice() or "Mend these rows, or leave them out.")
    warnings.warn(f"{said}; the scores are those of the others.", stacklevel=6)


def _check_labels(agent: Agent, examples: list[Example]) -> None:
    target = agent.handler.target
    found = {label for example in examples for label in target.counted(example[target.column])}
    known = {*agent.labels, *target.kinds(agent.labels)}
    if unknown := sorted(found - known):
        raise DataError(
            f"The agent does not know the labels {', '.join(map(repr, unknown[:5]))}; it knows "
            f"{', '.join(map(repr, agent.labels[:20]))}.",
            "Leave rows with other labels out, or train the agent on rows that have them.",
        )
