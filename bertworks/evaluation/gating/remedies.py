"""What helps a bundle that the gates refused: settings by their names, and values that suffice."""

from __future__ import annotations

import math
from collections.abc import Callable

from bertworks.contracts.decision import Decision, Rule
from bertworks.evaluation.gating.gates import Measured
from bertworks.spec.task_kinds import lower_is_better

_SMALLER = "prune more (compress.prune.speedup)"


def fix(decision: Decision, measured: Measured) -> str:
    """An instruction for every rule that was not met."""
    told = [_REMEDIES[rule.name](rule, decision.metric, measured) for rule in decision.broken]
    text = "; ".join(told)
    return text[0].upper() + text[1:] + "."


def _minimum(rule: Rule, metric: str, measured: Measured) -> str:
    lower = lower_is_better(metric)
    word, value = ("raise", _up) if lower else ("lower", _down)
    return (
        f"train longer (raise finetune.epochs), or {word} gates.minimum to {value(_of(rule.value))}"
    )


def _max_drop(rule: Rule, metric: str, measured: Measured) -> str:
    enough = _of(rule.value) if measured.drop is None else max(0.0, measured.drop.low)
    return (
        "compress less (lower compress.prune.speedup or set compress.prune.enabled: false; list "
        "onnxruntime-fp32 alone in compress.quantize.candidates), or raise gates.max_drop to "
        f"{_up(enough)}"
    )


def _max_latency(rule: Rule, metric: str, measured: Measured) -> str:
    enough = _up(_of(rule.value), 2)
    return f"{_SMALLER}, lower task.max_length, or raise gates.max_latency_ms to {enough}"


def _max_size(rule: Rule, metric: str, measured: Measured) -> str:
    """A smaller candidate is named with what kept it out, which a limit on size cannot tell."""
    raised = f"raise gates.max_size_mb to {_up(_of(rule.value), 1)}"
    for one in sorted(measured.candidates, key=lambda one: one.size_mb or math.inf):
        checks = {check.setting: check for check in one.times.checks} if one.times else {}
        size, own = checks.get("gates.max_size_mb"), checks.get("compress.quantize.max_drop")
        if size and size.met and own and own.met is False:
            enough = _up(max(own.limit, (one.drop.low if one.drop else 0.0) or own.value))
            return (
                f"raise compress.quantize.max_drop to {enough}: {one.name} is small enough, but was "
                f"left out ({own.said}); or {raised}"
            )
    return f"{_SMALLER}, list int8 candidates (compress.quantize.candidates), or {raised}"


def _beat_floor(rule: Rule, metric: str, measured: Measured) -> str:
    gap = abs(_of(rule.value) - _of(rule.limit))
    how = "do as well" if gap < 0.005 else f"do better by {gap:.3f}"
    return (
        "train longer (raise finetune.epochs), or set gates.beat_floor: false: word counts alone "
        f"{how}"
    )


def _beat_champion(rule: Rule, metric: str, measured: Measured) -> str:
    return "keep the champion, or set gates.beat_champion: false to replace it anyway"


def _coverage(rule: Rule, metric: str, measured: Measured) -> str:
    abstain = measured.asked.abstain
    if abstain is not None and abstain.coverage is not None:
        less = "let more answers be confident (raise confidence.abstain.coverage)"
    else:
        less = "ask less of a confident answer (lower confidence.abstain.precision)"
    return f"{less}, or lower gates.min_coverage to {_down(_of(rule.value))}"


def _calibration(rule: Rule, metric: str, measured: Measured) -> str:
    switch = "" if measured.asked.calibrate else "set confidence.calibrate: true, "
    return (
        f"{switch}give more validation rows (raise data.validation), or raise "
        f"gates.max_calibration_error to {_up(_of(rule.value))}"
    )


def _recall(rule: Rule, metric: str, measured: Measured) -> str:
    return (
        "let more in-scope rows be refused (raise confidence.out_of_scope), or lower "
        f"gates.min_out_of_scope_recall to {_down(_of(rule.value))}"
    )


def _of(number: float | None) -> float:
    """A number that every rule has that can be broken."""
    assert number is not None
    return number


def _up(value: float, digits: int = 4) -> str:
    """The least number of so many digits that is not below the value."""
    step = 10.0**digits
    return f"{math.ceil(round(value * step, 6)) / step:.{digits}f}"


def _down(value: float, digits: int = 4) -> str:
    return (
        f"-{_up(-value, digits)}"
        if value < 0
        else f"{math.floor(value * 10**digits) / 10**digits:g}"
    )


_REMEDIES: dict[str, Callable[[Rule, str, Measured], str]] = {
    "minimum": _minimum,
    "max_drop": _max_drop,
    "max_latency_ms": _max_latency,
    "max_size_mb": _max_size,
    "min_coverage": _coverage,
    "max_calibration_error": _calibration,
    "min_out_of_scope_recall": _recall,
    "beat_floor": _beat_floor,
    "beat_champion": _beat_champion,
}
