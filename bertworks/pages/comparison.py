"""The compare step's page: what changed, and why the run goes on or ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bertworks.pages.parts import Badge, Table
from bertworks.pages.views import View
from bertworks.retraining.comparison import Comparison
from bertworks.retraining.plan import counts

_ROWS = {
    "new": "new to the champion",
    "relabelled": "of these, known with another label",
    "waiting": "new, but their label has too few training rows yet",
    "rehearsed": "old, trained on again",
    "left_out": "old, not trained on again",
    "train": "in the challenger's train split",
    "validation": "in its validation split",
    "test": "in its test split, where the champion is judged too",
}


@dataclass(frozen=True)
class ServingChampion:
    """The version that serves."""

    number: int
    created: str


@dataclass(frozen=True)
class ComparisonPage(View):
    """The verdict with its reason, rows, drift and labels; None where there is nothing to show."""

    template = "comparison.html.j2"

    name: str
    verdict: Badge
    reason: str
    champion: ServingChampion | None
    notes: Sequence[str]
    rows: Table
    drift: Table | None
    labels: Table | None


def page(name: str, found: Comparison) -> str:
    """The page of one comparison."""
    champion = found.past.champion
    numbers = vars(counts(found.plan))
    view = ComparisonPage(
        name=name,
        verdict=Badge("train a challenger", "warn") if found.changed else Badge("keep", "good"),
        reason=found.reason,
        champion=ServingChampion(champion.number, champion.created) if champion else None,
        notes=found.past.notes,
        rows=Table(["rows", ""], [[numbers[key], text] for key, text in _ROWS.items()], [0]),
        drift=_drift(found) if found.drifts else None,
        labels=_labels(found) if found.labels else None,
    )
    return str(view)


def _drift(found: Comparison) -> Table:
    rows = [
        [
            one.name,
            round(one.value, 4),
            one.limit,
            Badge("change", "warn") if one.is_change else Badge("as before", "good"),
            "chance explains as much" if one.by_chance else "",
        ]
        for one in found.drifts
    ]
    return Table(["", "divergence, bits", "limit", "", ""], rows, [1, 2])


def _labels(found: Comparison) -> Table:
    rows = [
        [
            label,
            before,
            new,
            Badge("new label", "warn") if label in found.plan.new_labels else "",
        ]
        for label, (before, new) in found.labels.items()
    ]
    return Table(["label", "known rows", "new rows", ""], rows, [1, 2])
