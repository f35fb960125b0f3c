"""What the server counted, as the page shows it: the meters of /metrics, for one model, as JSON."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Sample = tuple[str, dict[str, str], float]
Meters = Mapping[str, list[tuple[dict[str, str], float]]]
Histogram = list[tuple[float | None, float]]
"""Upper bound (None: there is none) and how many are at or below it."""


@dataclass(frozen=True)
class Panel:
    """A table of another room: drift, an upgrade on its way.

    Attributes:
        title: Its heading.
        head: Titles of the columns.
        rows: Texts and numbers.
        text: A sentence above; may be "".
        numeric: Columns that hold numbers.
    """

    title: str
    head: list[str]
    rows: list[list[str | float]]
    text: str = ""
    numeric: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Figures:
    """What the page shows of a model.

    Attributes:
        requests: Outcome to requests, since the server began.
        rows: Rows answered.
        seconds: "one" and "many" (rows in a request) to the histogram of the time to the answer.
        in_progress: Requests that are being answered.
        waiting: Requests that wait, of all models.
        turned_away: Reason to requests that got no answer, of all models.
        panels: Of other rooms; none where they have nothing to tell.
    """

    requests: dict[str, float]
    rows: float
    seconds: dict[str, Histogram]
    in_progress: float
    waiting: float
    turned_away: dict[str, float]
    panels: list[Panel]


Tell = Callable[[str], Panel | None]
"""Tells of a model, by its name; None: there is nothing to tell."""


def figures(name: str, tellers: Sequence[Tell] = ()) -> Figures:
    """The figures of a model.

    Args:
        name: The model's name in the URLs.
        tellers: Of other rooms.
    """
    known = _by_name(_samples(name))

    def value(meter: str) -> float:
        return sum(count for _, count in known[meter])

    def by(meter: str, label: str) -> dict[str, float]:
        return {labels[label]: count for labels, count in known[meter]}

    buckets: dict[str, Histogram] = {"one": [], "many": []}
    for labels, count in known["bertworks_request_seconds_bucket"]:
        bound = float(labels["le"])
        buckets[labels["rows"]].append((None if math.isinf(bound) else bound, count))
    told = [_drift(known), *(tell(name) for tell in tellers)]
    return Figures(
        requests=by("bertworks_requests_total", "outcome"),
        rows=value("bertworks_rows_total"),
        seconds=buckets,
        in_progress=value("bertworks_requests_in_progress"),
        waiting=value("bertworks_requests_waiting"),
        turned_away=by("bertworks_requests_turned_away_total", "reason"),
        panels=[panel for panel in told if panel is not None],
    )


def _drift(known: Meters) -> Panel | None:
    """The last window against the training's rows; None: none was full yet."""
    limits = {labels["measure"]: value for labels, value in known["bertworks_drift_limit_bits"]}
    drifted = {labels["measure"]: value for labels, value in known["bertworks_drift"]}
    rows: list[list[str | float]] = [
        [
            labels["measure"],
            round(bits, 4),
            round(limits.get(labels["measure"], math.nan), 4),
            "drifted" if drifted.get(labels["measure"]) else "as in training",
        ]
        for labels, bits in known["bertworks_drift_bits"]
    ]
    said = "How far the last window of texts and answers is from the training's rows, above chance."
    head = ["measure", "bits", "limit", "outcome"]
    return Panel("Drift", head, rows, said, [1, 2]) if rows else None


def _samples(name: str) -> Iterable[Sample]:
    """All samples of ours that are about a model or about none."""
    from prometheus_client import REGISTRY

    for family in REGISTRY.collect():
        if family.name.startswith("bertworks_"):
            for sample in family.samples:
                if sample.labels.get("model_name", name) == name:
                    yield sample.name, sample.labels, sample.value


def _by_name(samples: Iterable[Sample]) -> Meters:
    found: dict[str, Any] = defaultdict(list)
    for name, labels, value in samples:
        found[name].append((labels, value))
    return found
