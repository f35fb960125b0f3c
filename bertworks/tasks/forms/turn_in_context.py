"""Turns with what was said before them, which helps to understand "any" or "yes, the second"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bertworks.data.rows.clean import clean_text
from bertworks.errors import DataError
from bertworks.tasks.forms.form import Encoded, Pieces, Row
from bertworks.tasks.forms.turn import Turn
from bertworks.tasks.forms.two_texts import TwoTexts
from bertworks.text import words
from bertworks.text.alignment import first_pieces

if TYPE_CHECKING:
    import pyarrow as pa

    from bertworks.spec import Clean, Task
    from bertworks.text.tokenizer import Tokenizer


class TurnInContext(TwoTexts, Turn):
    """A turn, and the text before it; alone it is a turn before which nothing was said.

    Rows that are asked are a text, or a tuple or list of two: the turn, and what was said before it. In
    examples the turn is a list of words. The turn is read first; of what was said before, the beginning
    that still fits.
    """

    name = "turn_in_context"
    columns = ("tokens", "context")
    roles = ("text", "tokens", "context")
    inputs = ("text", "context")
    takes = "a text, or a turn and the text that was said before it"
    wanted = "text and context"
    sample = ("warm up", "Are you ready?")
    placeholder = ("what a customer may say", "what was said before")
    may_be_empty = ("context",)

    def parts(self, row: Mapping[str, Any]) -> list[str]:
        """The words, and what was said before."""
        return [*row["tokens"], row["context"]]

    def parts_of_text(self, text: str) -> list[str]:
        """Its words, before which nothing was said."""
        return [*super().parts_of_text(text), ""]

    def corpus_texts(self, row: Mapping[str, Any]) -> list[str]:
        """Both, where there are two."""
        return [text for text in (" ".join(row["tokens"]), row["context"]) if text]

    def fields(self) -> list[tuple[str, pa.DataType]]:
        """A list of words, and a text."""
        import pyarrow as pa

        return [*super().fields(), ("context", pa.string())]

    def shown(self, columns: Mapping[str, Sequence[Any]]) -> list[str]:
        """The turn, and behind it in brackets what was said before."""
        pairs = zip(columns.get("tokens", []), columns.get("context", []), strict=True)
        return [" ".join(turn) + (f" [{before}]" if before else "") for turn, before in pairs]

    def accepts(self, row: Any) -> bool:
        """A text, or a turn (a text or a list of words) and a text."""
        if isinstance(row, str):
            return True
        both = isinstance(row, Sequence) and len(row) == 2 and isinstance(row[1], str)
        return both and super().accepts(row[0])

    def keys_of(self, instance: Mapping[str, Any]) -> list[str]:
        """`tokens` or `text`, and `context` where it is given."""
        return [*super().keys_of(instance), *(["context"] if "context" in instance else [])]

    def of_value(self, value: Any) -> Any:
        """A list of two as a tuple: a list alone would be words."""
        return tuple(value) if isinstance(value, list) else value

    def of_instance(self, instance: Mapping[str, Any]) -> Row:
        """The turn and what was said before it."""
        return _both(super().of_instance(instance), instance.get("context", ""))

    def turn(self, row: Row) -> Row:
        """The turn."""
        return row if isinstance(row, str) else row[0]

    def named(self, row: Row) -> dict[str, Any]:
        """`text` or `tokens`, and `context`."""
        return {**super().named(self.turn(row)), "context": self._before(row)}

    def encode(
        self, tokenizer: Tokenizer, rows: Sequence[Row], most: int, clean: Clean | None
    ) -> Encoded:
        """[CLS] turn [SEP] context [SEP], and where the whole and each word are answered."""
        room = most - tokenizer.template.marks
        read = [words.read(self.turn(row), clean) for row in rows]
        before = [self._before(row) for row in rows]
        if clean is not None:
            before = [clean_text(text, clean) if text else text for text in before]
        turns = tokenizer.pieces_of_words_batch([row.read for row in read], room + 1)
        contexts = tokenizer.pieces_batch(before, room + 1)
        found = Encoded([], [], [], [row.placed for row in read], [], [])
        for (ids, index), context in zip(turns, contexts, strict=True):
            ids_, types = tokenizer.around(ids[:room], context[: max(room - len(ids), 0)])
            starts = np.flatnonzero(first_pieces(index[:room]))
            found.ids.append(ids_)
            found.truncated.append(len(ids) + len(context) > room)
            cast("list[list[int]]", found.types).append(types)
            cast("list[list[int]]", found.starts).append([0, *(starts + 1).tolist()])
            kept = [index[start] + 1 for start in starts]
            cast("list[list[int]]", found.kept).append([0, *kept])
        return found

    def pieces(self, task: Task, tokenizer: Tokenizer, batch: pa.RecordBatch) -> Pieces:
        """The same of a batch of examples, and type_ids."""
        from bertworks.tasks.forms.batches import turn_pieces, with_whole

        found = turn_pieces(task, tokenizer, batch.column("tokens"), batch.column("context"))
        return with_whole(found)

    def whole_lengths(self, tokenizer: Tokenizer, columns: Mapping[str, list[Any]]) -> list[int]:
        """Pieces of both, and the marks."""
        turns = tokenizer.pieces_of_words_batch(columns["tokens"])
        contexts = tokenizer.pieces_batch(columns["context"])
        marks = tokenizer.template.marks
        return [len(ids) + len(one) + marks for (ids, _), one in zip(turns, contexts, strict=True)]

    def tokenizer_inputs(self, batch: pa.RecordBatch, rows: int, most: int) -> list[Any]:
        """The words of each turn, and of what was said before it."""
        before = batch.column("context").slice(0, rows).to_pylist()
        turns = super().tokenizer_inputs(batch, rows, most)
        return [(turn, (text or "").split()) for turn, text in zip(turns, before, strict=True)]

    def of_line(self, line: str, where: str) -> dict[str, str]:
        """A turn, and behind a tab what was said before it."""
        turn, _, before = line.partition("\t")
        return {"text": turn, "context": before}

    def of_record(
        self,
        record: Mapping[str, Any],
        column: Callable[[str], str | None],
        text: Callable[[str], str],
    ) -> Row:
        """A turn as a row of words is, and `context` where there is one."""
        name = column("context")
        before = "" if name is None or record[name] is None else record[name]
        if not isinstance(before, str):
            raise DataError(
                f"`context` must be a text. Received: {type(before).__name__} {before!r:.80}",
                "Give what was said before, or leave it out.",
            )
        return _both(super().of_record(record, column, text), before)

    @staticmethod
    def _before(row: Row) -> str:
        return "" if isinstance(row, str) else row[1]


def _both(turn: Row, before: Any) -> Row:
    return cast("Row", (turn, before))


FORM = TurnInContext()
