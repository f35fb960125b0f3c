"""Rows as annotation tools export them, brought to the columns that a source names.

Read are Prodigy (`answer`; choices in `accept`), Label Studio (JSON with `data` and `annotations`) and
spaCy (`cats`). Marked spans are the business of `spans`. What annotators did not accept or did not reach
is left out and counted: it is no fault of the file.

So is Rasa's training data, in YAML and in the older JSON: its intents are labels, and words that are
marked as entities become spans.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bertworks import bounded_yaml
from bertworks.data.rows.tally import Kind
from bertworks.errors import DataError, SpecError
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
SEVERAL = Kind(
    "several_annotations",
    "{count} tasks of Label Studio have several annotations; each was read as a row of its own, {total} "
    "rows in all (first: {first})",
    "warning",
    "Where they do not agree, data.conflicting_labels says what becomes of the text.",
)
NO_ANSWER = Kind(
    "empty_annotations",
    "{count} annotations of Label Studio are empty beside others of their task; they were left out "
    "(first: {first})",
    "warning",
)
RASA = Kind(
    "rasa",
    "{count} files are Rasa's training data; its examples were read, with their intents as labels "
    "(first: {first})",
)
_REFUSED = ("reject", "ignore")
# Rasa's marks: [Berlin](city), [Berlin](city:berlin), [Berlin]{"entity": "city"}, [Berlin][{…}, …]
_MARKED = re.compile(
    r"\[(?P<text>[^\]]+)\]"
    r"(?:\((?P<kind>[^():]+)(?::[^()]*)?\)|(?P<one>\{[^{}]*\})|(?P<all>\[\{[^\[\]]*\}\]))"
)


class LeftOut(Exception):
    """A row that the annotators left out: the `kind` of notice, and what they answered."""

    def __init__(self, kind: Kind, value: str) -> None:
        super().__init__(kind.name)
        self.kind, self.value = kind, value


def annotations_of(values: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """The annotations of a Label Studio task that were not cancelled; None: it is no such task."""
    done = values.get("annotations")
    if not isinstance(values.get("data"), dict) or not isinstance(done, list):
        return None
    return [one for one in done if isinstance(one, dict) and not one.get("was_cancelled")]


def annotation(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first of `annotations_of`, which is the only one in a row of `annotated`.

    Raises:
        LeftOut: There is none.
    """
    if (done := annotations_of(values)) is None:
        return None
    if not done:
        raise LeftOut(NOT_ANNOTATED, str(values.get("id", "")))
    return done[0]


def annotated(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A Label Studio task once for each of its annotations that count; any other row as it is."""
    done = annotations_of(values)
    if done is None or len(done) < 2:
        return [values]
    return [{**values, "annotations": [one]} for one in done]


def is_empty(values: Mapping[str, Any]) -> bool:
    """Whether the annotation of a Label Studio task holds no answer: it was submitted as it was."""
    done = annotations_of(values)
    return bool(done) and not any(one.get("result") for one in done or ())


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
    numbers = [
        (one.get("value") or {}).get(one["type"])
        for one in done.get("result") or []
        if isinstance(one, dict) and one.get("type") in ("number", "rating")
    ]
    if numbers and not choices:
        row[columns.label] = numbers[0]
    return row


def rasa_json(value: Any, columns: Columns) -> Iterator[Mapping[str, Any]] | None:
    """The rows of Rasa's JSON; None where a value is something else."""
    data = value.get("rasa_nlu_data") if isinstance(value, dict) else None
    examples = data.get("common_examples") if isinstance(data, dict) else None
    if not isinstance(examples, list) or not all(isinstance(one, dict) for one in examples):
        return None
    named = {"intent": columns.label, "text": columns.text}
    return (
        {
            "entities": [],
            **one,
            **{column: one[name] for name, column in named.items() if name in one},
        }
        for one in examples
    )


def rasa_yaml(
    text: str, name: str, columns: Columns
) -> list[tuple[int, dict[str, Any] | None, str]]:
    """The examples of Rasa's YAML: line, row (None where a line is no example), what stands there.

    Raises:
        DataError: It is no such YAML.
    """
    try:
        value, lines = bounded_yaml.read(text, name)
    except SpecError as error:
        raise DataError(
            error.message, "Mend the YAML, or split it into smaller files; `uri` may be a glob."
        ) from None
    entries = value.get("nlu") if isinstance(value, dict) else None
    if not isinstance(entries, list):
        raise DataError(
            f"{name} is YAML, which is read where it is Rasa's training data: a list `nlu` of "
            "`intent` and `examples`.",
            "Write the rows as csv or jsonl.",
        )
    found: list[tuple[int, dict[str, Any] | None, str]] = []
    for place, entry in enumerate(entries):
        # Synonyms, regular expressions and lookup tables are no examples of an intent.
        if not isinstance(entry, dict) or not {"intent", "examples"} <= entry.keys():
            continue
        examples, first = entry["examples"], lines["nlu", place, "examples"] + 1
        dashed = isinstance(examples, str)
        listed = examples.splitlines() if dashed else examples
        if not isinstance(listed, list):
            continue
        for number, one in enumerate(listed, first):
            said = one.get("text") if isinstance(one, dict) else one
            said = said.strip() if isinstance(said, str) else ""
            if said and dashed and said[0] not in "-*+":
                found.append((number, None, said))
            elif said:
                said = said[1:] if dashed else said.removeprefix("- ")
                found.append((number, _example(said.strip(), entry["intent"], columns), said))
    return found


def _example(text: str, intent: Any, columns: Columns) -> dict[str, Any]:
    """The row of a text without its marks, which become `entities`."""
    plain, at = "", 0
    spans: list[tuple[int, int, str]] = []
    for found in _MARKED.finditer(text):
        plain += text[at : found.start()]
        start, at = len(plain), found.end()
        plain += found["text"]
        spans += [(start, len(plain), kind) for kind in _kinds(found)]
    entities = [{"start": start, "end": end, "entity": kind} for start, end, kind in spans]
    return {
        columns.text: plain + text[at:],
        columns.label: intent,
        "intent": intent,
        "entities": entities,
    }


def _kinds(mark: re.Match[str]) -> list[str]:
    """The types of entity that a mark gives to its words."""
    if mark["kind"] is not None:
        return [mark["kind"].strip()]
    try:
        given = json.loads(mark["one"] or mark["all"])
    except ValueError:
        return []
    return [
        one["entity"]
        for one in (given if isinstance(given, list) else [given])
        if isinstance(one, dict) and isinstance(one.get("entity"), str)
    ]
