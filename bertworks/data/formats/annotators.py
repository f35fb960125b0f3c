"""Rows as annotation tools export them, brought to the columns that a source names.

Read are Prodigy (`answer`; choices in `accept`), Label Studio (JSON with `data` and `annotations`) and
spaCy (`cats`). Marked spans are the business of `spans`. What annotators did not accept or did not reach
is left out and counted: it is no fault of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertworks.data.rows.tally import Kind
from bertworks.spec import Columns

NOT_ACCEPTED = Kind(
    "not_accepted",
    "{count} rows were left out, as their annotators did not accept them: {details} (first: {first})",
    "warning",
    "To read them as well, name the answers in the source's `where: {answer: [accept, reject, "
    "ignore]}`.",
)
NOT_ANNOTATED = Kind(
    "not_annotated",
    "{count} tasks of Label Studio were left out: they have no annotation, or it was cancelled (first: "
    "{first})",
    "warning",
)
_REFUSED = ("reject", "ignore")


class LeftOut(Exception):
    """A row that the annotators left out: the `kind` of notice, and what they answered."""

    def __init__(self, kind: Kind, value: str) -> None:
        super().__init__(kind.name)
        self.kind, self.value = kind, value


def annotation(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The annotation of a Label Studio task that counts: its first that was not cancelled.

    Raises:
        LeftOut: There is none.
    """
    if not isinstance(values.get("data"), dict) or not isinstance(values.get("annotations"), list):
        return None
    for one in values["annotations"]:
        if isinstance(one, dict) and not one.get("was_cancelled"):
            return one
    raise LeftOut(NOT_ANNOTATED, str(values.get("id", "")))


def unfolded(values: Mapping[str, Any], columns: Columns, filtered: bool) -> Mapping[str, Any]:
    """The row with text and label in the source's columns.

    Args:
        values: The row as read.
        columns: The source's names.
        filtered: Whether the source's `where` decides on `answer`, or it is a column of the task.

    Raises:
        LeftOut: The annotators rejected, ignored or never saw it.
    """
    answer = values.get("answer")
    if not filtered and isinstance(answer, str) and answer.strip().lower() in _REFUSED:
        raise LeftOut(NOT_ACCEPTED, answer.strip().lower())
    if (done := annotation(values)) is not None:
        return _task(values, done, columns)
    if columns.label not in values and not columns.one_hot:
        for name, kind in (("cats", dict), ("accept", list)):
            if isinstance(values.get(name), kind):
                return {**values, columns.label: values[name]}
    return values


def text_of(data: Mapping[str, Any], column: str) -> Any:
    """The text of a Label Studio task: the column's, or its only text."""
    text = data.get(column)
    if text is None and len(texts := [one for one in data.values() if isinstance(one, str)]) == 1:
        return texts[0]
    return text


def _task(
    values: Mapping[str, Any], done: Mapping[str, Any], columns: Columns
) -> Mapping[str, Any]:
    row = {**values, **values["data"]}
    if (text := text_of(values["data"], columns.text)) is not None:
        row.setdefault(columns.text, text)
    choices = [
        choice
        for one in done.get("result") or []
        if isinstance(one, dict) and one.get("type") == "choices"
        for choice in (one.get("value") or {}).get("choices") or []
    ]
    if choices:
        row[columns.label] = choices
    return row
