"""The gates: what a compressed bundle must meet before it may serve.

What compares two models on the same rows is judged with its noise (`drops`): `max_drop` is broken when
the drop is beyond it by more than chance. `minimum` and `beat_floor` promise a value, and chance helps
as often as it harms: they go by the value as measured, and the interval stands beside it. A latency is
judged without what other work of the machine adds to it (`bertworks.timing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bertworks.compression import candidates
from bertworks.contracts.agent import AGENT
from bertworks.contracts.bundle import Tried
from bertworks.contracts.confidence import CONFIDENCE, MeasuredConfidence
from bertworks.contracts.decision import Decision, Rule, Verdict
from bertworks.contracts.latency import LATENCY, Latency, Speed
from bertworks.contracts.metrics import FLOOR, METRICS, Metric, overall, value_of
from bertworks.errors import ArtifactError
from bertworks.evaluation import predictions
from bertworks.evaluation.bootstrap import Difference, paired
from bertworks.evaluation.gating.confidence import WORDS as CONFIDENCE_WORDS
from bertworks.evaluation.gating.confidence import confidence_notices, confidence_rules
from bertworks.evaluation.gating.drops import Drop, shared
from bertworks.evaluation.gating.new_labels import NewLabels
from bertworks.evaluation.measures import measure_of
from bertworks.notices import Notice
from bertworks.spec import Confidence, Gates, Task
from bertworks.spec.task_kinds import lower_is_better
from bertworks.storage.artifacts import Artifact
from bertworks.tasks.predictions import Predictions

RESAMPLES = 1000
SEED = 42
FLOOR_ANSWERS = "floor_predictions.parquet"


@dataclass(frozen=True)
class Measured:
    """What the gates look at.

    Attributes:
        bundle: metrics.json of the bundle.
        model: metrics.json of the uncompressed model.
        floor: floor.json; empty when there is none.
        latency: latency.json of the bundle.
        champion: How much the bundle is above the present champion; None without a champion.
        drop: How much worse the bundle is than the model on the same rows; None where their answers
            were not kept: then the values alone are compared.
        above_floor: How much the bundle is above the floor on the same rows; None likewise.
        candidates: What the bundle was chosen from: they tell what helps a refused one.
        new_labels: What becomes of labels that the champion does not know; None where there are none.
        sure: How sure the bundle's answers are; None where it keeps no calibration.
        asked: The spec's confidence, as the bundle was made with it.
    """

    bundle: list[Metric]
    model: list[Metric]
    floor: list[Metric]
    latency: Speed
    champion: Difference | None = None
    drop: Drop | None = None
    above_floor: Difference | None = None
    candidates: Sequence[Tried] = ()
    new_labels: NewLabels | None = None
    sure: MeasuredConfidence | None = None
    asked: Confidence = field(default_factory=Confidence)

    @classmethod
    def of(
        cls,
        bundle: Artifact,
        ours: Artifact,
        before: Artifact,
        task: Task,
        metric: str,
        gates: Gates,
        champion: Difference | None = None,
        new_labels: NewLabels | None = None,
    ) -> Measured:
        """Reads a bundle, its metrics artifact and that of the uncompressed model.

        Raises:
            ArtifactError: The two were measured on other rows, or the answers cannot be read.
        """
        agent = AGENT.read(bundle)
        labels = agent.labels
        answers = predictions.load(ours / "predictions.parquet", task, labels)
        model = predictions.load(before / "predictions.parquet", task, labels)
        drop = Drop.between(*shared(answers, model), metric, gates.confidence, SEED)
        floor = ours if FLOOR.read(ours) else before
        above = None
        if FLOOR.read(floor) and (floor / FLOOR_ANSWERS).is_file():
            below = predictions.load(floor / FLOOR_ANSWERS, task, labels)
            above = _gap(*shared(answers, below), metric)
        return cls(
            bundle=METRICS.read(ours),
            model=METRICS.read(before),
            floor=FLOOR.read(floor),
            latency=LATENCY.read(ours),
            champion=champion,
            drop=drop,
            above_floor=above,
            candidates=candidates.table(bundle),
            new_labels=new_labels,
            sure=CONFIDENCE.read(ours) if (ours / CONFIDENCE.name).is_file() else None,
            asked=Confidence() if agent.calibration is None else agent.calibration.asked,
        )


def decide(
    gates: Gates,
    metric: str,
    measured: Measured,
    *,
    challenge: bool = False,
    least_recall: float = 0.5,
) -> Decision:
    """Checks every rule that is asked for.

    For metrics where lower is better (mae, rmse, calibration_error) `minimum` is read as the highest
    value allowed, and drops and comparisons turn round accordingly.

    Args:
        gates: The rules.
        metric: The metric of the rules.
        measured: What to look at.
        challenge: Also ask, whatever the rules say, that the bundle be better than the champion by
            more than the noise: the whole 95 % interval of the difference is on the better side.
            Where it brings labels that the champion does not know, it is judged by them instead
            (`new_labels`).
        least_recall: Share of each new label's test rows that must be found then.

    Returns:
        Whether it passed, the rules and the reasons; the gate step adds what it compared with.

    Raises:
        SpecError: The metric was not measured.
        ArtifactError: The floor, or how sure answers are, is asked for, but was not measured.
    """
    sign = -1.0 if lower_is_better(metric) else 1.0
    value = value_of(measured.bundle, metric)
    rules: list[Rule] = []
    if gates.minimum is not None:
        met = sign * (value - gates.minimum) >= 0
        rules.append(
            Rule("minimum", gates.minimum, value, met, note=_spread(measured.bundle, metric))
        )
    if gates.max_drop is not None:
        rules.append(_drops(gates.max_drop, measured, metric, sign))
    if gates.max_latency_ms is not None:
        rules.append(_answers_in_time(gates.max_latency_ms, measured.latency))
    if gates.max_size_mb is not None:
        size = measured.latency.size_mb
        rules.append(Rule("max_size_mb", gates.max_size_mb, size, size <= gates.max_size_mb))
    rules += confidence_rules(gates, measured.sure)
    if gates.beat_floor:
        rules.append(_beats_floor(measured, metric, value, sign))
    if challenge and measured.new_labels is not None:
        rules += _learns_labels(measured.new_labels, least_recall)
    elif challenge:
        rules.append(_beats_noise(measured.champion, sign))
    elif gates.beat_champion:
        rules.append(_beats_champion(measured.champion, sign))
    reasons = [_reason(rule, metric) for rule in rules if not rule.passed]
    outcome: Verdict = "refused" if reasons else "promoted"
    return Decision(not reasons, metric, rules, reasons, outcome=outcome)


def notices(decision: Decision, gates: Gates, measured: Measured) -> list[Notice]:
    """What a person should know of rules that were met: how near chance they are."""
    rules = {rule.name: rule for rule in decision.rules if rule.passed}
    found = []
    drop, limit = measured.drop, gates.max_drop
    if "max_drop" in rules and drop is not None and limit is not None:
        if limit < drop.resolution:
            found.append(
                Notice(
                    f"gates.max_drop is {limit:g}, but {drop.rows} test rows tell only drops of about "
                    f"{drop.resolution:.4f} from chance: smaller ones may pass unseen. More test rows "
                    f"tell more (data.test). {drop}.",
                    count=drop.rows,
                )
            )
        if drop.value > limit:
            found.append(
                Notice(
                    f"gates.max_drop is met within chance only: {drop}; at most {limit:g} is allowed.",
                    "warning",
                    count=drop.rows,
                )
            )
    found += confidence_notices(rules, measured.sure)
    for name, rule in rules.items():
        if not rule.judged:
            found.append(Notice(f"gates.{name} could not be judged: {rule.note}.", "warning"))
    gap = measured.above_floor
    if "beat_floor" in rules and gap is not None and _around_0(gap):
        text = f"The bundle is above the floor within chance only: {_interval(gap)}."
        found.append(Notice(text, "warning"))
    return found


def against_champion(
    challenger: Predictions, champion: Predictions, metric: str, seed: int
) -> Difference:
    """Compares two bundles on the test rows that both have seen, by id and truth.

    Raises:
        ArtifactError: They share no rows.
    """
    try:
        ours, theirs = shared(challenger, champion)
    except ArtifactError:
        raise ArtifactError(
            "The champion was tested on other rows: none is the same, so they cannot be compared.",
            "Set gates.beat_champion: false for this run, or keep data.salt and the sources as they "
            "were.",
        ) from None
    return _gap(ours, theirs, metric, seed)


def _gap(ours: Predictions, theirs: Predictions, metric: str, seed: int = SEED) -> Difference:
    first, second = (measure_of(one.for_metric(metric)) for one in (ours, theirs))
    return paired(first, second, metric, len(ours), RESAMPLES, seed)


def _drops(limit: float, measured: Measured, metric: str, sign: float) -> Rule:
    drop = measured.drop
    if drop is None:
        gap = sign * (value_of(measured.model, metric) - value_of(measured.bundle, metric))
        # Rounded: 0.86 - 0.84 is a little more than 0.02 in binary.
        return Rule("max_drop", limit, gap, round(gap, 9) <= limit)
    return Rule("max_drop", limit, drop.value, not drop.beyond(limit), note=str(drop))


def _answers_in_time(limit: float, latency: Latency) -> Rule:
    met, note = latency.within(limit), ""
    if latency.load.busy:
        told = "without the load" if met is not None else "too busy to tell"
        note = (
            f"the machine was busy, in each of {latency.load.attempts} attempts: {latency.load}; "
            f"{latency.p95_ms:.2f} ms as measured, {told}: {latency.judged_ms:.2f} ms"
        )
    passed = met is not False
    return Rule("max_latency_ms", limit, latency.judged_ms, passed, met is not None, note)


def _beats_floor(measured: Measured, metric: str, value: float, sign: float) -> Rule:
    if not measured.floor:
        raise ArtifactError(
            "gates.beat_floor is on, but no floor was measured.",
            "Set evaluate.floor: true, or gates.beat_floor: false.",
        )
    known = {one.name: one.value for one in measured.floor}
    if metric not in known:
        # Not defined for the floor (a constant has no correlation): anything is above it.
        return Rule("beat_floor", None, value, True, note=f"the floor has no {metric}")
    note = "" if measured.above_floor is None else _interval(measured.above_floor)
    met = sign * (value - known[metric]) > 0
    return Rule("beat_floor", known[metric], value, met, note=note)


def _beats_champion(found: Difference | None, sign: float) -> Rule:
    if found is None:
        return Rule("beat_champion", None, None, True, note="there is no champion yet")
    return Rule("beat_champion", 0.0, found.value, sign * found.value > 0, note=_interval(found))


def _beats_noise(found: Difference | None, sign: float) -> Rule:
    if found is None:
        return Rule("beat_noise", None, None, True, note="there is no champion to compare with")
    bound = found.low if sign > 0 else found.high
    passed = bound is not None and sign * bound > 0
    return Rule("beat_noise", 0.0, found.value, passed, note=_interval(found))


def _learns_labels(found: NewLabels, least: float) -> list[Rule]:
    """The rules of a challenger that knows more labels than the champion."""
    recall, macro, old, note = found.recall, found.macro, found.old, str(found)
    if recall is None:
        rules = [Rule("finds_new_labels", least, None, True, judged=False, note=note)]
    else:
        rules = [Rule("finds_new_labels", least, recall, recall >= least, note=note)]
        if macro is not None:
            rules.append(replace(_beats_noise(macro, 1.0), metric=found.metric))
    if old is not None:
        kept = not old.beyond(0.0)
        rules.append(Rule("keeps_old_labels", 0.0, old.value, kept, note=str(old)))
    return rules


def _around_0(found: Difference) -> bool:
    return found.low is not None and found.high is not None and found.low < 0 < found.high


def _interval(found: Difference) -> str:
    if found.low is None or found.high is None:
        return ""
    return f"95 % interval of the difference {found.low:+.4f} to {found.high:+.4f}"


def _spread(entries: Sequence[Metric], metric: str) -> str:
    """The interval of a metric, and on how many rows."""
    one = overall(entries)[metric]
    if one.low is None or one.high is None:
        return ""
    return f"95 % interval {one.low:.4f} to {one.high:.4f} on {one.rows} rows"


_WORDS = {
    **CONFIDENCE_WORDS,
    "minimum": "{metric} is {value:.4f}, the gate asks for {limit:g}",
    "max_drop": "{metric} is {value:.4f} worse than the uncompressed model's, at most {limit:g} is "
    "allowed",
    "max_latency_ms": "p95 latency is {value:.2f} ms, at most {limit:g} ms is allowed",
    "max_size_mb": "the bundle has {value:.2f} MB, at most {limit:g} MB is allowed",
    "beat_floor": "{metric} is {value:.4f}, not better than the floor's {limit:.4f}",
    "beat_champion": "{metric} differs by {value:+.4f} from the champion's on the same rows",
    "beat_noise": "{metric} differs by {value:+.4f} from the champion's on the same rows, which is not "
    "better by more than the noise",
    "finds_new_labels": "{value:.2f} of a new label's test rows are found, {limit:g} is asked "
    "(retrain.min_new_label_recall)",
    "keeps_old_labels": "{metric} is {value:.4f} worse than the champion's on rows of the old labels, "
    "which is more than the noise",
}


def _reason(rule: Rule, metric: str) -> str:
    told = {"metric": rule.metric or metric, "value": rule.value, "limit": rule.limit}
    text = _WORDS[rule.name].format(**told)
    return f"{text} ({rule.note})" if rule.note else text
