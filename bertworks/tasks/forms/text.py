"""Rows of one text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bertworks.data.rows.clean import clean_text
from bertworks.tasks.forms.form import Encoded, Pieces, Row, RowForm

if TYPE_CHECKING:
    import pyarrow as pa

    from bertworks.spec import Clean, Task
    from bertworks.text.tokenizer import Tokenizer


class OneText(RowForm):
    """A text a row."""

    name = "text"
    columns = ("text",)
    roles = ("text",)
    inputs = ("text",)
    takes = "a text"
    wanted = "text"
    sample = "warm up"
    placeholder = ("your text",)

    def shown(self, columns: Mapping[str, Sequence[Any]]) -> list[str]:
        """The text as it is."""
        return list(columns.get("text", []))

    def accepts(self, row: Any) -> bool:
        """A text is one."""
        return isinstance(row, str)

    def encode(
        self, tokenizer: Tokenizer, rows: Sequence[Row], most: int, clean: Clean | None
    ) -> Encoded:
        """[CLS] text [SEP]."""
        room = most - 2
        given = [clean_text(str(row), clean) if clean else str(row) for row in rows]
        pieces = tokenizer.pieces_batch(given, room + 1)
        both = [tokenizer.assemble(ids, None, most) for ids in pieces]
        return Encoded([ids for ids, _ in both], [len(ids) > room for ids in pieces])

    def pieces(self, task: Task, tokenizer: Tokenizer, batch: pa.RecordBatch) -> Pieces:
        """[CLS] text [SEP]."""
        from bertworks.tasks.forms.batches import text_pieces

        return text_pieces(task, tokenizer, batch.column("text"))


FORM = OneText()
