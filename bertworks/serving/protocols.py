"""Requests of the V1 and V2 inference protocols to rows, and answers back. Knows no server.

V1: `{"instances": [...]}`, each a text, a list (a pair's two texts, or a tagging row's words), or
an object with `text`, `text_a` and `text_b`, or `tokens`. The answer is `{"predictions": [...]}`.

V2 (Open Inference Protocol): BYTES tensors of shape [rows]: `text`, or `text_a` and `text_b`. The
answer holds `prediction`, a JSON object a row, where the task has them `label` and `score`,
`truncated`: whether the end of the row was not read, and where the spec's `confidence` asked for them
`confident`, `out_of_scope` and `set` (JSON); with a review `held`, `flagged` and `reason`. What a held
answer does not tell is empty in its tensors: "", 0 or false.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bertworks.errors import DataError
from bertworks.runtime import confidence
from bertworks.serving import reading
from bertworks.serving.refusals import Refused, setting
from bertworks.serving.review import reviewer
from bertworks.spec import Task
from bertworks.spec.limits import Limits
from bertworks.tasks import for_task, form_of
from bertworks.tasks.forms.form import Row, RowForm

FIELDS = {**confidence.FIELDS, **reviewer.FIELDS}
"""What answers may carry beside their task's own, and its datatypes."""
_EMPTY = {"BYTES": "", "BOOL": False, "FP64": 0.0, "FP32": 0.0, "INT64": 0}

Tensor = tuple[str, str, list[Any]]
"""Name, datatype and values of a V2 output of shape [rows]."""


def rows_of_instances(body: Any, task: Task, limits: Limits | None = None) -> list[Row]:
    """The rows of a V1 request.

    Args:
        body: Decoded JSON, or its bytes.
        task: What the agent does.
        limits: Of rows and characters; None: the defaults.

    Raises:
        DataError: The body is not as V1 says, or an instance is not as the task takes it.
        Refused: There are too many rows, or one is too long.
    """
    limits = limits or Limits()
    if isinstance(body, bytes):
        body = reading.load(body, limits)
    instances = body.get("instances") if isinstance(body, Mapping) else None
    if not isinstance(instances, list):
        raise DataError(
            '`instances` must be a list: {"instances": [...]}. '
            f"Received: {_kind(body if instances is None else instances)}"
        )
    _check_count(len(instances), limits)
    form = form_of(task)
    rows = [_row(instance, form, place) for place, instance in enumerate(instances)]
    _check_characters(rows, limits)
    return rows


def input_names(task: Task) -> list[str]:
    """Names of the V2 inputs."""
    return list(form_of(task).inputs)


