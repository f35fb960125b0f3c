"""The deploy step's page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertworks.pages.parts import Badge, PlainPage, Table


def page(told: Mapping[str, Any]) -> str:
    """What was rolled out, as a self-contained HTML page.

    Args:
        told: What deployed.json holds.
    """
    answer = told["answer"] or {}
    before = told["previous"]
    rows = [
        ("serves", f"{told['name']} version {told['version']}"),
        ("before", "nothing" if before is None else f"version {before}"),
        ("bundle", told["digest"]),
        ("as", f"{told['kind']} in namespace {told['namespace']}"),
        ("image", told["image"]),
        ("address", told["url"]),
        ("ready pods", told["ready"]),
        ("seconds", told["seconds"]),
        ("asked", answer.get("prediction") or f"not asked: {answer.get('skipped', '')}"),
    ]
    return str(PlainPage("Deployed", [Badge("serves", "good"), Table(["what", "value"], rows)]))
