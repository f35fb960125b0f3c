"""Percentile-bootstrap intervals (Efron & Tibshirani 1993, chapters 13 and 16).

A metric is a function of row weights: all ones give its value, and a resample is the number of times
that each row was drawn. So one implementation gives the value and, for many resamples at a time, its
interval.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bertworks.tasks.scores import Measure

_CELLS = 4_000_000


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval; `low` and `high` are None without resamples."""

    value: float
    low: float | None
    high: float | None


def estimate(measure: Measure, rows: int, resamples: int, seed: int) -> dict[str, Estimate]:
    """Each metric's value with its 95 % percentile interval.

    Args:
        measure: The metrics, as a function of row weights.
        rows: How many rows there are.
        resamples: How many resamples; 0 gives no intervals.
        seed: Same seed, same interval.
    """
    values = {name: float(found[0]) for name, found in measure(np.ones((1, rows))).items()}
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in values}
    for weights in draw(rows, resamples, seed):
        for name, found in measure(weights).items():
            drawn[name].append(found)
    return {name: _interval(value, drawn[name]) for name, value in values.items()}


@dataclass(frozen=True)
class Difference:
    """How much a challenger is above a champion on the same rows.

    Attributes:
        value: Challenger minus champion.
        low, high: 95 % interval of the difference, or None without resamples.
        share_above: Share of resamples where the challenger is above.
    """

    value: float
    low: float | None
    high: float | None
    share_above: float | None


def paired(
    challenger: Measure, champion: Measure, name: str, rows: int, resamples: int, seed: int
) -> Difference:
    """Compares two models by one metric; see `differences`."""

    def alone(measure: Measure) -> Measure:
        return lambda weights: {name: measure(weights)[name]}

    return differences(alone(challenger), alone(champion), rows, resamples, seed)[name]


def differences(
    challenger: Measure, champion: Measure, rows: int, resamples: int, seed: int
) -> dict[str, Difference]:
    """Compares two models by resampling the same rows for both: every metric that both have.

    Args:
        challenger: Metrics of the new model, as a function of row weights.
        champion: Metrics of the present model, over the same rows in the same order.
        rows: How many rows there are.
        resamples: How many resamples.
        seed: Same seed, same answer.
    """

    def gaps(weights: np.ndarray) -> dict[str, np.ndarray]:
        new, present = challenger(weights), champion(weights)
        return {name: np.asarray(new[name] - present[name]) for name in new if name in present}

    values = {name: float(gap[0]) for name, gap in gaps(np.ones((1, rows))).items()}
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in values}
    for weights in draw(rows, resamples, seed):
        for name, gap in gaps(weights).items():
            drawn[name].append(gap)
    return {name: _difference(value, drawn[name]) for name, value in values.items()}


def _difference(value: float, drawn: list[np.ndarray]) -> Difference:
    found = _interval(value, drawn)
    above = float((np.concatenate(drawn) > 0).mean()) if drawn else None
    return Difference(value, found.low, found.high, above)


def draw(rows: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yields weights, shape (at most resamples, rows), in pieces that bound the memory used."""
    random = np.random.default_rng(seed)
    if rows == 0:
        return
    at_once = max(1, _CELLS // rows)
    for begin in range(0, resamples, at_once):
        count = min(at_once, resamples - begin)
        picks = random.integers(0, rows, size=(count, rows))
        picks += np.arange(count)[:, None] * rows
        yield np.bincount(picks.ravel(), minlength=count * rows).reshape(count, rows).astype(float)


def _interval(value: float, drawn: list[np.ndarray]) -> Estimate:
    """The middle 95 % of the resamples in which the metric is defined."""
    every = np.concatenate(drawn) if drawn else np.zeros(0)
    every = every[np.isfinite(every)]
    if not len(every):
        return Estimate(value, None, None)
    low, high = np.quantile(every, [0.025, 0.975])
    return Estimate(value, float(low), float(high))
