"""The OpenAPI document: what this server offers, of these models, in this setting."""

from __future__ import annotations

from typing import Any

from bertworks import __version__
from bertworks.serving.models.registry import Registry
from bertworks.spec.limits import Limits


def document(models: Registry, limits: Limits, *, repository: bool = False) -> dict[str, Any]:
    """The document, as JSON has it; arguments are those of `routes.routes`."""
    return {"openapi": "3.1.0", "info": {"title": "bertworks", "version": __version__}, "paths": {}}
