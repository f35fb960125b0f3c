"""What a reader of a file yields, and the errors for columns that it lacks."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bertworks.errors import DataError
from bertworks.look_alike import told_apart


@dataclass(frozen=True, slots=True)
class Row:
    """A row as read.

    Attributes:
        line: Where it begins, from 1; None: the file has no lines.
        values: Its columns.
        whole: Whether all its bytes are known to be in the encoding: surrogates in it are escapes.
    """

    line: int | None
    values: Mapping[str, object]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that cannot be used: where, the rule that it breaks, and what was received."""

    line: int | None
    rule: str
    value: str
    fix: str = ""


def missing_column(
    name: str, column: str, found: Sequence[str], constants: Sequence[str] = (), hint: str = ""
) -> DataError:
    """The error for a column that a file does not have: names those it has, and the nearest."""
    columns = [*found, *constants]
    near = difflib.get_close_matches(column, columns, n=1, cutoff=0.5)
    fix = _reading_setting(found) or hint
    mean = f" Did you mean {told_apart(near, [column])[0]}?" if near and not fix else ""
    shown = ", ".join(told_apart(columns[:50], [column])) or "none"
    error = DataError(
        f"{name} has no column {column!r}. Its columns: {shown}.{mean}",
        "Name the right column in the source's `columns` or `where`, or add it under `constants`.",
    )
    error.fix = fix or error.fix
    return error


def _reading_setting(header: Sequence[str]) -> str:
    """What to set when the column names look as if the file was read in the wrong way; else ""."""
    if any("\0" in name for name in header):
        first = header[0][:1]  # "utf-16" needs the byte order mark, which is no ASCII
        kind = "utf-16" if not first.isascii() else "utf-16-be" if first == "\0" else "utf-16-le"
        return f"The names hold NUL bytes: set the source's encoding: {kind}."
    found = next((one for one in ";\t,|^~" if len(header) == 1 and one in header[0]), None)
    return f"Set the source's delimiter: {json.dumps(found)}." if found else ""


def check_once(file: str, column: str, names: Sequence[str]) -> None:
    """Refuses a file in which a column that is read stands twice.

    Raises:
        DataError: It does.
    """
    if names.count(column) > 1:
        raise DataError(
            f"{file} has {names.count(column)} columns {column!r}.",
            "Rename all but one of them in the file.",
        )


def one_hot_fix(flags: Sequence[str]) -> str:
    """The fix that names columns of 0 and 1 as labels; "" where there are not two of them."""
    if len(flags) < 2:
        return ""
    return (
        "If each of its columns of 0 and 1 stands for a label, name them: "
        f"columns: {{one_hot: [{', '.join(flags[:20])}]}}, with task.multi_label: true."
    )
