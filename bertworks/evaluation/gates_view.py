"""The gate step's page."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from bertworks import html

_TITLES = {
    "minimum": "minimum score",
    "max_drop": "drop against the uncompressed model",
    "max_latency_ms": "p95 latency, ms",
    "max_size_mb": "size, MB",
    "beat_floor": "above the floor",
    "beat_champion": "above the champion",
}


def gate_page(name: str, decision: dict[str, Any]) -> str:
    """The page of one decision."""
    return html.page(f"Gate: {name}", rules(decision))


def rules(decision: dict[str, Any]) -> Markup:
    """The verdict and a row a rule."""
    verdict = html.badge("passed", "good") if decision["passed"] else html.badge("refused", "bad")
    rows = [
        [
            _TITLES.get(rule["name"], rule["name"]),
            _plain(rule["value"]),
            _plain(rule["limit"]),
            html.badge("met", "good") if rule["passed"] else html.badge("not met", "bad"),
            rule.get("note", ""),
        ]
        for rule in decision["rules"]
    ]
    head = Markup("<p>{} on {}</p>").format(verdict, decision["metric"])
    return head + html.table(["rule", "value", "limit", "", ""], rows, [1, 2])


def _plain(value: float | None) -> str:
    return "–" if value is None else html.number(round(value, 4))
