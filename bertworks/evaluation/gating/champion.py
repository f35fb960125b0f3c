"""The champion's answers on this run's test rows."""

from __future__ import annotations

from typing import Any

from bertworks.evaluation import data
from bertworks.evaluation.predictions import decode_by
from bertworks.runtime.loading import answer, cleaned_by, load_agent
from bertworks.spec import Task
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import form_of
from bertworks.tasks.predictions import Predictions


def champion_predictions(
    bundle: Artifact, examples: Artifact, task: Task, labels: list[str]
) -> Predictions:
    """Asks a champion of an earlier run, whose tokenizer and labels may be others, for its answers.

    A label that it does not know is one that it never gives. Where it cleans text otherwise than the
    rows were cleaned, it cleans them in its own way too, as it would when asked.

    Args:
        bundle: The champion's bundle.
        examples: The rows; their test split is answered.
        task: The spec's task.
        labels: The labels of this run.

    Raises:
        ArtifactError: The bundle cannot be loaded.
    """
    agent = load_agent(bundle)
    every = [*labels, *(one for one in agent.labels if one not in labels)]
    rows = data.labelled_rows(task, examples, every)
    encoded = agent.encode(form_of(agent.task).rows(rows), cleaned=cleaned_by(agent, examples))
    logits = answer(agent, encoded)
    handler = agent.handler.knowing(every)
    logits = [handler.widened(one, agent.labels) for one in logits]
    asked: dict[str, list[Any]] = {
        "id": rows["id"],
        "truth": rows["truth"],
        "starts": encoded.starts or [],
        "kept": encoded.kept or [],
    }
    return decode_by(handler, asked, logits)
