"""The OpenAPI document: what this server offers, of these models, in this setting.

Each model has its paths written out, because what a row and an answer are is its task's affair; and
every status that a path may answer with is there. `tests/serving/test_openapi.py` holds it against the
server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

from bertworks import __version__
from bertworks.runtime.confidence import FIELDS
from bertworks.serving import protocols
from bertworks.serving.models.registry import Registry
from bertworks.serving.models.served import ServedModel
from bertworks.spec.limits import Limits

Schema = dict[str, Any]
Describe = Callable[[ServedModel], Schema]
"""Paths of a model that another room offers, and their operations."""

REASONS = {
    401: "There is no key, or none that is good.",
    400: "The request is not as its protocol or the model's task has it.",
    403: "The caller, or the review of answers, may not have that.",
    404: "There is no such model, version, dialogue or path here.",
    405: "Only the methods in Allow are offered.",
    408: "The request was not all there in time.",
    409: "The turn is not the dialogue's next one.",
    410: "The dialogue is over.",
    413: "The body is larger than `serve.limits.body_mb`.",
    415: "The body is compressed.",
    422: "More rows, characters or nesting than `serve.limits` allow.",
    429: "Too many requests; Retry-After says when to ask again.",
    500: "A fault of the server's; its log says which.",
    503: "The server cannot answer now.",
    504: "The time that the request gave was over.",
}
ASKED = tuple(status for status in REASONS if status not in (401, 403, 409, 410))
"""What a request that asks a model may be answered with, beside 200."""
_TYPES: dict[Any, str] = {str: "string", float: "number", int: "integer", bool: "boolean"}
_JSON = "application/json"
_BINARY = "application/octet-stream"
_TEXT = {"type": "string"}
_PARAMETERS = {
    "type": ["object", "null"],
    "properties": {
        "binary_data_output": {"type": "boolean"},
        "top": {"type": ["integer", "null"], "minimum": 1},
    },
}


def document(
    models: Registry,
    limits: Limits,
    *,
    repository: bool = False,
    described: Sequence[Describe] = (),
    guarded: bool = False,
) -> Schema:
    """The document, as JSON has it; arguments are those of `routes.routes`."""
    paths: Schema = {
        "/v1/models": path_of("Names of the models", _names()),
        "/v2": path_of("Name and version of the server", _server()),
        "/v2/models": path_of("Names of the models", _names()),
        "/v2/health/live": path_of("Whether a restart would not help", _flag("live"), 503),
        "/v2/health/ready": path_of("Whether every model can be asked", _flag("ready"), 503),
        "/metrics": path_of("Metrics for Prometheus", _TEXT, media="text/plain"),
    }
    for model in models:
        paths |= _of_model(model, limits)
        for describe in described:
            paths |= describe(model)
    if repository:
        paths |= _repository(models)
    found: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": "bertworks",
            "version": __version__,
            "description": "The V1 and V2 (Open Inference) protocols. A request may say in "
            "`x-request-timeout-ms` for how long its answer is of use, and in `x-request-id` what it "
            "is called; every answer of a model has that id. Of an object that has a key twice none "
            "counts: it is refused.",
        },
        "paths": paths,
        "components": {
            "schemas": {
                "Error": object_of({"error": _TEXT}),
                **{f"{model.name}.answer": answer_schema(model) for model in models},
            }
        },
    }
    return _secured(found) if guarded else found


def _secured(found: Schema) -> Schema:
    """The document of a server that asks for a key, everywhere but where probes and Prometheus look."""
    found["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    for path, operations in found["paths"].items():
        if path.startswith("/v2/health/") or path.endswith("/ready") or path == "/metrics":
            continue
        for operation in operations.values():
            operation["security"] = [{"bearer": []}, {"key": []}]
            for status in (401, 403, 429):
                operation["responses"].setdefault(str(status), error_of(status))
    return found


def instance_schema(model: ServedModel, limits: Limits) -> Schema:
    """A row of a V1 request."""
    form = model.champion.agent.form
    text = {"type": "string", "maxLength": limits.characters}
    if form.two_texts:
        two = {"type": "array", "items": text, "minItems": 2, "maxItems": 2}
        return {"anyOf": [two, object_of(dict.fromkeys(form.inputs, text), closed=True)]}
    if form.pretokenized:
        row = {"anyOf": [text, {"type": "array", "items": text}]}
        either = [object_of({key: row}, closed=True) for key in ("text", "tokens")]
        return {"anyOf": [*row["anyOf"], *either]}
    return {"anyOf": [text, object_of(dict.fromkeys(form.inputs, text), closed=True)]}


def answer_schema(model: ServedModel) -> Schema:
    """An answer of a row."""
    bundle = model.champion
    handler = bundle.agent.handler
    found = type_schema(handler.answer_type)
    if "label" in found["properties"]:
        found["properties"]["label"] = {"enum": list(handler.labels)}
    if "intent" in found["properties"]:
        found["properties"]["intent"] = {"enum": handler.target.choices(handler.labels)}
    kinds: dict[str, Schema] = {
        "BOOL": {"type": "boolean"},
        "BYTES": {"type": "array", "items": _TEXT},
    }
    marks = {name: kinds[FIELDS[name]] for name in bundle.fields}
    return object_of({**found["properties"], **marks, "truncated": {"type": "boolean"}})


def type_schema(kind: Any) -> Schema:
    """The JSON Schema of a type of texts, numbers, lists, dictionaries and typed dictionaries."""
    if kind in _TYPES:
        return {"type": _TYPES[kind]}
    if is_typeddict(kind):
        return object_of({name: type_schema(one) for name, one in get_type_hints(kind).items()})
    inside = get_args(kind)
    if get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": type_schema(inside[1])}
    return {"type": "array", "items": type_schema(inside[0])}


def _of_model(model: ServedModel, limits: Limits) -> Schema:
    name = model.name
    version = model.champion.identity.served
    paths = {f"/v1/models/{name}": path_of("Whether the model can be asked", _ready(), 503, 404)}
    paths[f"/v1/models/{name}:predict"] = {"post": _predict(model, limits)}
    for place in (f"/v2/models/{name}", f"/v2/models/{name}/versions/{version}"):
        paths[place] = path_of("Inputs, outputs and versions", _metadata(), 404)
        paths[f"{place}/ready"] = path_of("Whether the model can be asked", _ready(), 503, 404)
        paths[f"{place}/infer"] = {"post": _infer(model, limits)}
    return paths


def _predict(model: ServedModel, limits: Limits) -> Schema:
    rows = {
        "type": "array",
        "items": instance_schema(model, limits),
        "minItems": 1,
        "maxItems": limits.rows,
    }
    asked = object_of(
        {"instances": rows},
        closed=True,
        top={"type": ["integer", "null"], "minimum": 1},
        signature_name={},
    )
    answers = {"type": "array", "items": {"$ref": f"#/components/schemas/{model.name}.answer"}}
    told = object_of(
        {"predictions": answers, "model_name": _TEXT, "model_version": _TEXT, "digest": _TEXT}
    )
    return operation_of(
        f"Ask {model.name} (V1)",
        told,
        *ASKED,
        body={_JSON: {"schema": asked, "example": {"instances": [sample(model)]}}},
    )


def _infer(model: ServedModel, limits: Limits) -> Schema:
    task = model.champion.agent.task
    tensor = object_of(
        {
            "name": {"enum": protocols.input_names(task)},
            "datatype": {"enum": ["BYTES"]},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": 8},
            "data": {"type": "array", "items": {"type": ["string", "array"]}},
        },
        closed=True,
        parameters={"type": ["object", "null"]},
    )
    outputs = protocols.output_types(task, model.champion.fields)
    names = [name for name, _ in outputs]
    wanted = object_of(
        {"name": {"enum": names}},
        closed=True,
        parameters={"type": ["object", "null"], "properties": {"binary_data": {"type": "boolean"}}},
    )
    asked = object_of(
        {"inputs": {"type": "array", "items": tensor, "minItems": 1}},
        closed=True,
        id={"type": ["string", "null"]},
        outputs={"type": ["array", "null"], "items": wanted, "maxItems": len(names)},
        parameters=_PARAMETERS,
        model_name={},
        model_version={},
    )
    output = object_of(
        {
            "name": {"enum": names},
            "datatype": {"enum": sorted({kind for _, kind in outputs})},
            "shape": {"type": "array", "items": {"type": "integer"}},
        },
        data={"type": "array"},
        parameters={"type": "object"},
    )
    told = object_of(
        {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "id": _TEXT,
            "parameters": object_of({"digest": _TEXT}),
            "outputs": {"type": "array", "items": output},
        }
    )
    operation = operation_of(
        f"Ask {model.name} (V2)",
        told,
        *ASKED,
        body={_JSON: {"schema": asked, "example": _example(model)}},
    )
    operation["responses"]["200"]["content"][_BINARY] = {"schema": {}}
    operation["description"] = (
        "With the header `Inference-Header-Content-Length` inputs may stand as bytes behind the JSON, "
        "and with `binary_data` outputs come so: the protocol's binary data extension. `shape` must "
        "hold as many elements as `data`."
    )
    return operation


def sample(model: ServedModel) -> Any:
    """A row to try the model with, as V1 takes it."""
    row = model.champion.agent.form.sample
    return row if isinstance(row, str) else list(row)


def _example(model: ServedModel) -> Schema:
    form = model.champion.agent.form
    values = [form.sample] if len(form.inputs) == 1 else form.sample
    return {
        "inputs": [
            {"name": name, "datatype": "BYTES", "shape": [1], "data": [value]}
            for name, value in zip(form.inputs, values, strict=True)
        ]
    }


def _repository(models: Registry) -> Schema:
    entry = object_of(dict.fromkeys(("name", "version", "state", "reason"), _TEXT))
    base = "/v2/repository"
    index = operation_of("All models of this server", {"type": "array", "items": entry})
    paths: Schema = {f"{base}/index": {"post": index}}
    for model in models:
        for verb in ("load", "unload"):
            told = object_of({"name": _TEXT, verb: {"type": "boolean"}})
            operation = operation_of(f"{verb.capitalize()} {model.name}", told, 404, 503)
            paths[f"{base}/models/{model.name}/{verb}"] = {"post": operation}
    return paths


def path_of(summary: str, told: Schema, *statuses: int, media: str = _JSON) -> Schema:
    """A path that is got: what it tells, and statuses beside 200 and 405."""
    operation = operation_of(summary, told, *statuses, media=media)
    if summary.startswith("Whether") and 503 in statuses and 404 not in statuses:
        operation["responses"]["503"]["content"] = {_JSON: {"schema": {"type": "object"}}}
    return {"get": operation}


def operation_of(
    summary: str,
    told: Schema,
    *statuses: int,
    media: str = _JSON,
    body: Mapping[str, Any] | None = None,
    description: str = "",
) -> Schema:
    """An operation: what it tells, statuses beside 200 and 405, and what it is asked with."""
    responses: Schema = {"200": {"description": "Done.", "content": {media: {"schema": told}}}}
    for status in sorted({405, *statuses}):
        responses[str(status)] = error_of(status)
    operation: Schema = {"summary": summary, "responses": responses}
    if description:
        operation["description"] = description
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def error_of(status: int) -> Schema:
    """A refusal with a status."""
    error = {"schema": {"$ref": "#/components/schemas/Error"}}
    return {"description": REASONS[status], "content": {_JSON: error}}


def object_of(required: Mapping[str, Schema], closed: bool = False, **optional: Schema) -> Schema:
    """The schema of an object; `closed`: it has no other keys."""
    found = {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
    }
    return {**found, "additionalProperties": False} if closed else found


def _names() -> Schema:
    return object_of({"models": {"type": "array", "items": _TEXT}})


def _server() -> Schema:
    return object_of(
        {"name": _TEXT, "version": _TEXT, "extensions": {"type": "array", "items": _TEXT}}
    )


def _flag(name: str) -> Schema:
    return object_of({name: {"type": "boolean"}})


def _ready() -> Schema:
    return object_of({"name": _TEXT, "ready": {"type": "boolean"}})


def _metadata() -> Schema:
    tensor = object_of(
        {
            "name": _TEXT,
            "datatype": _TEXT,
            "shape": {"type": "array", "items": {"type": "integer"}},
        }
    )
    tensors = {"type": "array", "items": tensor}
    return object_of(
        {
            "name": _TEXT,
            "versions": {"type": "array", "items": _TEXT},
            "platform": _TEXT,
            "inputs": tensors,
            "outputs": tensors,
        }
    )
