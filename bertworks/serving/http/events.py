"""CloudEvents around V1 requests, as Knative sends them and kserve answers them.

https://github.com/cloudevents/spec: in binary mode the attributes are headers and the body is the data;
in structured mode the body is JSON that holds both.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from bertworks.serving.http.reply import Reply
from bertworks.serving.refusals import Refused

REQUIRED = ("specversion", "id", "source", "type")
STRUCTURED = "application/cloudevents+json"


def in_headers(headers: Mapping[bytes, bytes]) -> bool:
    """Whether headers say that the body is an event's data.

    Raises:
        Refused: They do, and one that an event must have is empty.
    """
    if b"ce-specversion" not in headers:
        return False
    if not all(f"ce-{name}".encode() in headers for name in REQUIRED):
        return False
    _check({name: headers[f"ce-{name}".encode()].decode("latin-1") for name in REQUIRED})
    return True


def in_body(value: Any) -> bool:
    """Whether a body is an event that holds its data.

    Raises:
        Refused: It is, and lacks what an event must have.
    """
    if not (isinstance(value, dict) and "specversion" in value and "data" in value):
        return False
    _check(value)
    return True


def reply(answer: Mapping[str, Any], name: str, *, structured: bool) -> Reply:
    """An answer as an event of its own.

    Args:
        answer: The V1 answer.
        name: The model that gave it.
        structured: Whether the body is to hold the attributes; else they are headers.
    """
    attributes = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": f"io.kserve.inference.{name}",
        "type": "io.kserve.inference.response",
        "time": datetime.now(UTC).isoformat(),
    }
    if structured:
        return Reply(orjson.dumps({**attributes, "data": answer}), media=STRUCTURED)
    headers = {f"ce-{key}": value for key, value in attributes.items()}
    return Reply(orjson.dumps(answer), headers=headers)


def _check(event: Mapping[str, Any]) -> None:
    wrong = [name for name in REQUIRED
             if not (isinstance(event.get(name), str) and event[name].strip())]  # fmt: skip
    if wrong:
        raise Refused(
            400, "event",
            f"A CloudEvent must have {', '.join(REQUIRED)}. Missing: {', '.join(wrong)}",
        )  # fmt: skip
    if event["specversion"] not in ("0.3", "1.0"):
        raise Refused(400, "event", "A CloudEvent's specversion must be 0.3 or 1.0.")
