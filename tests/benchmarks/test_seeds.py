"""What is said of several seeds: means, spreads and how far the gates are."""

import pytest

from benchmarks.seeds import Outcome, result

GATES = {"minimum": 0.78, "max_drop": 0.02, "max_size_mb": 25.0, "beat_floor": True}


def outcome(seed: int, model: float, bundle: float, size: float = 19.5) -> Outcome:
    def of(value: float) -> dict[str, float]:
        return {"validation": value + 0.01, "test": value, "both": value + 0.005}

    return Outcome(
        seed, {"model": of(model), "pruned": of(bundle), "bundle": of(bundle)},
        {"model": f"sha256:{seed}abcdefghij"}, least_drop=model - bundle - 0.01, passed=True,
        seconds=100.0, engine="x", size_mb=size,
    )  # fmt: skip


def rows(outcomes, **gates):
    found = result("examples/a.yaml", outcomes, {**GATES, **gates}, 0.75, [1, 2, 3])
    return found, {row.what: row for row in found.rows}


def test_means_and_spreads_are_over_the_seeds() -> None:
    found, named = rows([outcome(1, 0.82, 0.80), outcome(2, 0.83, 0.81), outcome(3, 0.84, 0.82)])
    row = named["bundle, test"]
    assert row.own == pytest.approx(0.81) and row.rounds == 3
    assert "deviation 0.0100; 0.8000 to 0.8200" in row.note
    assert named["bundle, both"].own == pytest.approx(0.815)
    assert named["loss from fine-tuned to bundle, both splits"].own == pytest.approx(0.02)
    assert "1abcdefg" in found.data and "3 of 3 seeds" in found.title


def test_margins_are_counted_in_deviations_between_seeds() -> None:
    three = [outcome(1, 0.82, 0.80), outcome(2, 0.83, 0.81), outcome(3, 0.84, 0.82)]
    _, named = rows(three)
    safe = named["margin of gates.minimum"]
    assert safe.own == pytest.approx(3.0) and "three of them away: 0.7800" in safe.note
    assert rows(three, minimum=0.779)[1]["margin of gates.minimum"].met
    assert not rows(three, minimum=0.8)[1]["margin of gates.minimum"].met
    assert named["margin of the floor (TF-IDF)"].own == pytest.approx(6.0)
    uneven = [outcome(1, 0.82, 0.81), outcome(2, 0.83, 0.81), outcome(3, 0.84, 0.81)]
    least = rows(uneven)[1]["margin of gates.max_drop"]
    assert least.own == pytest.approx(1.0) and "mean 0.0100" in least.note
    assert "margin of gates.minimum" not in rows(three, minimum=None)[1]


def test_the_largest_bundle_and_the_refused_seeds_count() -> None:
    two = [outcome(1, 0.82, 0.80), outcome(2, 0.83, 0.81, size=26.0)]
    two[1].passed = False
    _, named = rows(two)
    assert named["largest bundle"].met is False
    assert (named["gates passed"].own, named["gates passed"].met) == (1, False)
