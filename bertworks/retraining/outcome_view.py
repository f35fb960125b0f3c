"""The notify step's page."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from bertworks import html

KINDS = {
    "promoted": "good",
    "unchanged": "good",
    "kept": "warn",
    "refused": "bad",
    "cancelled": "plain",
    "failed": "bad",
}
_FACTS = ("run", "step", "champion", "challenger", "metric", "challenger_value", "champion_value")


def page(outcome: dict[str, Any]) -> str:
    """The page of one outcome."""
    head = Markup("<p>{} {}</p>").format(
        html.badge(outcome["outcome"], KINDS[outcome["outcome"]]), html.visible(outcome["text"])
    )
    rows = [[key, outcome[key]] for key in _FACTS if outcome[key] is not None]
    rows += [[f"rows: {key}", value] for key, value in (outcome["rows"] or {}).items()]
    return html.page(f"Retraining of {outcome['agent']}", head + html.table(["", ""], rows))
