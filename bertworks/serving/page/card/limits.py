"""Where an agent is weak, in sentences, from what was measured: what a reader of a card asks first."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bertworks.contracts.metrics import Metric, overall
from bertworks.pages.text import spoken
from bertworks.serving.page.card.facts import Does, Measured, ModelCard
from bertworks.spec.bases import CATALOGUE, EVERY
from bertworks.spec.task_kinds import lower_is_better

WORST = 3
"""Weak slices and weak labels that are named, at most."""
FEW = 200
"""Test rows below which a card says that they are few."""
RARE = 10
"""Rows of a slice or label below which nothing is said of it."""
NORMAL = 1.96
"""Standard errors to either side of 95 %."""
BEHIND = 0.05
"""How far below all labels' mean a label's recall is named."""


def sentences(card: ModelCard) -> Iterator[str]:
    """What limits the agent, the general before the particular.

    Args:
        card: All of it but `limits`.
    """
    yield from _reading(card.does)
    yield from _knowing(card.does)
    yield from _languages(card.made_from.base)
    if card.measured is not None:
        yield from _measuring(card.measured)
        yield from _weak_slices(card.measured)
        yield from _weak_labels(card.measured)


def _reading(does: Does) -> Iterator[str]:
    how = f"{does.most_tokens} tokens (pieces of words) of a row"
    if does.long_text == "windows":
        how += f", in windows of {does.max_length}"
    yield f"It reads at most {how}; what stands behind is cut off, and the answer says `truncated`."


def _knowing(does: Does) -> Iterator[str]:
    if does.labels and "out_of_scope" not in does.answers and does.form != "words":
        many = len(does.labels) > 1
        yield (
            f"It knows {len(does.labels)} label{'s' * many} and nothing else: a text about something "
            "else is given one of them all the same."
            if not does.several
            else f"It knows {len(does.labels)} label{'s' * many} and nothing else."
        )
    if does.labels and not does.calibrated:
        yield "Its scores were not calibrated: 0.9 need not mean that nine of ten are right."


def _languages(base: str) -> Iterator[str]:
    known = next((one for one in CATALOGUE if one.checkpoint.uri == base), None)
    if known is not None and EVERY not in known.languages:
        named = ", ".join(known.languages)
        yield f"Its encoder ({known.model}) learned from texts in: {named}. Others it hardly reads."


def _measuring(measured: Measured) -> Iterator[str]:
    judged = overall(measured.metrics).get(measured.judged_by)
    if (
        judged is not None
        and judged.low is not None
        and judged.high is not None
        and judged.rows < FEW
    ):
        yield (
            f"It was measured on {judged.rows} rows alone: its {spoken(judged.name)} may be anything "
            f"from {judged.low:.3f} to {judged.high:.3f} (95 %)."
        )


def _weak_slices(measured: Measured) -> Iterator[str]:
    """Slices whose whole interval is worse than the value over all rows."""
    name = measured.judged_by
    judged = overall(measured.metrics).get(name)
    if judged is None:
        return
    lower = lower_is_better(name)

    def behind(one: Metric) -> float:
        best = _best(one, lower)
        return 0.0 if best is None else (best - judged.value) * (1 if lower else -1)

    same = [one for one in measured.slices if one.name == name and one.rows >= RARE]
    weak = [one for one in sorted(same, key=behind, reverse=True) if behind(one) > 0]
    for one in weak[:WORST]:
        yield (
            f"It is worse where {one.slice}: {spoken(name)} {one.value:.3f} on {one.rows} rows, "
            f"{judged.value:.3f} on all."
        )


def _best(one: Metric, lower: bool) -> float | None:
    """The better end of a metric's 95 % interval; of a share without one, by the normal distribution.

    None: there is none, and it is no share of the rows.
    """
    if one.low is not None and one.high is not None:
        return one.low if lower else one.high
    if lower or not 0.0 <= one.value <= 1.0:
        return None
    return one.value + NORMAL * math.sqrt(one.value * (1.0 - one.value) / one.rows)


def _weak_labels(measured: Measured) -> Iterator[str]:
    """Labels that are found much less often than labels are on the average."""
    found = measured.entities or measured.labels
    known = {
        label: scores
        for label, scores in found.items()
        if not label.endswith(" average") and scores.support >= RARE
    }
    if len(known) < 2:
        return
    mean = sum(scores.recall for scores in known.values()) / len(known)
    weak = sorted((scores.recall, label) for label, scores in known.items())
    for recall, label in weak[:WORST]:
        if recall < mean - BEHIND:
            yield (
                f"Of {known[label].support} test rows with `{label}` it finds {recall:.0%}; "
                f"of all labels {mean:.0%} on the average."
            )
