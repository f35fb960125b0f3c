"""Requests of the V1 and V2 inference protocols to rows, and answers back. Knows no server.

V1: `{"instances": [...]}`, each a text, a list (a pair's two texts, or a tagging row's words), or
an object with `text`, `text_a` and `text_b`, or `tokens`. The answer is `{"predictions": [...]}`.

V2 (Open Inference Protocol): BYTES tensors of shape [rows]: `text`, or `text_a` and `text_b`. The
answer holds `prediction`, a JSON object a row, where the task has them `label` and `score`, and
`truncated`: whether the end of the row was not read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bertworks.errors import DataError
from bertworks.serving.runtime import Row
from bertworks.spec import Task

MAX_ROWS = 1024

Tensor = tuple[str, str, list[Any]]
"""Name, datatype and values of a V2 output of shape [rows]."""


def rows_of_instances(body: Any, task: Task) -> list[Row]:
    """The rows of a V1 request.

    Args:
        body: Decoded JSON, or its bytes (kserve decodes only what is declared as JSON).
        task: What the agent does.

    Raises:
        DataError: The body is not as V1 says, or an instance is not as the task takes it.
    """
    if isinstance(body, bytes):
        body = _json(body)
    instances = body.get("instances") if isinstance(body, Mapping) else None
    if not isinstance(instances, list):
        raise DataError(
            '`instances` must be a list: {"instances": [...]}. '
            f"Received: {_kind(body if instances is None else instances)}"
        )
    _check_count(len(instances))
    return [_row(instance, task, place) for place, instance in enumerate(instances)]


def input_names(task: Task) -> list[str]:
    """Names of the V2 inputs."""
    return ["text_a", "text_b"] if task.pair else ["text"]


def output_types(task: Task) -> list[tuple[str, str]]:
    """Names and datatypes of the V2 outputs."""
    types = [("prediction", "BYTES")]
    if task.type == "classification" and not task.multi_label:
        types.append(("label", "BYTES"))
    if task.type != "tagging" and not task.multi_label:
        types.append(("score", "FP64"))
    return [*types, ("truncated", "BOOL")]


def rows_of_tensors(tensors: Mapping[str, Sequence[Any]], task: Task) -> list[Row]:
    """The rows of a V2 request.

    Args:
        tensors: Input name to values, flattened.
        task: What the agent does.

    Raises:
        DataError: The inputs are not those of the task, or not equally long.
    """
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
    _check_count(len(columns[0]))
    return list(zip(*columns, strict=True)) if task.pair else list(columns[0])


def tensors_of(answers: Sequence[Mapping[str, Any]], task: Task) -> list[Tensor]:
    """The outputs of a V2 answer."""
    whole = [json.dumps(answer, ensure_ascii=False) for answer in answers]
    columns = {
        name: whole if name == "prediction" else [answer[name] for answer in answers]
        for name, _ in output_types(task)
    }
    return [(name, kind, columns[name]) for name, kind in output_types(task)]


def _row(instance: Any, task: Task, place: int) -> Row:
    """Unwraps an object; what is inside is checked by the agent."""
    if not isinstance(instance, Mapping):
        return instance
    wanted = ["text_a", "text_b"] if task.pair else ["text"]
    if task.type == "tagging" and "tokens" in instance:
        wanted = ["tokens"]
    if set(instance) != set(wanted):
        raise DataError(
            f"Row {place + 1} must have {' and '.join(wanted)}. "
            f"Received: {', '.join(sorted(map(str, instance))) or 'nothing'}"
        )
    return [instance[name] for name in wanted] if task.pair else instance[wanted[0]]


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise DataError(f"The body must be JSON: {error}.") from None


def _decoded(value: Any, name: str) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"Input {name} must be UTF-8: {error}.") from None
    if not isinstance(value, str):
        raise DataError(f"Input {name} must be of datatype BYTES. Received: {_kind(value)}")
    return value


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_ROWS:
        raise DataError(f"A request must have 1 to {MAX_ROWS} rows. Received: {count}")


def _kind(value: Any) -> str:
    return f"{type(value).__name__} {value!r:.80}"
