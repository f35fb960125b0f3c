"""The frame of a row: its intent on the first token, a tag on each word's first piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bertworks.tasks.tagging.entities import OUTSIDE, told_spans
from bertworks.tasks.tagging.target import TagsTarget
from bertworks.tasks.target import Variety
from bertworks.tasks.understanding.frames import is_intent, marked, slots_of, unmarked

if TYPE_CHECKING:
    from bertworks.spec import Columns
    from bertworks.tasks.forms.form import Pieces


class FrameTarget(TagsTarget):
    """The intent, and a tag a word: one list. "O" is the first label, the intents are the last ones."""

    column = learned = "frame"
    title = "Intents and slots"

    def source_columns(self, columns: Columns) -> list[str]:
        """The columns of tags and of intents."""
        return [columns.tags, columns.label]

    def to_source(self, value: Any) -> dict[str, Any]:
        """`label`, the intent, and `tags`."""
        return {"label": unmarked(value[0]), "tags": list(slots_of(value))}

    def of_source(self, row: Mapping[str, Any]) -> list[str]:
        """The intent, marked, and the tags."""
        return [marked(row["label"]), *row["tags"]]

    def choices(self, labels: Sequence[str]) -> list[str]:
        """Intents."""
        return [unmarked(label) for label in labels if is_intent(label)]

    def kinds(self, labels: Sequence[str]) -> list[str]:
        """Slots."""
        return super().kinds([label for label in labels if not is_intent(label)])

    def counted(self, value: Any) -> set[str]:
        """The intent, and the names of the slots that are filled."""
        return {_kind(label) for label in value if label != OUTSIDE}

    def shown_labels(self, value: Any) -> list[str]:
        """The intent, and the slots' names, one a filled slot."""
        return [_kind(label) for label in value if is_intent(label) or label.startswith("B-")]

    def told(self, value: Any, words: Sequence[str]) -> str:
        """The intent, and the slots that its tags mark."""
        return "; ".join([unmarked(value[0]), *told_spans(slots_of(value), words)])

    def balance(self, labels: Any, rows: int) -> tuple[int, str]:
        """A share is that of the rows of all intents and slots."""
        return sum(labels.values()), "rows of intents and slots"

    def variety(self, values: Mapping[str, int], rows: int) -> Variety:
        """Intents and slots; two of them are something to tell apart."""
        return len(values), 2, "intents and slots"

    def _places(self, starts: np.ndarray, pieces: Pieces) -> tuple[np.ndarray, np.ndarray]:
        """A piece's place in the frame is its word's and one; the first piece's is the intent's."""
        place, none = super()._places(starts, pieces)
        first = pieces.columns["input_ids"].offsets.to_numpy()[:-1]
        place = place + 1
        place[first], none[first] = starts, False
        return place, none


def _kind(label: str) -> str:
    return label if is_intent(label) else label[2:]
