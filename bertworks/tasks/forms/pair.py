"""Rows of two texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bertworks.data.rows.clean import clean_text
from bertworks.errors import DataError
from bertworks.tasks.forms.form import Encoded, Pieces, Row
from bertworks.tasks.forms.two_texts import TwoTexts

if TYPE_CHECKING:
    import pyarrow as pa

    from bertworks.spec import Clean, Task
    from bertworks.text.tokenizer import Tokenizer


class Pair(TwoTexts):
    """Two texts a row, told apart by their token types."""

    name = "pair"
    columns = ("text_a", "text_b")
    roles = ("text_a", "text_b")
    inputs = ("text_a", "text_b")
    takes = "two texts"
    wanted = "text_a and text_b"
    sample = ("warm", "up")
    placeholder = ("first text", "second text")

    def shown(self, columns: Mapping[str, Sequence[Any]]) -> list[str]:
        """Both, joined by " / "."""
        return [f"{first} / {second}" for first, second in self.rows(columns)]

    def accepts(self, row: Any) -> bool:
        """A list or tuple of two texts is one."""
        return (
            isinstance(row, Sequence)
            and not isinstance(row, str)
            and len(row) == 2
            and all(isinstance(part, str) for part in row)
        )

    def of_instance(self, instance: Mapping[str, Any]) -> Row:
        """Both texts of an object."""
        return [instance[name] for name in self.inputs]

    def encode(
        self, tokenizer: Tokenizer, rows: Sequence[Row], most: int, clean: Clean | None
    ) -> Encoded:
        """[CLS] first [SEP] second [SEP], or as the base puts them; the longer is cut first."""
        firsts, seconds = (
            [clean_text(row[side], clean) if clean else row[side] for row in rows]
            for side in (0, 1)
        )
        room = most - tokenizer.template.marks
        pairs = tokenizer.pieces_of_pairs(firsts, seconds, room)
        both = [tokenizer.assemble(*pair, most) for pair in pairs]
        cut = [len(first) + len(second) > room for first, second in pairs]
        return Encoded([ids for ids, _ in both], cut, [types for _, types in both])

    def pieces(self, task: Task, tokenizer: Tokenizer, batch: pa.RecordBatch) -> Pieces:
        """[CLS] first [SEP] second [SEP], and type_ids."""
        from bertworks.tasks.forms.batches import pair_pieces

        return pair_pieces(task, tokenizer, batch.column("text_a"), batch.column("text_b"))

    def of_line(self, line: str, where: str) -> dict[str, str]:
        """The texts of a line with a tab between."""
        first, tab, second = line.partition("\t")
        if not tab:
            raise DataError(
                f"{where}: this agent takes two texts with a tab between. Received: {line[:100]!r}",
                "Separate the two texts with a tab; on the command line two arguments will do.",
            )
        return {"text_a": first, "text_b": second}

    def of_record(
        self,
        record: Mapping[str, Any],
        column: Callable[[str], str | None],
        text: Callable[[str], str],
    ) -> Row:
        """The texts of both columns."""
        return text("text_a"), text("text_b")

    def features(self, vectorizer: Any, columns: Mapping[str, Sequence[Any]]) -> list[Any]:
        """Those of both texts, of what they share and where they differ."""
        from scipy import sparse

        parts = super().features(vectorizer, columns)
        shared = parts[0].multiply(parts[1])
        overlap = sparse.csr_matrix(shared.sum(axis=1))
        return [*parts, shared, abs(parts[0] - parts[1]), overlap * 10]


FORM = Pair()
