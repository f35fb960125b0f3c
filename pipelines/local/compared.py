"""Two runs side by side: their specs, scores on the same rows, sizes, latencies, times a step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bertworks.contracts.latency import Speed
from bertworks.errors import BertworksError
from bertworks.evaluation.pairing import Paired, pair
from bertworks.spec.file import leaves
from pipelines.local.sides import STAGES, Side, StepTime

LISTED = ("data.sources.", "corpus.sources.")
"""Lists in the spec, of which one may have more entries."""


@dataclass(frozen=True)
class Named:
    """What is compared.

    Attributes:
        id: A run's id, or NAME/VERSION.
        agent: The agent's name.
        state: How it ended.
        lacks: What it does not have, and why.
    """

    id: str
    agent: str
    state: str
    lacks: list[str]


@dataclass(frozen=True)
class Setting:
    """A value of the spec that differs.

    Attributes:
        key: With dots: "finetune.epochs".
        first: The first one's value; null also where it has none.
        second: The second one's.
    """

    key: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Scores:
    """How two models of the same stage answer.

    Attributes:
        of: "bundle" or "model" (before compression).
        paired: On the rows that both answered; null where they cannot be compared row by row.
        why: Why not; else "".
        first: The first one's metrics on its own test rows; null where it has none.
        second: The second one's, likewise.
    """

    of: str
    paired: Paired | None
    why: str
    first: dict[str, float] | None
    second: dict[str, float] | None


@dataclass(frozen=True)
class Speeds:
    """Size and latency of two models of the same stage; measured at other times, so not paired.

    Attributes:
        of: "bundle" or "model" (before compression).
        first: The first one's; null where it has none.
        second: The second one's.
    """

    of: str
    first: Speed | None
    second: Speed | None


@dataclass(frozen=True)
class Times:
    """How long a box took in each.

    Attributes:
        step: The box.
        first: In the first one; null where it has no such box.
        second: In the second one.
    """

    step: str
    first: StepTime | None
    second: StepTime | None


@dataclass(frozen=True)
class Comparison:
    """Two runs, or versions, side by side.

    Attributes:
        first: One of them.
        second: The other one.
        metric: What both go by; "" where they go by other metrics.
        settings: Values of the spec that differ; null where one spec is not known.
        scores: Of the bundle and of the model before compression.
        speeds: Likewise.
        times: Box by box.
    """

    first: Named
    second: Named
    metric: str
    settings: list[Setting] | None
    scores: list[Scores]
    speeds: list[Speeds]
    times: list[Times]


def compare(first: Side, second: Side) -> Comparison:
    """Compares two runs as far as they can be; what cannot be says why."""
    known = first.spec is not None and second.spec is not None
    return Comparison(
        first=_named(first),
        second=_named(second),
        metric=first.metric if first.metric == second.metric else "",
        settings=list(_settings(first, second)) if known else None,
        scores=list(_scores(first, second)),
        speeds=[
            Speeds(stage, first.speeds.get(stage), second.speeds.get(stage))
            for stage in STAGES
            if stage in first.speeds or stage in second.speeds
        ],
        times=list(_times(first.steps, second.steps)),
    )


def _named(side: Side) -> Named:
    return Named(side.id, side.agent, side.state, side.lacks)


def _settings(first: Side, second: Side) -> Iterator[Setting]:
    """What differs; of a spec that is known in part, only what stands in it."""
    before, after = (
        # An empty mapping and none at all are one.
        {
            ".".join(map(str, key)): value
            for key, value in leaves(dict(side.spec or {}))
            if value != {}
        }
        for side in (first, second)
    )
    for key in dict.fromkeys([*before, *after]):
        told = (first.whole and second.whole) or (key in before and key in after)
        if before.get(key) != after.get(key) and (told or key.startswith(LISTED)):
            yield Setting(key, before.get(key), after.get(key))


def _scores(first: Side, second: Side) -> Iterator[Scores]:
    sides = (first, second)
    for stage in STAGES:
        if not any(stage in one.values for one in sides):
            continue
        paired, why = None, ""
        lacking = [one.id for one in sides if stage not in one.evaluated]
        if lacking:
            why = f"no answers row by row of the {stage} of {' and '.join(lacking)}"
        else:
            try:
                paired = pair(first.evaluated[stage], second.evaluated[stage])
            except BertworksError as error:
                why = error.message
        yield Scores(stage, paired, why, first.values.get(stage), second.values.get(stage))


def _times(first: Mapping[str, StepTime], second: Mapping[str, StepTime]) -> Iterator[Times]:
    """In the order of the longer DAG, the other's own boxes at their places among those after them."""
    longer, other = (first, second) if len(first) >= len(second) else (second, first)
    names = list(longer)
    for name in reversed(list(other)):
        if name not in names:
            follows = list(other)[list(other).index(name) + 1 :]
            at = next((names.index(one) for one in follows if one in names), len(names))
            names.insert(at, name)
    for name in names:
        yield Times(name, first.get(name), second.get(name))
