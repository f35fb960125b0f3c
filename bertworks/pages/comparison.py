"""The compare step's page: what changed, and why the run goes on or ends."""

from __future__ import annotations

from markupsafe import Markup

from bertworks.pages import html
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


def page(name: str, found: Comparison) -> str:
    """The page of one comparison."""
    verdict = (
        html.badge("train a challenger", "warn") if found.changed else html.badge("keep", "good")
    )
    parts = [Markup("<p>{} {}</p>").format(verdict, html.visible(found.reason))]
    champion = found.past.champion
    if champion:
        about = Markup('<p class="soft">Champion: version {} of {}</p>')
        parts.append(about.format(champion.number, champion.created))
    parts += [Markup("<p>{}</p>").format(html.visible(note)) for note in found.past.notes]
    numbers = vars(counts(found.plan))
    parts.append(Markup("<h2>Rows</h2>"))
    parts.append(
        html.table(["rows", ""], [[numbers[key], text] for key, text in _ROWS.items()], [0])
    )
    if found.drifts:
        parts += [Markup("<h2>Drift of the new rows</h2>"), _drift(found)]
    if found.labels:
        parts += [Markup("<h2>Labels</h2>"), _labels(found)]
    return html.page(f"What is new: {name}", Markup("\n").join(parts))


def _drift(found: Comparison) -> Markup:
    rows = [
        [
            one.name,
            round(one.value, 4),
            one.limit,
            html.badge("change", "warn") if one.is_change else html.badge("as before", "good"),
            "chance explains as much" if one.by_chance else "",
        ]
        for one in found.drifts
    ]
    return html.table(["", "divergence, bits", "limit", "", ""], rows, [1, 2])


def _labels(found: Comparison) -> Markup:
    rows = [
        [
            label,
            before,
            new,
            html.badge("new label", "warn") if label in found.plan.new_labels else "",
        ]
        for label, (before, new) in found.labels.items()
    ]
    return html.table(["label", "known rows", "new rows", ""], rows, [1, 2])
