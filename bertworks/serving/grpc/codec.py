"""The protocol's messages to requests of `open_inference`, and answers back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from bertworks.serving.grpc.messages import message
from bertworks.serving.open_inference import (
    InferRequest,
    InputTensor,
    OutputTensor,
    OutputWanted,
    parameters,
)
from bertworks.serving.refusals import Refused

_REQUEST, _RESPONSE = message("ModelInferRequest"), message("ModelInferResponse")
_CONTENTS = {"BYTES": "bytes_contents", "BOOL": "bool_contents", "FP64": "fp64_contents"}


def parsed(name: str, packed: bytes) -> Any:
    """A message.

    Raises:
        Refused: The bytes are none.
    """
    kind = message(name)
    try:
        return kind.FromString(packed)
    except (DecodeError, UnicodeDecodeError):
        raise Refused(400, "message", f"The bytes must be a {name}.") from None


def request_of(asked: Any) -> InferRequest:
    """A ModelInferRequest as a request.

    Raises:
        DataError: A parameter is not as it should be.
        Refused: There are raw contents, and not as many as inputs, or contents beside them.
    """
    raw = asked.raw_input_contents
    if raw and (
        len(raw) != len(asked.inputs) or any(one.HasField("contents") for one in asked.inputs)
    ):
        raise Refused(
            400, "raw",
            "raw_input_contents must hold every input in their order, and no input `contents` beside "
            f"them. Received: {len(raw)} for {len(asked.inputs)} inputs",
        )  # fmt: skip
    binary, top = parameters(_values(asked.parameters))
    inputs = [
        InputTensor(
            one.name, one.datatype, list(one.shape),
            raw[place] if raw else list(one.contents.bytes_contents),
        )
        for place, one in enumerate(asked.inputs)
    ]  # fmt: skip
    outputs = [OutputWanted(one.name, binary) for one in asked.outputs]
    return InferRequest(asked.id, inputs, outputs, binary or bool(raw), top)


def response_of(
    name: str,
    version: str,
    digest: str,
    identifier: str,
    outputs: Sequence[OutputTensor],
    raw: bool,
) -> bytes:
    """A ModelInferResponse, as bytes.

    Args:
        name: The model's.
        version: What was served.
        digest: Of its bundle.
        identifier: The request's own.
        outputs: What is answered.
        raw: Whether as packed bytes, as the request's inputs were.
    """
    told = _RESPONSE(model_name=name, model_version=version, id=identifier)
    told.parameters["digest"].string_param = digest
    for output in outputs:
        one = told.outputs.add(
            name=output.name, datatype=output.datatype, shape=[len(output.values)]
        )
        if raw:
            told.raw_output_contents.append(output.packed())
            continue
        values = output.values
        if output.datatype == "BYTES":
            values = [str(value).encode() for value in values]
        getattr(one.contents, _CONTENTS[output.datatype]).extend(values)
    packed: bytes = told.SerializeToString()
    return packed


def _values(found: Mapping[str, Any]) -> dict[str, Any]:
    told = {}
    for name, value in found.items():
        kind = value.WhichOneof("parameter_choice")
        told[name] = None if kind is None else getattr(value, kind)
    return told
