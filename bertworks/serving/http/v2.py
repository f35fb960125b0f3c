"""V2, the Open Inference Protocol: tensors in JSON, or behind it as bytes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from bertworks.serving import reading
from bertworks.serving.exchange import Exchange
from bertworks.serving.http.reply import Reply
from bertworks.serving.line import Ticket
from bertworks.serving.models.served import ServedModel
from bertworks.serving.open_inference import (
    InferRequest,
    InputTensor,
    OutputTensor,
    OutputWanted,
    outputs_of,
    parameters,
    rows_of,
)
from bertworks.serving.refusals import Refused
from bertworks.spec.limits import Limits
from bertworks.tasks.top import top_labels

JSON_LENGTH = "inference-header-content-length"
REQUEST = ("id", "inputs", "outputs", "parameters", "model_name", "model_version")
"""Members of a request: the protocol's, and what kserve's client adds, which the path says already."""
INPUT = ("name", "shape", "datatype", "data", "parameters")
OUTPUT = ("name", "parameters")


async def infer(
    model: ServedModel,
    body: bytes,
    headers: Mapping[bytes, bytes],
    exchange: Exchange,
    ticket: Ticket,
    limits: Limits,
) -> Reply:
    """Answers a V2 request; arguments and errors are those of `v1.predict`."""
    request = decoded(body, headers.get(JSON_LENGTH.encode()), limits)
    bundle = model.choose(exchange)
    rows = rows_of(request, bundle.agent.task, limits, model.fields(bundle))
    exchange.stage("decode")
    answered = await model.answer(rows, exchange, ticket, bundle=bundle)
    answers = answered.answers
    if request.top is not None:
        answers = [top_labels(one, request.top) for one in answers]
    outputs = outputs_of(request, answers, bundle.agent.task, model.fields(bundle))
    head = {
        "model_name": model.name,
        "model_version": answered.identity.served,
        "id": request.id or uuid.uuid4().hex,
        "parameters": {"digest": answered.identity.digest},
    }
    return encoded(head, outputs)


def decoded(body: bytes, length: bytes | None, limits: Limits) -> InferRequest:
    """Reads a body: JSON, or JSON and tensors behind it.

    Args:
        body: The body.
        length: Bytes of the JSON, where tensors stand behind it; None: it is all JSON.
        limits: Of nesting.

    Raises:
        Refused: It is none, or its parts do not fit together.
    """
    if length is None:
        return _request(reading.load(body, limits), None)
    if not (length.isdigit() and len(length) < 12 and int(length) <= len(body)):
        raise Refused(
            400, "json-length",
            f"Inference-Header-Content-Length must be the bytes of the JSON, 0 to {len(body)}.",
            "Count the bytes of the JSON that stands before the tensors.",
        )  # fmt: skip
    return _request(reading.load(body[: int(length)], limits), body[int(length) :])


def encoded(head: Mapping[str, Any], outputs: list[OutputTensor]) -> Reply:
    """Writes an answer: JSON, and behind it the outputs that were asked for as bytes."""
    written, behind = [], []
    for output in outputs:
        told: dict[str, Any] = {
            "name": output.name,
            "datatype": output.datatype,
            "shape": [len(output.values)],
        }
        if output.binary:
            behind.append(output.packed())
            told["parameters"] = {"binary_data_size": len(behind[-1])}
        else:
            told["data"] = output.values
        written.append(told)
    body = orjson.dumps({**head, "outputs": written})
    if not behind:
        return Reply(body)
    return Reply(
        b"".join([body, *behind]),
        media="application/octet-stream",
        headers={JSON_LENGTH: str(len(body))},
    )


def _request(value: Any, behind: bytes | None) -> InferRequest:
    request = _object(value, "The request", REQUEST)
    inputs = _list(request, "inputs", "The request")
    if behind is not None:
        _check_sizes(inputs, len(behind))
    outputs = _list(request, "outputs", "The request") if request.get("outputs") is not None else []
    identifier = request.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise _wrong("`id` must be a text.")
    binary, top = parameters(_parameters(request, "The request"))
    place, tensors = 0, []
    for number, one in enumerate(inputs):
        tensor, size = _input(one, f"inputs.{number}", behind, place)
        tensors.append(tensor)
        place += size
    wanted = [_output(one, f"outputs.{number}", binary) for number, one in enumerate(outputs)]
    return InferRequest(identifier or "", tensors, wanted, binary, top)


def _check_sizes(inputs: list[Any], length: int) -> None:
    """The inputs without data in the JSON must be exactly what stands behind it."""
    sizes = [
        _parameters(one, "An input").get("binary_data_size")
        for one in inputs
        if isinstance(one, dict) and one.get("data") is None
    ]
    known = [size for size in sizes if type(size) is int and size >= 0]
    if len(known) < len(sizes) or sum(known) != length:
        raise Refused(
            400, "tensor-size",
            f"The inputs' binary_data_size must add up to the {length} bytes behind the JSON.",
        )  # fmt: skip


def _input(value: Any, where: str, behind: bytes | None, place: int) -> tuple[InputTensor, int]:
    """A tensor, and how many of the bytes behind the JSON it takes."""
    tensor = _object(value, where, INPUT)
    for name in ("name", "datatype"):
        if not isinstance(tensor.get(name), str):
            raise _wrong(f"{where}.{name} must be a text.")
    shape = _list(tensor, "shape", where)
    if not all(type(size) is int for size in shape):
        raise _wrong(f"{where}.shape must hold whole numbers.")
    data = tensor.get("data")
    if data is None and behind is not None:
        size = tensor["parameters"]["binary_data_size"]
        packed = behind[place : place + size]
        return InputTensor(tensor["name"], tensor["datatype"], shape, packed), size
    if not isinstance(data, list):
        raise _wrong(f"{where}.data must be a list.")
    return InputTensor(tensor["name"], tensor["datatype"], shape, _flat(data)), 0


def _output(value: Any, where: str, binary: bool) -> OutputWanted:
    output = _object(value, where, OUTPUT)
    if not isinstance(output.get("name"), str):
        raise _wrong(f"{where}.name must be a text.")
    own = _parameters(output, where).get("binary_data", binary)
    if not isinstance(own, bool):
        raise _wrong(f"{where}.parameters.binary_data must be true or false.")
    return OutputWanted(output["name"], own)


def _flat(values: list[Any]) -> list[Any]:
    """Values in row-major order, whether or not they stand in lists a dimension."""
    if not any(isinstance(value, list) for value in values):
        return values
    return [
        part for value in values for part in (_flat(value) if isinstance(value, list) else [value])
    ]


def _object(value: Any, where: str, members: Sequence[str] | None = None) -> dict[str, Any]:
    """An object; with `members`, one that has no others."""
    if not isinstance(value, dict):
        raise _wrong(f"{where} must be an object.")
    if members is not None:
        reading.check_members(value, members, where)
    return value


def _list(value: Mapping[str, Any], name: str, where: str) -> list[Any]:
    found = value.get(name)
    if not isinstance(found, list):
        raise _wrong(f"{where} must have a list `{name}`.")
    return found


def _parameters(value: Mapping[str, Any], where: str) -> dict[str, Any]:
    found = value.get("parameters")
    return {} if found is None else _object(found, f"{where}'s parameters")


def _wrong(said: str) -> Refused:
    return Refused(400, "request", f"The request must be as V2 has it: {said}")
