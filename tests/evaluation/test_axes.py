"""Axes have their ticks at round values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.pages import axes
from bertworks.pages.charts import histogram, line_chart

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.7903, 0.9523, ["0.75", "0.80", "0.85", "0.90", "0.95", "1.00"]),
        (0.0, 1.0, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-0.98, 0.97, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        (3.0, 48213.0, ["0", "10,000", "20,000", "30,000", "40,000", "50,000"]),
        (0.00012, 0.00031, ["0.00010", "0.00015", "0.00020", "0.00025", "0.00030", "0.00035"]),
    ],
)
def test_an_axis_reaches_from_one_round_value_to_another(
    low: float, high: float, labels: list[str]
) -> None:
    ends, ticks = axes.around(low, high)
    assert [tick.label for tick in axes.labelled(ticks, ends, 0, 100)] == labels
    assert ends[0] <= low and high <= ends[1]


def test_epochs_are_whole() -> None:
    assert axes.within(1, 3, whole=True) == [1, 2, 3]
    assert axes.within(1, 3) == [1, 1.5, 2, 2.5, 3]
    points = [(1, 0.79), (2, 0.93), (3, 0.95)]
    chart = str(line_chart({"validation": points}, "epoch", "accuracy"))
    assert ">1.5<" not in chart and ">2<" in chart and ">0.95<" in chart


def test_a_histogram_has_round_ticks_between_its_ends() -> None:
    edges = [3.0, 11.7, 20.4, 29.1, 37.8]
    chart = str(histogram(edges, [1, 2, 3, 4], "tokens"))
    assert ">37.8<" not in chart and all(f">{tick}<" in chart for tick in (10, 20, 30))


@given(FINITE, FINITE)
def test_any_span_has_ticks_in_order_and_in_reach(one: float, other: float) -> None:
    low, high = axes.span([one, other])
    ends, ticks = axes.around(low, high)
    assert ticks == sorted(ticks) and 1 <= len(ticks) <= 12
    inside = axes.within(low, high)
    assert len(inside) <= 12 and inside == sorted(inside)
    placed = axes.labelled(ticks, ends, 10, 100)
    assert all(math.isfinite(tick.at) for tick in placed)
    assert str(line_chart({"x": [(one, other), (other, one)]}))
