"""V1: `{"instances": [...]}` in, `{"predictions": [...]}` out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertworks.serving import protocols, reading
from bertworks.serving.exchange import Exchange
from bertworks.serving.http import events
from bertworks.serving.http.reply import Reply
from bertworks.serving.line import Ticket
from bertworks.serving.models.served import ServedModel
from bertworks.spec.limits import Limits
from bertworks.tasks.top import checked_top, top_labels

MEMBERS = ("instances", "top", "signature_name")
"""Of a request; TensorFlow Serving's clients name the one signature that a model here has."""


async def predict(
    model: ServedModel,
    body: bytes,
    headers: Mapping[bytes, bytes],
    exchange: Exchange,
    ticket: Ticket,
    limits: Limits,
) -> Reply:
    """Answers a V1 request, whatever its content type says; a CloudEvent is answered as one.

    Args:
        model: What is asked.
        body: The request's body.
        headers: Its headers.
        exchange: Told of what is asked and answered.
        ticket: The request's place in line.
        limits: Of rows, characters and nesting.

    Raises:
        DataError: The request is not as V1 or the task has it.
        Cancelled: The client is gone, or the time is over.
    """
    binary = events.in_headers(headers)
    value = reading.load(body, limits)
    structured = not binary and events.in_body(value)
    asked = value["data"] if structured else value
    reading.check_members(asked, MEMBERS, "A V1 request")
    bundle = model.choose(exchange)
    rows = protocols.rows_of_instances(asked, bundle.agent.task, limits)
    top = checked_top(asked.get("top"))
    exchange.stage("decode")
    answered = await model.answer(rows, exchange, ticket, bundle=bundle)
    answers = answered.answers
    answer: dict[str, Any] = {
        "predictions": answers if top is None else [top_labels(one, top) for one in answers],
        "model_name": model.name,
        "model_version": answered.identity.served,
        "digest": answered.identity.digest,
    }
    if binary or structured:
        return events.reply(answer, model.name, structured=structured)
    return Reply.json(answer)
