"""The gate step's page."""

from __future__ import annotations

from dataclasses import dataclass

from bertworks.contracts.decision import Decision, Rule
from bertworks.pages.parts import Badge, BadgeKind, PlainPage, Table
from bertworks.pages.text import number, spoken
from bertworks.pages.views import View

_TITLES = {
    "minimum": "minimum score",
    "max_drop": "drop against the uncompressed model",
    "max_latency_ms": "p95 latency, ms",
    "max_size_mb": "size, MB",
    "min_coverage": "confident answers",
    "max_calibration_error": "calibration error",
    "min_out_of_scope_recall": "out of scope, told",
    "beat_floor": "above the floor",
    "beat_champion": "above the champion",
    "beat_noise": "above the champion by more than the noise",
    "finds_new_labels": "new labels are found",
    "keeps_old_labels": "old labels: drop against the champion",
    "true_answers": "untrue answers",
    "beat_rules": "above the rules",
    "offline": "by kept dialogues",
}
_ON = {
    "minimum": "the score",
    "max_drop": "the drop by compression",
    "max_latency_ms": "latency",
    "max_size_mb": "size",
    "min_coverage": "confident answers",
    "max_calibration_error": "calibration",
    "min_out_of_scope_recall": "texts out of scope",
    "beat_floor": "the floor",
    "beat_champion": "the champion",
    "beat_noise": "the champion",
    "true_answers": "untrue answers",
    "beat_rules": "the rules",
    "offline": "kept dialogues",
}
_VERDICTS: dict[str, tuple[str, BadgeKind]] = {
    "promoted": ("passed", "good"),
    "kept": ("the champion stays", "warn"),
    "refused": ("refused", "bad"),
}


@dataclass(frozen=True)
class GateRules(View):
    """The verdict, what it was refused on ("" where it was not), and a row a rule."""

    template = "gates.html.j2"

    verdict: Badge
    refused_on: str
    metric: str
    rules: Table


def gate_page(name: str, decision: Decision) -> str:
    """The page of one decision."""
    return str(PlainPage(f"Gate: {name}", [rules(decision)]))


def rules(decision: Decision) -> GateRules:
    """The verdict and a row a rule."""
    word, kind = _VERDICTS[decision.outcome]
    rows = [
        [
            _TITLES.get(rule.name, rule.name),
            _plain(rule.value),
            _plain(rule.limit),
            _badge(rule),
            rule.note,
        ]
        for rule in decision.rules
    ]
    return GateRules(
        verdict=Badge(word, kind),
        refused_on=refused_on(decision),
        metric=spoken(decision.metric),
        rules=Table(["rule", "value", "limit", "", ""], rows, [1, 2]),
    )


def refused_on(decision: Decision) -> str:
    """What kept a bundle out, such as "on size and latency"; empty where nothing did."""
    broken = [_ON.get(rule.name, rule.name) for rule in decision.broken]
    *before, last = dict.fromkeys(broken) or [""]
    return f"on {', '.join(before)} and {last}" if before else f"on {last}" if last else ""


def _badge(rule: Rule) -> Badge:
    if not rule.passed:
        return Badge("not met", "bad")
    return Badge("met", "good") if rule.judged else Badge("not judged", "warn")


def _plain(value: float | None) -> str:
    return "–" if value is None else number(round(value, 4))
