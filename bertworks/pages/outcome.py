"""The notify step's page."""

from __future__ import annotations

from dataclasses import dataclass

from bertworks.contracts.retraining import Outcome
from bertworks.pages.parts import Badge, BadgeKind, Table
from bertworks.pages.views import View

KINDS: dict[str, BadgeKind] = {
    "promoted": "good",
    "unchanged": "good",
    "kept": "warn",
    "refused": "bad",
    "cancelled": "plain",
    "failed": "bad",
}
_FACTS = ("run", "step", "champion", "challenger", "metric", "challenger_value", "champion_value")


@dataclass(frozen=True)
class OutcomePage(View):
    """How a retraining ended, in a word and in sentences, and its facts."""

    template = "outcome.html.j2"

    agent: str
    ending: Badge
    text: str
    facts: Table


def page(outcome: Outcome) -> str:
    """The page of one outcome."""
    facts = vars(outcome)
    rows = [[key, facts[key]] for key in _FACTS if facts[key] is not None]
    counts = vars(outcome.rows) if outcome.rows else {}
    rows += [[f"rows: {key}", value] for key, value in counts.items()]
    ending = Badge(outcome.outcome, KINDS[outcome.outcome])
    return str(OutcomePage(outcome.agent, ending, outcome.text, Table(["", ""], rows)))
