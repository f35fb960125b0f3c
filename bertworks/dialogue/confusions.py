"""What a trained understanding takes labelled turns for: how simulated users are to be misunderstood."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bertworks.dialogue.acts import Act, Heard
from bertworks.dialogue.hearing import Answering, Learned
from bertworks.errors import DataError
from bertworks.tasks.forms.form import Row
from bertworks.tasks.tagging.entities import spans
from bertworks.tasks.understanding.frames import Frame, Slot, frame_of, slots_of, unmarked

AT_ONCE = 64
COLUMNS = ("tokens", "frame", "context")
"""Of examples that are read; those of an agent that reads no context have none."""


def frame_as_labelled(tokens: Sequence[str], frame: Sequence[str]) -> Frame:
    """The frame that a labelled row says.

    Args:
        tokens: Its words.
        frame: Its intent, marked, and an IOB2 tag a word, see `tasks.understanding.frames`.
    """
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token) + 1)
    slots = tuple(
        Slot(name, " ".join(tokens[begin:end]), (begin, end), starts[begin], starts[end] - 1, 1.0)
        for name, begin, end in spans(slots_of(frame))
    )
    return Frame(unmarked(frame[0]), 1.0, slots)


def heard_turns(
    agent: Answering, hearing: Learned, rows: Mapping[str, Sequence[Any]]
) -> Iterator[tuple[Sequence[Act], Sequence[Heard]]]:
    """What was said in each labelled turn, and what was understood.

    Args:
        agent: It understands.
        hearing: Makes acts of frames, of labelled ones as of understood ones.
        rows: Columns `tokens` and `frame`, as examples of the task have them, and `context` where the
            agent reads it.

    Raises:
        DataError: There are no such columns, or no rows.
    """
    if lacking := [name for name in ("tokens", "frame") if not rows.get(name)]:
        raise DataError(
            f"These rows have no {', '.join(lacking)}: no understanding was tested on them.",
            "Name the examples of a run of task understanding.",
        )
    columns = zip(rows["tokens"], rows["frame"], strict=True)
    labelled = [frame_as_labelled(*one) for one in columns]
    texts = [" ".join(tokens) for tokens in rows["tokens"]]
    asked: Sequence[Row] = texts
    if "context" in rows:
        asked = list(zip(texts, rows["context"], strict=True))
    for begin in range(0, len(asked), AT_ONCE):
        answers = agent.predict(asked[begin : begin + AT_ONCE])
        for frame, answer in zip(labelled[begin : begin + AT_ONCE], answers, strict=True):
            said = tuple(one.act for one in hearing.heard(frame))
            yield said, hearing.heard(frame_of(answer))
