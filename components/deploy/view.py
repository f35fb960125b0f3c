"""The deploy step's page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from bertworks.pages import html


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
    parts = [html.badge("serves", "good"), html.table(["what", "value"], rows)]
    return str(html.page("Deployed", Markup("").join(parts)))
