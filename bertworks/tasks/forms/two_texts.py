"""What rows of two texts have in common, whatever the texts are to each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bertworks.tasks.forms.form import Row, RowForm

if TYPE_CHECKING:
    from bertworks.spec import Task


class TwoTexts(RowForm):
    """Two texts a row, told apart by their token types."""

    two_texts = True

    def of_inputs(self, columns: Sequence[Sequence[str]]) -> list[Row]:
        """The two inputs' values beside each other."""
        return list(zip(*columns, strict=True))

    def of_lines(self, lines: Sequence[str]) -> list[Row] | None:
        """Two arguments without tabs are the two texts."""
        if len(lines) == 2 and not any("\t" in line for line in lines):
            return [(lines[0], lines[1])]
        return None

    def remedy(self, task: Task) -> str:
        """They are not read in windows."""
        return f"task.max_length = {task.max_length}"
