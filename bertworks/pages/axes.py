"""Where an axis has its ticks: at round values, 1, 2 or 5 times a power of ten apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Span = tuple[float, float]
_EPS = 1e-9  # of a step: binary fractions miss round values by less


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, in pixels, and what stands there."""

    at: float
    label: str


def span(values: Sequence[float]) -> Span:
    """The smallest and largest value, never equal."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high > low:
        return low, high
    room = 0.5 * max(1.0, abs(low) * 1e-3)
    return low - room, high + room


def place(value: float, between: Span) -> float:
    """Where a value stands in a span, from 0 to 1."""
    width = between[1] - between[0]
    return (value - between[0]) / width if math.isfinite(width) and width > 0 else 0.0


def within(low: float, high: float, whole: bool = False) -> list[float]:
    """The round values from `low` to `high`, four to seven of them where there are as many.

    Args:
        low, high: The ends of the axis.
        whole: Whether values between whole numbers make no sense.
    """
    step = _step(low, high, whole)
    if step is None:
        return [low, high] if high > low else [low]
    first, last = math.ceil(low / step - _EPS), math.floor(high / step + _EPS)
    return [_times(number, step) for number in range(first, last + 1)]


def around(low: float, high: float) -> tuple[Span, list[float]]:
    """The smallest span with round ends that holds `low` and `high`, and its ticks."""
    step = _step(low, high, False)
    if step is None:
        return (low, high), [low, high] if high > low else [low]
    first, last = math.floor(low / step + _EPS), math.ceil(high / step - _EPS)
    ticks = [_times(number, step) for number in range(first, last + 1)]
    return (ticks[0], ticks[-1]), ticks


def labelled(ticks: Sequence[float], between: Span, origin: float, length: float) -> list[Tick]:
    """Ticks along an axis of `length` pixels that begins at `origin`."""
    return [
        Tick(round(origin + length * place(tick, between), 1), label)
        for tick, label in zip(ticks, _labels(ticks), strict=True)
    ]


def _step(low: float, high: float, whole: bool) -> float | None:
    """The distance of the ticks; None where the span is too small or too large for round ones."""
    width = high - low
    if not math.isfinite(width) or width <= 1e-12 * max(abs(low), abs(high)) or width < 1e-300:
        return None
    raw = width / 5
    power = math.floor(math.log10(raw))
    base = 10.0**power
    step = next(times * base for times in (1.0, 2.0, 5.0, 10.0) if times * base >= raw * (1 - _EPS))
    return max(step, 1.0) if whole else step


def _times(number: int, step: float) -> float:
    """A multiple of a step without what binary fractions add to it."""
    digits = max(0, 1 - math.floor(math.log10(step)))
    return round(number * step, min(digits, 300)) + 0.0


def _labels(ticks: Sequence[float]) -> list[str]:
    """All with as many decimals as the one that needs most; very large and small ones as powers."""
    most = max((abs(tick) for tick in ticks), default=0.0)
    step = min((b - a for a, b in zip(ticks, ticks[1:], strict=False)), default=most or 1.0)
    if step <= 1e-5 or most >= 1e7:
        return [f"{tick:.4g}" for tick in ticks]
    digits = max((len(f"{tick:.6g}".partition(".")[2]) for tick in ticks), default=0)
    return [f"{tick:,.{digits}f}" for tick in ticks]
