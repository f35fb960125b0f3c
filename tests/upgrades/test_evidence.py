"""The sequential test: looking after every observation finds nothing that is not there, and what is."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.serving.upgrades.evidence import ConfidenceSequence, Evidence

LEVEL = 0.05
RUNS, STEPS = 120, 300
MOST = LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / RUNS)
"""Of RUNS, what a test of that level may refute by chance: three standard errors above it."""


def ever(values, bound):
    """Whether the evidence refutes "the mean is at most `bound`" at any of many looks."""
    evidence = Evidence(bound)
    for value in values:
        evidence.add(float(value))
        if evidence.rejects(LEVEL):
            return True
    return False


def draws(seed, mean, shape=(RUNS, STEPS)):
    return np.random.default_rng(seed).random(shape) < mean


def test_looking_after_every_observation_raises_no_false_alarms():
    alarms = np.mean([ever(run, 0.5) for run in draws(0, 0.5)])
    assert alarms <= MOST
    # What is guarded against: a test of fixed size, looked at as often, on the very same draws.
    seen = draws(0, 0.5)
    counts = np.arange(1, STEPS + 1)
    scores = (seen.cumsum(axis=1) / counts - 0.5) / np.sqrt(0.25 / counts)
    naive = np.mean((scores[:, 20:] > 1.645).any(axis=1))
    assert naive > 4 * LEVEL
    assert alarms < naive / 3


def test_rare_events_raise_no_false_alarms():
    assert np.mean([ever(run, 0.02) for run in draws(1, 0.02)]) <= MOST


def test_values_that_depend_on_those_before_raise_no_false_alarms():
    """Only the mean given the past is bounded: here bad stretches follow each other."""

    def run(stream):
        mean = 0.5
        for _ in range(STEPS):
            value = float(stream.random() < mean)
            mean = 0.5 if value else 0.1
            yield value

    stream = np.random.default_rng(2)
    assert np.mean([ever(run(stream), 0.5) for _ in range(RUNS // 2)]) <= MOST


def test_what_is_there_is_found():
    found = [ever(run, 0.5) for run in draws(3, 0.65, (100, STEPS))]
    assert np.mean(found) > 0.95


def test_a_certain_fault_is_found_in_a_few_observations():
    evidence = Evidence(0.5)
    needed = 0
    while not evidence.rejects(0.01):
        evidence.add(1.0)
        needed += 1
    assert needed <= 12


def test_evidence_that_was_there_stays():
    evidence = Evidence(0.5)
    for _ in range(30):
        evidence.add(1.0)
    assert evidence.rejects(LEVEL)
    for _ in range(3000):
        evidence.add(0.0)
    assert evidence.rejects(LEVEL)
    for _ in range(3000):  # the capital has no room for more, and stays a number
        evidence.add(1.0)
    assert math.isfinite(evidence.logarithm)


@given(st.lists(st.floats(0, 1), max_size=50), st.floats(0.01, 0.99))
def test_capital_is_a_fair_game(values, bound):
    """Of two values whose mean is the bound, neither makes the gambler richer in the mean."""
    evidence = Evidence(bound)
    for value in values:
        evidence.add(value)
    before = [capital for _, capital in evidence._bets]
    expected = [0.0] * len(before)
    for value, chance in ((1.0, bound), (0.0, 1 - bound)):
        branch = Evidence(bound)
        branch._bets = list(evidence._bets)
        branch.add(value)
        expected = [
            old + chance * new for old, (_, new) in zip(expected, branch._bets, strict=True)
        ]
    assert expected == pytest.approx(before, rel=1e-9)


@pytest.mark.parametrize("bound", [0.0, 1.0, -1.0, math.nan])
def test_a_bound_that_is_none_is_refused(bound):
    with pytest.raises(ValueError, match="bound must be between 0 and 1"):
        Evidence(bound)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_a_value_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match="value must be from 0 to 1"):
        Evidence(0.5).add(value)


@pytest.mark.parametrize("mean", [0.5, 0.03])
def test_intervals_hold_at_all_times_at_once(mean):
    def misses(run):
        sequence = ConfidenceSequence(LEVEL)
        for value in run:
            sequence.add(float(value))
            low, high = sequence.bounds
            if not low <= mean <= high:
                return True
        return False

    assert np.mean([misses(run) for run in draws(4, mean, (200, STEPS))]) <= MOST


def test_intervals_shrink_around_the_mean():
    sequence = ConfidenceSequence(LEVEL)
    assert (sequence.mean, sequence.bounds) == (None, (0.0, 1.0))
    widths = []
    for value in draws(5, 0.3, (4000,)):
        sequence.add(float(value))
        widths.append(sequence.bounds[1] - sequence.bounds[0])
    assert widths[99] > 2 * widths[-1]
    assert widths[-1] < 0.12
    assert sequence.mean == pytest.approx(0.3, abs=0.03)