def output_types(task: Task, fields: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Names and datatypes of the V2 outputs.

    Args:
        task: What the agent does.
        fields: What its answers carry of `FIELDS`.
    """
    own = [("prediction", "BYTES"), *for_task(task).tensors, ("truncated", "BOOL")]
    return own + [(name, FIELDS[name]) for name in fields]


def rows_of_tensors(
    tensors: Mapping[str, Sequence[Any]], task: Task, limits: Limits | None = None
) -> list[Row]:
    """The rows of a V2 request.

    Args:
        tensors: Input name to values, flattened.
        task: What the agent does.
        limits: Of rows and characters; None: the defaults.

    Raises:
        DataError: The inputs are not those of the task, or not equally long.
        Refused: There are too many rows, or one is too long.
    """
    limits = limits or Limits()
    names = input_names(task)
    if set(tensors) != set(names):
        raise DataError(
            f"The inputs must be {' and '.join(names)}. Received: {', '.join(sorted(tensors))}"
        )
    columns = [[_decoded(value, name) for value in tensors[name]] for name in names]
    if len({len(column) for column in columns}) > 1:
        raise DataError(
            f"The inputs must be equally long. Received: {[len(column) for column in columns]}"
        )
    _check_count(len(columns[0]), limits)
    rows = form_of(task).of_inputs(columns)
    _check_characters(rows, limits)
    return rows


def check_inputs(names: Sequence[str], task: Task) -> None:
    """Checks a V2 request's input names before their values are looked at.

    Raises:
        DataError: One is repeated, missing, or none of the task's.
    """
    wanted = input_names(task)
    if sorted(names) != sorted(wanted):
        raise DataError(
            f"The inputs must be {' and '.join(wanted)}, once each. "
            f"Received: {', '.join(sorted(names)[:8]) or 'none'}"
        )


def check_outputs(names: Sequence[str], task: Task, fields: Sequence[str] = ()) -> None:
    """Checks the outputs that a V2 request asks for; `fields` as for `output_types`.

    Raises:
        DataError: One is repeated, or none of the task's.
    """
    known = [name for name, _ in output_types(task, fields)]
    if len(set(names)) < len(names) or not set(names) <= set(known):
        raise DataError(
            f"The outputs asked for must be among {', '.join(known)}, once each. "
            f"Received: {', '.join(names[:8])}"
        )


def tensors_of(
    answers: Sequence[Mapping[str, Any]],
    task: Task,
    names: Sequence[str] | None = None,
    fields: Sequence[str] = (),
) -> list[Tensor]:
    """The outputs of a V2 answer.

    Args:
        answers: One a row.
        task: What the agent does.
        names: The outputs wanted, in their order; None: all.
        fields: As for `output_types`.
    """
    types = dict(output_types(task, fields))
    return [
        (name, types[name], [_tensor_value(answer, name, types[name]) for answer in answers])
        for name in (types if names is None else names)
    ]


def _tensor_value(answer: Mapping[str, Any], name: str, datatype: str) -> Any:
    """The whole answer as JSON, or a part of it: lists too are JSON there."""
    if name != "prediction" and name not in answer and answer.get("held"):
        return _EMPTY[datatype]
    value = answer if name == "prediction" else answer[name]
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list) else value


def _row(instance: Any, form: RowForm, place: int) -> Row:
    """Unwraps an object; what is inside is checked by the agent."""
    if not isinstance(instance, Mapping):
        row: Row = form.of_value(instance)
        return row
    wanted = form.keys_of(instance)
    if set(instance) != set(wanted):
        raise DataError(
            f"Row {place + 1} must have {' and '.join(wanted)}, and nothing else. "
            f"Received: {', '.join(sorted(map(str, instance))) or 'nothing'}"
        )
    return form.of_instance(instance)


def _decoded(value: Any, name: str) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"Input {name} must be UTF-8: {error}.") from None
    if not isinstance(value, str):
        raise DataError(f"Input {name} must be of datatype BYTES. Received: {_kind(value)}")
    return value


def _check_count(count: int, limits: Limits) -> None:
    if count < 1:
        raise DataError(f"A request must have 1 to {limits.rows} rows. Received: {count}")
    if count > limits.rows:
        raise Refused(
            422, "rows",
            f"A request must have 1 to {limits.rows} rows. Received: {count}",
            setting("rows", count),
        )  # fmt: skip


def _check_characters(rows: Sequence[Any], limits: Limits) -> None:
    """Of all of a row's texts together, and one for what stands between two words."""
    for place, row in enumerate(rows):
        parts = row if isinstance(row, list | tuple) else [row]
        inside = (part if isinstance(part, list | tuple) else [part] for part in parts)
        texts = (text for part in inside for text in part if isinstance(text, str))
        count = sum(len(text) + 1 for text in texts) - 1
        if count > limits.characters:
            raise Refused(
                422, "characters",
                f"A row must have at most {limits.characters} characters. "
                f"Received: {count} in row {place + 1}",
                setting("characters", count),
            )  # fmt: skip


def _kind(value: Any) -> str:
    return f"{type(value).__name__} {value!r:.80}"
