"""Answers of a model or bundle on labelled rows, through the runtime that serves it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bertworks.contracts.examples import EXAMPLES
from bertworks.errors import ArtifactError
from bertworks.evaluation.data import Columns
from bertworks.evaluation.predictions import decode_by
from bertworks.progress import stage
from bertworks.runtime.agent import Agent
from bertworks.runtime.confidence import Read
from bertworks.spec import Clean
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import form_of
from bertworks.tasks.forms.form import Encoded
from bertworks.tasks.predictions import Predictions


def load_agent(source: Artifact, threads: int | None = None) -> Agent:
    """Loads a bundle, or an uncompressed model as a float32 graph.

    Raises:
        ArtifactError: The artifact is neither.
    """
    if source.kind == "bundle":
        return Agent.load(source.path, threads=threads)
    if source.kind == "model":
        return Agent.from_model(source.path, threads=threads)
    raise ArtifactError(
        f"{source.path} is of kind {source.kind!r}: only a model or a bundle can be evaluated.",
        "Give the output of the finetune, prune or quantize step.",
    )


def with_documents(agent: Agent, tokens: Artifact) -> Agent:
    """The agent, with the documents of a tokens artifact where it answers with such and has none."""
    agent.handler = agent.handler.equipped(
        tokens.path, lambda ids: read(agent, Encoded(list(ids), [False] * len(ids))).logits
    )
    return agent


def cleaned_by(agent: Agent, examples: Artifact) -> Clean | None:
    """What the rows of an examples artifact were cleaned by.

    An artifact of before this was recorded counts as cleaned in the agent's own way.
    """
    return EXAMPLES.read(examples).clean or agent.clean


def predict(agent: Agent, rows: Columns, cleaned: Clean | None = None) -> Predictions:
    """Answers every row, from the text on: what is scored is what will serve.

    Args:
        agent: The loaded agent.
        rows: Rows as from `data.test_rows`; their tokens may be left out.
        cleaned: What the rows were cleaned by; the agent does not do it again.

    Raises:
        ArtifactError: The agent cuts text into other tokens than those that it was trained on.
        DataError: The answers do not fit the task.
    """
    found = ask(agent, rows, cleaned)
    return decode_by(agent.handler, found.rows, found.logits)


@dataclass(frozen=True)
class Asked:
    """Labelled rows, and what an agent's graph says of them.

    Attributes:
        rows: id and truth; where words are answered also starts and kept, see `decode`.
        read: What the graph said of them.
    """

    rows: Columns
    read: Read

    @property
    def logits(self) -> list[np.ndarray]:
        """A row's, over the bundle's temperature."""
        return self.read.logits


def ask(agent: Agent, rows: Columns, cleaned: Clean | None = None) -> Asked:
    """The logits of every row, from the text on; arguments and errors are those of `predict`."""
    encoded = agent.encode(form_of(agent.task).rows(rows), cleaned=cleaned)
    if "input_ids" in rows:
        _check_tokens(encoded, rows)
    asked: Columns = {
        "id": rows["id"],
        "truth": rows["truth"],
        "starts": encoded.starts or [],
        "kept": encoded.kept or [],
    }
    return Asked(asked, read(agent, encoded))


def answer(agent: Agent, encoded: Encoded) -> list[np.ndarray]:
    """The logits of every row, from the call that serves."""
    return read(agent, encoded).logits


def read(agent: Agent, encoded: Encoded) -> Read:
    """All that the graph says of every row, likewise."""
    with stage("predicting", total=len(encoded.ids), unit="rows") as current:
        return agent.read(encoded.ids, encoded.types, current.advance)


def _check_tokens(encoded: Encoded, rows: Columns) -> None:
    for name, ours, theirs in zip(rows["id"], encoded.ids, rows["input_ids"], strict=True):
        if list(ours) != list(theirs):
            raise ArtifactError(
                f"Row {name}: the agent's tokenizer gives {len(ours)} tokens that differ from the "
                f"{len(theirs)} in the tokens artifact.",
                "Evaluate the agent on the tokens that it was trained on.",
            )
