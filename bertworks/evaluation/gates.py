"""The gates: what a compressed bundle must meet before it may serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bertworks.errors import ArtifactError
from bertworks.evaluation.bootstrap import Difference, paired
from bertworks.evaluation.measures import LOWER_IS_BETTER, measure_of
from bertworks.evaluation.metrics import value_of
from bertworks.evaluation.predictions import Predictions
from bertworks.spec import Gates

RESAMPLES = 1000


@dataclass(frozen=True)
class Measured:
    """What the gates look at.

    Attributes:
        bundle: metrics.json of the bundle.
        model: metrics.json of the uncompressed model.
        floor: floor.json; empty when there is none.
        latency: latency.json of the bundle.
        champion: How much the bundle is above the present champion; None without a champion.
    """

    bundle: list[dict[str, Any]]
    model: list[dict[str, Any]]
    floor: list[dict[str, Any]]
    latency: dict[str, float]
    champion: Difference | None = None


def decide(
    gates: Gates, metric: str, measured: Measured, *, challenge: bool = False
) -> dict[str, Any]:
    """Checks every rule that is asked for.

    For metrics where lower is better (mae, rmse, calibration_error) `minimum` is read as the highest
    value allowed, and drops and comparisons turn round accordingly.

    Args:
        gates: The rules.
        metric: The metric of the rules.
        measured: What to look at.
        challenge: Also ask, whatever the rules say, that the bundle be better than the champion by
            more than the noise: the whole 95 % interval of the difference is on the better side.

    Returns:
        What decision.json holds: passed, metric, rules, reasons.

    Raises:
        SpecError: The metric was not measured.
        ArtifactError: The floor is asked for, but was not measured.
    """
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    value = value_of(measured.bundle, metric)
    rules = []
    if gates.minimum is not None:
        rules.append(_rule("minimum", gates.minimum, value, sign * (value - gates.minimum) >= 0))
    if gates.max_drop is not None:
        drop = sign * (value_of(measured.model, metric) - value)
        # Rounded: 0.86 - 0.84 is a little more than 0.02 in binary.
        rules.append(_rule("max_drop", gates.max_drop, drop, round(drop, 9) <= gates.max_drop))
    if gates.max_latency_ms is not None:
        p95 = measured.latency["p95_ms"]
        rules.append(
            _rule("max_latency_ms", gates.max_latency_ms, p95, p95 <= gates.max_latency_ms)
        )
    if gates.max_size_mb is not None:
        size = measured.latency["size_mb"]
        rules.append(_rule("max_size_mb", gates.max_size_mb, size, size <= gates.max_size_mb))
    if gates.beat_floor:
        rules.append(_beats_floor(measured.floor, metric, value, sign))
    if challenge:
        rules.append(_beats_noise(measured.champion, sign))
    elif gates.beat_champion:
        rules.append(_beats_champion(measured.champion, sign))
    reasons = [_reason(rule, metric) for rule in rules if not rule["passed"]]
    return {"passed": not reasons, "metric": metric, "rules": rules, "reasons": reasons}


def against_champion(
    challenger: Predictions, champion: Predictions, metric: str, seed: int
) -> Difference:
    """Compares two bundles on the test rows that both have seen, by id and truth.

    Raises:
        ArtifactError: They share no rows.
    """
    place = {name: row for row, name in enumerate(champion.ids)}
    shared = [
        (row, place[name])
        for row, name in enumerate(challenger.ids)
        if name in place
        and challenger.named(challenger.truth, row) == champion.named(champion.truth, place[name])
    ]
    if not shared:
        raise ArtifactError(
            "The champion was tested on other rows: none is the same, so they cannot be compared.",
            "Turn gates.beat_champion off for this run, or keep data.salt and the sources as they were.",
        )
    ours, theirs = (np.array(column) for column in zip(*shared, strict=True))
    measures = measure_of(challenger.take(ours)), measure_of(champion.take(theirs))
    return paired(*measures, metric, len(ours), RESAMPLES, seed)


def _beats_floor(
    floor: list[dict[str, Any]], metric: str, value: float, sign: float
) -> dict[str, Any]:
    if not floor:
        raise ArtifactError(
            "gates.beat_floor is on, but no floor was measured.",
            "Set evaluate.floor: true, or gates.beat_floor: false.",
        )
    known = {one["name"]: one["value"] for one in floor}
    if metric not in known:
        # Not defined for the floor (a constant has no correlation): anything is above it.
        return _rule("beat_floor", None, value, True, f"the floor has no {metric}")
    return _rule("beat_floor", known[metric], value, sign * (value - known[metric]) > 0)


def _beats_champion(found: Difference | None, sign: float) -> dict[str, Any]:
    if found is None:
        return _rule("beat_champion", None, None, True, "there is no champion yet")
    return _rule("beat_champion", 0.0, found.value, sign * found.value > 0, _interval(found))


def _beats_noise(found: Difference | None, sign: float) -> dict[str, Any]:
    if found is None:
        return _rule("beat_noise", None, None, True, "there is no champion to compare with")
    bound = found.low if sign > 0 else found.high
    passed = bound is not None and sign * bound > 0
    return _rule("beat_noise", 0.0, found.value, passed, _interval(found))


def _interval(found: Difference) -> str:
    if found.low is None or found.high is None:
        return ""
    return f"95 % interval of the difference {found.low:+.4f} to {found.high:+.4f}"


def _rule(
    name: str, limit: float | None, value: float | None, passed: bool, note: str = ""
) -> dict[str, Any]:
    return {"name": name, "limit": limit, "value": value, "passed": bool(passed), "note": note}


_WORDS = {
    "minimum": "{metric} is {value:.4f}, the gate asks for {limit:g}",
    "max_drop": "{metric} is {value:.4f} worse than the uncompressed model's, at most {limit:g} is "
    "allowed",
    "max_latency_ms": "p95 latency is {value:.2f} ms, at most {limit:g} ms is allowed",
    "max_size_mb": "the bundle has {value:.2f} MB, at most {limit:g} MB is allowed",
    "beat_floor": "{metric} is {value:.4f}, not better than the floor's {limit:.4f}",
    "beat_champion": "{metric} differs by {value:+.4f} from the champion's on the same rows",
    "beat_noise": "{metric} differs by {value:+.4f} from the champion's on the same rows, which is not "
    "better by more than the noise",
}

REMEDIES = {
    "minimum": "train longer (finetune.epochs), give more data, or lower gates.minimum",
    "max_drop": "compress less (compress.prune.speedup, compress.quantize.max_drop), distil longer "
    "(compress.prune.epochs), or raise gates.max_drop",
    "max_latency_ms": "raise compress.prune.speedup, lower task.max_length, or raise "
    "gates.max_latency_ms",
    "max_size_mb": "raise compress.prune.speedup, keep only int8 candidates, or raise "
    "gates.max_size_mb",
    "beat_floor": "train longer or check the labels: word counts alone do as well",
    "beat_champion": "keep the champion, or set gates.beat_champion: false to replace it anyway",
    "beat_noise": "keep the champion, or give more rows",
}


def _reason(rule: dict[str, Any], metric: str) -> str:
    text = _WORDS[rule["name"]].format(metric=metric, value=rule["value"], limit=rule["limit"])
    return f"{text} ({rule['note']})" if rule["note"] else text
