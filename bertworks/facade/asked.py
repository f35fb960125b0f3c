"""What `Agent.predict` is given as the rows that the runtime takes, and its answers in the same form."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bertworks.data.formats.nested import names_inside, outer, reached
from bertworks.errors import DataError
from bertworks.facade.given import is_frame, is_missing, is_series, refuse_twins
from bertworks.tasks.handler import Answer

Answers = Any
"""A list of dicts, one a row; a DataFrame with the rows' index where a DataFrame or Series came in."""


def rows_of(data: Any, roles: Sequence[str], names: Mapping[str, Sequence[str]]) -> list[Any]:
    """The rows as the runtime takes them.

    Args:
        data: Texts, pairs or lists of words; dicts with them, in objects inside as well, which names
            with dots lead into; a Series; a DataFrame.
        roles: What the task takes: ("text",), ("text_a", "text_b") or ("tokens", "text").
        names: Role to what the agent's sources call it.

    Raises:
        DataError: One text alone, a set, or a column is not there, or there twice.
    """
    wanted = [name for role in roles for name in names.get(role, ())]
    if is_frame(data):
        known = [str(name) for name in data.columns]
        held = _inside(data, known, wanted)
        columns = _columns([*known, *held], roles, names)
        refuse_twins(columns, known)
        cells = [held.get(one) or _cells(data.iloc[:, known.index(one)]) for one in columns]
        whole = not held.keys() & {*columns}  # dropna knows no cells inside of objects
        return _joined(columns, cells, f", rows.dropna(subset={columns})" if whole else "")
    if is_series(data):
        return _joined([str(data.name)], [_cells(data)], ", rows.dropna()")
    if isinstance(data, str | bytes | Mapping) or not isinstance(data, Iterable):
        raise DataError(
            f"predict takes a list of rows. Received: {type(data).__name__} {data!r:.80}",
            "For one text: agent.predict([text]). For a file: agent.predict(pandas.read_csv(path)).",
        )
    if isinstance(data, set | frozenset):
        raise DataError(
            f"predict answers in the order of the rows, and a {type(data).__name__} has none.",
            "Give a list, which keeps which answer is whose: agent.predict(sorted(rows)).",
        )
    rows = list(data)
    if not rows or not isinstance(rows[0], Mapping):
        return [tuple(row) if isinstance(row, tuple) else row for row in rows]
    first = reached(rows[0], wanted)
    columns = _columns(list(first), roles, names, names_inside(first))
    cells = [[] for _ in columns]
    for number, row in enumerate(rows, 1):
        values = reached(row, columns) if isinstance(row, Mapping) else {}
        for column, held_there in zip(columns, cells, strict=True):
            if column not in values:
                raise DataError(
                    f"Row {number} has no {column!r}. Received: {row!r:.80}",
                    "Give every row the same columns.",
                )
            held_there.append(values[column])
    return _joined(columns, cells, "")


def like(data: Any, answers: Sequence[Answer]) -> Answers:
    """The answers in the form that the rows came in."""
    if not (is_frame(data) or is_series(data)):
        return answers
    import pandas

    return pandas.DataFrame(answers, index=data.index)


def _inside(data: Any, known: Sequence[str], wanted: Sequence[str]) -> dict[str, list[Any]]:
    """The cells of the wanted columns that are inside the objects of a frame's columns."""
    found = {}
    for name in wanted:
        first = None if name in known else outer(name, known)
        if first is not None:
            objects = _cells(data.iloc[:, known.index(first)])
            cells = [reached({first: one}, [name]).get(name) for one in objects]
            if any(cell is not None for cell in cells):
                found[name] = cells
    return found


def _columns(
    known: Sequence[str],
    roles: Sequence[str],
    names: Mapping[str, Sequence[str]],
    inside: Sequence[str] = (),
) -> list[str]:
    """The columns that hold the roles: by the sources' names, by ours, or the only one there is.

    `inside` are more of theirs, inside of objects, for messages.
    """
    found = {
        role: next((one for one in (*names.get(role, ()), role) if one in known), None)
        for role in roles
    }
    if "tokens" in roles:  # words where there are any, else the text
        column = found["tokens"] or found["text"]
        held = [one for one in (column, found.get("context")) if one]
    else:
        held = [column for column in found.values() if column]
    if len(known) == 1 and not held and not inside and set(roles) != {"text_a", "text_b"}:
        wanted = " or ".join(map(repr, dict.fromkeys((*names.get("text", ()), *roles))))
        # The caller of Agent.predict, over rows_of and this.
        warnings.warn(f"The rows have no column {wanted}: {known[0]!r} is read.", stacklevel=4)
        return list(known)
    if len(held) < (1 if "tokens" in roles else len(roles)):
        wanted = " and ".join(
            " or ".join(map(repr, dict.fromkeys((*names.get(role, ()), role))))
            for role in roles
            if found[role] is None
        )
        raise DataError(
            f"The rows have no column {wanted}. Theirs: {', '.join(map(repr, [*known, *inside]))}",
            'Rename it: rows.rename(columns={"review": "text"}), or give the texts alone.',
        )
    return held


def _cells(series: Any) -> list[Any]:
    return list(series.tolist())


def _joined(columns: Sequence[str], cells: Sequence[list[Any]], by: str) -> list[Any]:
    """One value a row, or a pair; a cell that is missing is refused by its place.

    `by` is what leaves such rows out, for the advice.
    """
    for column, values in zip(columns, cells, strict=True):
        for number, value in enumerate(values, 1):
            if is_missing(value):
                raise DataError(
                    f"Row {number} has no text: its {column!r} is {value!r}.",
                    f"Leave such rows out{by}, or give an empty text there.",
                )
    if len(cells) == 1:
        return [value.tolist() if hasattr(value, "tolist") else value for value in cells[0]]
    return list(zip(*cells, strict=True))
