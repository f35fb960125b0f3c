"""Rows of words that are also answered as a whole: the first token is asked like one more word."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from bertworks.tasks.forms.form import Encoded, Pieces, Row
from bertworks.tasks.forms.words import Words

if TYPE_CHECKING:
    import pyarrow as pa

    from bertworks.spec import Clean, Task
    from bertworks.text.tokenizer import Tokenizer


class Turn(Words):
    """A list of words a row. The first token is answered as place 0; words follow from 1."""

    name = "turn"
    placeholder: ClassVar[tuple[str, ...]] = ("what a customer may say",)

    def encode(
        self, tokenizer: Tokenizer, rows: Sequence[Row], most: int, clean: Clean | None
    ) -> Encoded:
        """[CLS] pieces [SEP], and where the whole and each word are answered."""
        found = super().encode(tokenizer, rows, most, clean)
        starts = [[0, *row] for row in found.starts or []]
        kept = [[0, *(word + 1 for word in row)] for row in found.kept or []]
        return dataclasses.replace(found, starts=starts, kept=kept)

    def pieces(self, task: Task, tokenizer: Tokenizer, batch: pa.RecordBatch) -> Pieces:
        """[CLS] pieces [SEP], and read_words, the places that have a piece: 0, and each such word's."""
        from bertworks.tasks.forms.batches import with_whole

        return with_whole(super().pieces(task, tokenizer, batch))


FORM = Turn()
