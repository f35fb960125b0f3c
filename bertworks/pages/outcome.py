"""The notify step's page."""

from __future__ import annotations

from markupsafe import Markup

from bertworks.contracts.retraining import Outcome
from bertworks.pages import html

KINDS = {
    "promoted": "good",
    "unchanged": "good",
    "kept": "warn",
    "refused": "bad",
    "cancelled": "plain",
    "failed": "bad",
}
_FACTS = ("run", "step", "champion", "challenger", "metric", "challenger_value", "champion_value")


def page(outcome: Outcome) -> str:
    """The page of one outcome."""
    head = Markup("<p>{} {}</p>").format(
        html.badge(outcome.outcome, KINDS[outcome.outcome]), html.visible(outcome.text)
    )
    facts = vars(outcome)
    rows = [[key, facts[key]] for key in _FACTS if facts[key] is not None]
    counts = vars(outcome.rows) if outcome.rows else {}
    rows += [[f"rows: {key}", value] for key, value in counts.items()]
    return html.page(f"Retraining of {outcome.agent}", head + html.table(["", ""], rows))
