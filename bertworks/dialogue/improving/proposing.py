"""From texts that were not understood to proposals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bertworks.dialogue.improving.clustering import MOST, clusters
from bertworks.dialogue.improving.failing import Failing
from bertworks.dialogue.improving.proposals import Proposal
from bertworks.tasks.forms.form import Row
from bertworks.tasks.understanding.frames import frame_of

_QUESTION = re.compile(
    r"[?？]\s*$|^\W*(?:what|where|when|which|who|why|how|do|does|is|are|can|could|will|would|may)\b"
    r"|[吗呢]\W*$|什么|怎么|哪里|多少|几点",
    re.IGNORECASE,
)
_EXAMPLES = 20


class Encoding(Protocol):
    """What gives vectors: `bertworks.runtime.agent.Agent`."""

    def vectors(self, rows: Sequence[Row]) -> NDArray[np.float64]: ...


class Framing(Protocol):
    """What understands: an agent of task `understanding`."""

    def predict(self, rows: Sequence[Row]) -> Sequence[Mapping[str, Any]]: ...


def proposals(
    found: Sequence[Failing],
    encoder: Encoding,
    framing: Framing | None,
    *,
    least: int = 3,
    most: int = 50,
    context: bool = False,
) -> list[Proposal]:
    """What to learn.

    Texts that were not understood become groups: questions a new answer of the FAQ, others a new
    intent. What stands alone, and what was understood doubtfully or in vain, is to be labelled.

    Args:
        found: The most frequent first.
        encoder: Gives the vectors.
        framing: Says what was understood, for a person to correct; None: they label from nothing.
        least: Texts of a group.
        most: Sentences to label.
        context: Whether `framing` reads what was said before, too.
    """
    unclear = [one for one in found if one.why == "not understood"][:MOST]
    groups = clusters(encoder.vectors([one.text for one in unclear]), least) if unclear else []
    grouped = {place for group in groups for place in group}
    made = [_group([unclear[place] for place in group]) for group in groups]
    made.sort(key=lambda one: -one.dialogues)
    alone = [one for place, one in enumerate(unclear) if place not in grouped]
    rest = [one for one in found if one.why != "not understood"]
    wanted = [*rest, *alone][:most]
    return [*made, *(_label(one, framing, context) for one in wanted)]


def _group(texts: Sequence[Failing]) -> Proposal:
    asks = sum(bool(_QUESTION.search(one.text)) for one in texts) * 2 > len(texts)
    return Proposal(
        kind="faq" if asks else "intent",
        examples=[one.text for one in texts[:_EXAMPLES]],
        dialogues=sum(one.dialogues for one in texts),
        why="not understood",
    )


def _label(one: Failing, framing: Framing | None, context: bool) -> Proposal:
    intent, slots = "", {}
    if framing is not None:
        (answer,) = framing.predict([(one.text, one.context) if context else one.text])
        frame = frame_of(answer)
        intent, slots = frame.intent, {slot.name: slot.value for slot in frame.slots}
    return Proposal(
        kind="label", intent=intent, slots=slots, examples=[one.text], dialogues=one.dialogues,
        why=one.why,
    )  # fmt: skip
