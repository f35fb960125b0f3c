"""What the page brings to the OpenAPI document of a server: the card, the figures, and the verbs."""

from __future__ import annotations

from bertworks.contracts.shown import SHOWN
from bertworks.serving.http.openapi import (
    ASKED,
    Schema,
    instance_schema,
    object_of,
    operation_of,
    path_of,
    sample,
)
from bertworks.serving.models.served import ServedModel
from bertworks.serving.page.asking import MOST_ROWS
from bertworks.spec.limits import Limits

_TEXT, _NUMBER, _WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}
_OBJECT = {"type": "object"}
_JSON = "application/json"
_HELD = 403
"""What the review of answers holds back is not explained."""


def paths(model: ServedModel, limits: Limits) -> Schema:
    """The paths of a model that the page asks.

    Args:
        model: The model.
        limits: What a request may hold.
    """
    base = f"/v1/models/{model.name}"
    folder = model.champion.folder
    found: Schema = {
        f"{base}:explain": {"post": _explain(model, limits)},
        f"{base}/figures": path_of("What the server counted of the model", _figures(), 404),
    }
    if folder is not None:
        found[f"{base}/card"] = path_of("The model card", _card(), 404)
        if (folder / SHOWN.name).is_file():
            found[f"{base}:similar"] = {"post": _similar(model, limits)}
    return found


def _explain(model: ServedModel, limits: Limits) -> Schema:
    part = {"text": _WHOLE, "start": _WHOLE, "end": _WHOLE, "effect": _NUMBER}
    explanation = object_of(
        {
            "target": _TEXT,
            "value": _NUMBER,
            "unit": {"enum": ["log-odds", "score"]},
            "parts": {"type": "array", "items": object_of(part)},
            "asked": _WHOLE,
        }
    )
    asked = _asked(model, limits, label={"type": ["string", "null"]}, entity=_WHOLE)
    return _post(model, "Which words an answer hangs on", "explanations", explanation, asked)


def _similar(model: ServedModel, limits: Limits) -> Schema:
    row = object_of({"text": _TEXT, "label": _TEXT, "similarity": _NUMBER})
    rows = {"type": "array", "items": row}
    return _post(model, "Training rows like a text", "similar", rows, _asked(model, limits))


def _post(model: ServedModel, summary: str, name: str, item: Schema, asked: Schema) -> Schema:
    told = object_of(
        {
            name: {"type": "array", "items": item},
            "model_name": _TEXT,
            "model_version": _TEXT,
            "digest": _TEXT,
        }
    )
    body = {_JSON: {"schema": asked, "example": {"instances": [sample(model)]}}}
    return operation_of(summary, told, *ASKED, _HELD, body=body)


def _asked(model: ServedModel, limits: Limits, **more: Schema) -> Schema:
    rows = {
        "type": "array",
        "items": instance_schema(model, limits),
        "minItems": 1,
        "maxItems": min(MOST_ROWS, limits.rows),
    }
    return object_of({"instances": rows}, True, **more)


def _figures() -> Schema:
    counts = {"type": "object", "additionalProperties": _NUMBER}
    return object_of(
        {
            "requests": counts,
            "rows": _NUMBER,
            "seconds": _OBJECT,
            "in_progress": _NUMBER,
            "waiting": _NUMBER,
            "turned_away": counts,
            "panels": {"type": "array", "items": _OBJECT},
        }
    )


def _card() -> Schema:
    texts = {"type": "array", "items": _TEXT}
    maybe = {"type": ["object", "null"]}
    return object_of(
        {
            "name": _TEXT,
            "version": {"type": ["integer", "null"]},
            "digest": _TEXT,
            "use": _TEXT,
            "contact": _TEXT,
            "does": _OBJECT,
            "measured": maybe,
            "gated": maybe,
            "learned_from": maybe,
            "limits": texts,
            "licences": _OBJECT,
            "made_from": _OBJECT,
            "missing": texts,
            "server": _OBJECT,
        }
    )
