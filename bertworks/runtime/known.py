"""A bundle's known answers: what it said where it was made, and must say wherever it is loaded.

Files that are whole may still answer wrongly: an engine of another version, instructions that the
machine lacks, a tokenizer that another library reads otherwise. The rows are random words of the
bundle's vocabulary, so that nobody's text travels with it, and go the whole way: text, tokens, graph.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bertworks.contracts.agent import AgentRecord
from bertworks.contracts.known import KNOWN, KnownAnswer, KnownAnswers
from bertworks.errors import ArtifactError
from bertworks.runtime import engines
from bertworks.runtime.agent import Agent
from bertworks.runtime.confidence import Scope
from bertworks.text.tokenizer import Tokenizer

ROWS = 8
WORDS = 24
"""Pieces of the longest row; the first has one."""
CLOSE, PART = 0.1, 0.05
"""How far a logit may be off: this much of what is usual for the task, and this part of the row's
largest. Engines in bfloat16 and the roundings of int8 on another processor stay well below; another
model does not."""
_DECIMALS = 4


def answers_of(folder: Path, info: AgentRecord, threads: int) -> KnownAnswers:
    """Asks a bundle that is being written, whose graph and tokenizer are there.

    Args:
        folder: Where it is written.
        info: Its agent.json.
        threads: CPU threads of a forward pass.
    """
    tokenizer = Tokenizer.load(folder)
    scoped = info.calibration is not None and info.calibration.vector
    scope = Scope.load(folder) if scoped else None
    agent = Agent(info, tokenizer, engines.load(folder, info.engine, threads), scope=scope)
    return ask(agent, tokenizer)


def ask(agent: Agent, tokenizer: Tokenizer) -> KnownAnswers:
    """Asks an agent for rows of random words of its vocabulary; the same ones each time."""
    stream = np.random.default_rng(0)
    special = set(tokenizer.special)
    pieces = np.array([one for one in range(tokenizer.vocab_size) if one not in special])
    texts = []
    for length in np.linspace(1, WORDS, ROWS * len(agent.form.inputs)).astype(int):
        text = tokenizer.decode(stream.choice(pieces, length).tolist())
        texts.append(" ".join(text.split()) or "a")
    columns = [texts[place :: len(agent.form.inputs)] for place in range(len(agent.form.inputs))]
    rows = agent.form.of_inputs(columns)
    encoded = agent.encode(rows)
    logits = agent.read(encoded.ids, encoded.types).logits
    asked = zip(zip(*columns, strict=True), encoded.ids, logits, strict=True)
    return KnownAnswers(
        [
            KnownAnswer(list(inputs), list(map(int, ids)), _rounded(said))
            for inputs, ids, said in asked
        ]
    )


def _rounded(logits: np.ndarray) -> list[float]:
    return np.round(logits.astype(np.float64), _DECIMALS).tolist()


def check(agent: Agent, folder: Path) -> int:
    """Asks a loaded agent what its bundle knows the answers of.

    Args:
        agent: The agent.
        folder: Its bundle.

    Returns:
        How many rows were asked; 0 where the bundle is of before there were known answers.

    Raises:
        ArtifactError: It reads a text as other tokens, or answers it otherwise.
    """
    if not (folder / KNOWN.name).is_file():
        return 0
    known = KNOWN.read(folder).rows
    columns = list(zip(*(one.inputs for one in known), strict=True))
    encoded = agent.encode(agent.form.of_inputs(columns))
    fix = "Make the bundle anew with the quantize step, on a machine like those that serve it."
    for place, (one, ids) in enumerate(zip(known, encoded.ids, strict=True)):
        if list(ids) != one.tokens:
            raise ArtifactError(
                f"{folder / KNOWN.name}: row {place + 1} is read as other tokens than where the bundle "
                f"was made: {len(ids)} that are not the {len(one.tokens)} of then.",
                fix,
            )
    answers = agent.read(encoded.ids, encoded.types).logits
    for place, (one, said) in enumerate(zip(known, answers, strict=True)):
        wanted = np.asarray(one.logits)
        off = _distance(wanted, said)
        most = CLOSE * agent.handler.usual + PART * float(np.abs(wanted).max(initial=0.0))
        if not off <= most:  # also where it is no number
            raise ArtifactError(
                f"{folder / KNOWN.name}: row {place + 1} is answered otherwise than where the bundle "
                f"was made: a logit is off by {off:.3g}, at most {most:.3g} is allowed.",
                fix,
            )
    return len(known)


def _distance(wanted: np.ndarray, said: np.ndarray) -> float:
    if wanted.shape != said.shape:
        return float("inf")
    return float(np.abs(wanted - said).max(initial=0.0))
