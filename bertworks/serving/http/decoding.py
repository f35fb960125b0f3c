"""Bodies of the V1 and V2 protocols and of CloudEvents, decoded strictly."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from cloudevents.sdk.converters.util import has_binary_headers
from kserve.errors import InferenceError, InvalidInput
from kserve.protocol.infer_type import InferRequest
from kserve.protocol.rest.v2_datamodels import InferenceRequest
from pydantic import ValidationError

from bertworks.serving import reading
from bertworks.serving.refusals import Refused
from bertworks.spec.limits import Limits

JSON_LENGTH = "inference-header-content-length"
_EVENT = ("specversion", "id", "source", "type")


def first(body: bytes, limits: Limits) -> Any:
    """A V1 body: JSON, whatever its content type says; the parts of a CloudEvent are checked.

    Raises:
        Refused: It is none.
    """
    value = reading.load(body, limits)
    if isinstance(value, dict) and "specversion" in value and "data" in value:
        _check_event(value)
    return value


def second(body: bytes, headers: Mapping[str, str], name: str, limits: Limits) -> InferRequest:
    """A V2 body: JSON, or JSON and tensors behind it, as its headers say.

    Raises:
        Refused: It is none, or its parts do not fit together.
    """
    length = headers.get(JSON_LENGTH)
    if length is None:
        request = _validated(reading.load(body, limits))
        return InferRequest.from_inference_request(request, name)
    if not (
        length.isascii() and length.isdigit() and len(length) < 12 and int(length) <= len(body)
    ):
        raise Refused(
            400, "json-length",
            f"Inference-Header-Content-Length must be the bytes of the JSON, 0 to {len(body)}.",
            "Count the bytes of the JSON that stands before the tensors.",
        )  # fmt: skip
    return _with_tensors(body, int(length), name, limits)


def is_binary_event(headers: Mapping[str, str]) -> bool:
    """Whether the headers say that the body is a CloudEvent's data."""
    return bool(headers) and has_binary_headers(headers)


def event_body(body: bytes, headers: Mapping[str, str], limits: Limits) -> bytes:
    """A binary CloudEvent's body, looked over.

    Raises:
        Refused: A header that it must have is empty, or the body is no JSON.
    """
    _check_event({name: headers.get(f"ce-{name}", "") for name in _EVENT})
    reading.load(body, limits)
    return body


def named(problem: Any) -> str:
    """One of pydantic's findings: where and what, without the value."""
    place = ".".join(str(part)[:40] for part in problem.get("loc", ()))
    return f"{place or 'The body'}: {problem.get('msg', 'is not valid')}"


def _check_event(event: Mapping[str, Any]) -> None:
    wrong = [one for one in _EVENT if not (isinstance(event.get(one), str) and event[one].strip())]
    if wrong:
        raise Refused(
            400, "event", f"A CloudEvent must have {', '.join(_EVENT)}. Missing: {', '.join(wrong)}"
        )
    if event["specversion"] not in ("0.3", "1.0"):
        raise Refused(400, "event", "A CloudEvent's specversion must be 0.3 or 1.0.")


def _validated(value: Any) -> InferenceRequest:
    try:
        return InferenceRequest.model_validate(value)
    except ValidationError as error:
        found = "; ".join(named(one) for one in error.errors(include_input=False)[:3])
        raise Refused(400, "request", f"The request must be as V2 has it: {found}.") from None


def _with_tensors(body: bytes, length: int, name: str, limits: Limits) -> InferRequest:
    """Checks the JSON as V2 has it and the sizes of the tensors, then has kserve take them apart."""
    value = reading.load(body[:length], limits)
    inputs = value.get("inputs") if isinstance(value, dict) else None
    if isinstance(inputs, list) and all(isinstance(one, dict) for one in inputs):
        # In kserve's model `data` must be there; with a tensor behind the JSON it is not.
        _validated({**value, "inputs": [{"data": [], **one} for one in inputs]})
    else:
        _validated(value)
    sizes = [
        (one.get("parameters") or {}).get("binary_data_size")
        for one in inputs or ()
        if one.get("data") is None
    ]
    known = [size for size in sizes if type(size) is int and size >= 0]
    if len(known) < len(sizes) or sum(known) != len(body) - length:
        raise Refused(
            400, "tensor-size",
            f"The inputs' binary_data_size must add up to the {len(body) - length} bytes behind "
            "the JSON.",
        )  # fmt: skip
    try:
        return InferRequest.from_bytes(body, length, name)
    except (InferenceError, InvalidInput, ValueError, TypeError, OverflowError, struct.error):
        raise Refused(
            400, "tensor",
            "A BYTES tensor must be, for each row, its length as 4 bytes, little-endian, and as "
            "many bytes of UTF-8; and as many rows as its shape says.",
        ) from None  # fmt: skip
