"""What a bundle must do before clients are answered by it.

The first passes load and allocate, for one row and for many: not while a client waits. And as an
answer must not depend on who else is asking, a row's answer alone, on all threads, must be its answer in
a batch beside others.
"""

from __future__ import annotations

import numpy as np

from bertworks.errors import ArtifactError
from bertworks.runtime.agent import Agent

LEAST = 1e-3
"""How far two answers' logits may lie apart: what another order of the same sums makes."""


def check(agent: Agent, where: str = "The bundle") -> None:
    """Asks a loaded agent for rows alone and in company.

    Args:
        agent: The agent.
        where: What to call it in messages.

    Raises:
        ArtifactError: Its answers are no numbers, or depend on the company.
    """
    sample = agent.form.sample
    encoded = agent.encode([sample])
    (alone,) = agent.read(encoded.ids, encoded.types).logits
    if not np.isfinite(alone).all():
        raise ArtifactError(
            f"{where} gives no numbers for {sample!r}.",
            "Make it anew with the quantize step.",
        )
    # Longer rows beside it, so that it is padded; and as many as one batch takes.
    longest = [encoded.ids[0][0], *[encoded.ids[0][1]] * (agent.max_length - 2), encoded.ids[0][-1]]
    ids = [*encoded.ids * 3, longest]
    types = None if encoded.types is None else [*encoded.types * 3, [0] * len(longest)]
    for logits in agent.read(ids, types, beside=True).logits[:3]:
        if logits.shape != alone.shape or np.abs(logits - alone).max() > LEAST * max(
            1.0, float(np.abs(alone).max())
        ):
            raise ArtifactError(
                f"{where} answers {sample!r} otherwise in a batch than alone.",
                "Make it anew with the quantize step: its int8 steps must be static.",
            )
    agent.predict([sample] * (2 * 16))
