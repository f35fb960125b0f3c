"""Intervals: seeded, covering, and narrower for differences on the same rows."""

from __future__ import annotations

import numpy as np

from bertworks.evaluation import bootstrap


def mean_of(values: np.ndarray) -> bootstrap.Measure:
    return lambda weights: {"mean": weights @ values / weights.sum(axis=1)}


def test_each_resample_draws_as_many_rows_as_there_are() -> None:
    pieces = list(bootstrap.draw(rows=7, resamples=50, seed=1))
    weights = np.concatenate(pieces)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()
    # Rows are drawn with replacement, evenly.
    assert weights.max() >= 2
    assert abs(weights.mean() - 1) < 1e-9


def test_resamples_in_pieces_are_all_there(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(bootstrap, "_CELLS", 21)
    pieces = list(bootstrap.draw(rows=7, resamples=10, seed=1))
    assert [len(piece) for piece in pieces] == [3, 3, 3, 1]


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(0).random(50)
    first = bootstrap.estimate(mean_of(values), 50, 200, seed=4)
    assert first == bootstrap.estimate(mean_of(values), 50, 200, seed=4)
    assert first != bootstrap.estimate(mean_of(values), 50, 200, seed=5)


def test_intervals_cover_the_truth_about_95_times_in_100() -> None:
    random = np.random.default_rng(7)
    covered = 0
    for trial in range(200):
        found = bootstrap.estimate(mean_of(random.normal(2, 1, 60)), 60, 300, seed=trial)["mean"]
        assert found.low is not None and found.high is not None
        assert found.low < found.value < found.high
        covered += found.low <= 2 <= found.high
    # 200 trials at 0.95: four standard deviations below is 0.888.
    assert 0.888 <= covered / 200 <= 0.995


def test_no_resamples_no_interval() -> None:
    found = bootstrap.estimate(mean_of(np.ones(3)), 3, 0, seed=1)["mean"]
    assert (found.value, found.low, found.high) == (1.0, None, None)


def test_paired_difference_sees_a_small_steady_gain() -> None:
    random = np.random.default_rng(2)
    champion = random.normal(0, 5, 100)
    challenger = champion + 0.2 + random.normal(0, 0.1, 100)
    found = bootstrap.paired(mean_of(challenger), mean_of(champion), "mean", 100, 500, seed=1)
    assert found.low is not None and found.high is not None
    assert 0.15 < found.low < found.value < found.high < 0.25
    assert found.share_above == 1.0


def test_a_model_does_not_beat_itself() -> None:
    values = np.random.default_rng(2).random(30)
    found = bootstrap.paired(mean_of(values), mean_of(values), "mean", 30, 100, seed=1)
    assert (found.value, found.low, found.high, found.share_above) == (0, 0, 0, 0)
