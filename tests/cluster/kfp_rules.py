"""What KFP's API accepts, taken from the installed kfp_server_api: used by fake_kfp to refuse the rest.

`routes()` lists every call with its path, query parameters and body; `check()` compares a JSON body
with a model: unknown fields, wrong types and unknown enum values are problems.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import kfp_server_api

# int64 fields: openapi calls them strings; protobuf's JSON takes numbers as well.
INT64 = {"max_concurrency", "interval_second", "long_value"}
INTEGERS = {"page_size"}


@dataclass(frozen=True)
class Route:
    """One call of the API."""

    name: str
    method: str
    template: str
    query: frozenset[str]
    body: str | None
    form: frozenset[str]
    pattern: re.Pattern[str] = field(compare=False)


def routes() -> list[Route]:
    """Every call of the services that serve v2beta1."""
    found = []
    for name in dir(kfp_server_api):
        if not name.endswith("ServiceApi"):
            continue
        for call, function in inspect.getmembers(getattr(kfp_server_api, name)):
            if not call.endswith("_with_http_info"):
                continue
            text = inspect.getsource(function)
            path, method = re.search(r"call_api\(\s*'([^']+)', '(\w+)'", text).groups()  # type: ignore[union-attr]
            given = re.search(r"body_params = local_var_params\['(\w+)'\]", text)
            body = given and re.search(
                rf":type {given.group(1)}: (\w+)", inspect.getdoc(function) or ""
            )
            pattern = re.sub(r"\{[\w.]+\}", r"([^/:]+)", path)
            found.append(
                Route(
                    name=call.removesuffix("_with_http_info"),
                    method=method,
                    template=path,
                    query=frozenset(re.findall(r"query_params\.append\(\('(\w+)'", text)),
                    body=body.group(1) if body else None,
                    form=frozenset(re.findall(r"local_var_files\['(\w+)'\]", text)),
                    pattern=re.compile(f"^{pattern}$"),
                )
            )
    # The longest first: /pipelines/upload before /pipelines/{pipeline_id}.
    return sorted(found, key=lambda route: ("{" in route.template, -len(route.template)))


def check(value: Any, kind: str, where: str = "body") -> list[str]:
    """What is wrong with a JSON value as `kind` ("str", "list[X]", a model's name); empty: nothing."""
    if kind == "object":
        return (
            [] if isinstance(value, dict | list | str | int | float | bool) else [f"{where}: null"]
        )
    if match := re.fullmatch(r"list\[(.+)\]", kind):
        if not isinstance(value, list):
            return [f"{where}: a list is expected"]
        return [p for i, v in enumerate(value) for p in check(v, match.group(1), f"{where}[{i}]")]
    if match := re.fullmatch(r"dict\(str, (.+)\)", kind):
        if not isinstance(value, dict):
            return [f"{where}: an object is expected"]
        return [p for k, v in value.items() for p in check(v, match.group(1), f"{where}.{k}")]
    if kind in ("str", "int", "bool", "float", "datetime"):
        return _check_plain(value, kind, where)
    return _check_model(value, getattr(kfp_server_api, kind), where)


def _check_plain(value: Any, kind: str, where: str) -> list[str]:
    integer = isinstance(value, int) and not isinstance(value, bool)
    if kind == "str" and where.rpartition(".")[2] in INT64 and (integer or str(value).isdigit()):
        return []
    if kind == "datetime":
        try:
            datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return [f"{where}: {value!r} is no RFC 3339 time"]
        return [] if re.search(r"(Z|[+-]\d\d:\d\d)$", value) else [f"{where}: the zone is missing"]
    fits = {
        "str": isinstance(value, str) and where.rpartition(".")[2] not in INT64,
        "int": integer,
        "bool": isinstance(value, bool),
        "float": integer or isinstance(value, float),
    }[kind]
    return [] if fits else [f"{where}: {value!r} is no {kind}"]


def _check_model(value: Any, model: Any, where: str) -> list[str]:
    if not model.openapi_types:  # an enum
        known = getattr(model, "allowable_values", [])
        return [] if value in known else [f"{where}: {value!r} is not one of {known}"]
    if not isinstance(value, dict):
        return [f"{where}: an object is expected"]
    kinds = {model.attribute_map[name]: kind for name, kind in model.openapi_types.items()}
    problems = [f"{where}: unknown field {name!r}" for name in value if name not in kinds]
    for name, inner in value.items():
        if name in kinds and inner is not None:
            problems += check(inner, kinds[name], f"{where}.{name}")
    return problems
