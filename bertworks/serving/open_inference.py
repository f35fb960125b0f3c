"""Requests of the Open Inference Protocol (V2), whether they came as JSON, as bytes or over gRPC.

https://github.com/kserve/open-inference-protocol; the bytes are those of its binary data extension.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bertworks.errors import DataError
from bertworks.serving import protocols
from bertworks.serving.refusals import Refused
from bertworks.spec import Task
from bertworks.spec.limits import Limits
from bertworks.tasks.forms.form import Row
from bertworks.tasks.top import checked_top

MOST_DIMENSIONS = 8


@dataclass(frozen=True)
class InputTensor:
    """An input: its values flat, in row-major order; or the bytes that they are packed in."""

    name: str
    datatype: str
    shape: Sequence[int]
    values: Sequence[Any] | bytes


@dataclass(frozen=True)
class OutputWanted:
    """An output that is asked for; `binary`: whether as bytes behind the JSON."""

    name: str
    binary: bool = False


@dataclass(frozen=True)
class InferRequest:
    """A request, with its parts checked for their types alone.

    Attributes:
        id: The client's own; empty: none.
        inputs: What is asked.
        outputs: What is to be answered; none: all.
        binary: Whether outputs of which nothing else is said come as bytes.
        top: Labels to give scores of, the best ones; None: all.
    """

    id: str
    inputs: Sequence[InputTensor]
    outputs: Sequence[OutputWanted] = ()
    binary: bool = False
    top: int | None = None


@dataclass(frozen=True)
class OutputTensor:
    """An output of shape [rows]."""

    name: str
    datatype: str
    values: list[Any]
    binary: bool = False

    def packed(self) -> bytes:
        """Its values as bytes, little-endian; BYTES: each with its length before it."""
        return pack(self.datatype, self.values)


def parameters(values: Mapping[str, Any]) -> tuple[bool, int | None]:
    """What of a request's `parameters` is heeded: `binary_data_output` and `top`.

    The others are the client's own affair.

    Raises:
        DataError: `top` is no number of labels, or `binary_data_output` is neither true nor false.
    """
    binary = values.get("binary_data_output", False)
    if not isinstance(binary, bool):
        raise DataError("The parameter binary_data_output must be true or false.")
    return binary, checked_top(values.get("top"))


def rows_of(
    request: InferRequest, task: Task, limits: Limits, fields: Sequence[str] = ()
) -> list[Row]:
    """The rows of a request.

    Args:
        request: The request.
        task: What the agent does.
        limits: Of rows and characters.
        fields: See `protocols.output_types`.

    Raises:
        DataError: Its inputs or the outputs asked for are not the task's, or do not fit their shapes.
        Refused: There are too many rows, or one is too long.
    """
    protocols.check_inputs([tensor.name for tensor in request.inputs], task)
    protocols.check_outputs([one.name for one in request.outputs], task, fields)
    tensors = {tensor.name: _values(tensor, limits) for tensor in request.inputs}
    return protocols.rows_of_tensors(tensors, task, limits)


def outputs_of(
    request: InferRequest, answers: Sequence[Mapping[str, Any]], task: Task, fields: Sequence[str]
) -> list[OutputTensor]:
    """The outputs of an answer, in the order asked for; arguments as in `rows_of`."""
    binary = {one.name: one.binary for one in request.outputs}
    names = [one.name for one in request.outputs] or None
    return [
        OutputTensor(name, datatype, values, binary.get(name, request.binary))
        for name, datatype, values in protocols.tensors_of(answers, task, names, fields)
    ]


def _values(tensor: InputTensor, limits: Limits) -> list[Any]:
    if tensor.datatype != "BYTES":
        raise DataError(
            f"Input {tensor.name} must be of datatype BYTES. Received: {tensor.datatype[:20]}"
        )
    shape = list(tensor.shape)
    if len(shape) > MOST_DIMENSIONS or any(size < 0 for size in shape):
        raise DataError(
            f"Input {tensor.name} must have a shape of at most {MOST_DIMENSIONS} sizes, none below 0. "
            f"Received: {shape[:MOST_DIMENSIONS]!s:.80}"
        )
    # A row more than is allowed is enough to say so.
    values = (
        list(unpack(tensor.values, limits.rows + 1))
        if isinstance(tensor.values, bytes)
        else list(tensor.values)
    )
    if len(values) <= limits.rows and math.prod(shape) != len(values):
        raise DataError(
            f"Input {tensor.name} must have as many data as its shape says. "
            f"Received: shape {shape!s:.80}, {len(values)} data"
        )
    return values


def unpack(packed: bytes, most: int) -> Iterator[bytes]:
    """The elements of a BYTES tensor.

    Args:
        packed: Each element's length as 4 bytes, little-endian, and its bytes.
        most: Elements to read, at most.

    Raises:
        Refused: It is not packed so.
    """
    place = 0
    while place < len(packed) and most > 0:
        end = place + 4
        size = int.from_bytes(packed[place:end], "little")
        if end + size > len(packed):
            raise Refused(
                400, "tensor",
                "A BYTES tensor must be, for each row, its length as 4 bytes, little-endian, and as "
                "many bytes of UTF-8; and as many rows as its shape says.",
            )  # fmt: skip
        yield packed[end : end + size]
        place, most = end + size, most - 1


_PACKED = {"FP64": "d", "BOOL": "?", "INT64": "q", "FP32": "f"}


def pack(datatype: str, values: Sequence[Any]) -> bytes:
    """Values as the protocol packs them."""
    if datatype != "BYTES":
        return struct.pack(f"<{len(values)}{_PACKED[datatype]}", *values)
    encoded = [str(value).encode() for value in values]
    return b"".join(part for one in encoded for part in (struct.pack("<I", len(one)), one))
