"""The gates on how sure a bundle's answers are; they go by its test rows.

`min_coverage` and `min_out_of_scope_recall` are shares that are promised, and go by the value as
measured. A calibration error is above 0 by chance alone, the more the fewer rows there are: it breaks
its limit when it is beyond it by more than a calibrated agent would be expected to have. Rows that are
too few to tell the limit are named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bertworks.contracts.confidence import MeasuredConfidence, SplitConfidence
from bertworks.contracts.decision import Rule
from bertworks.errors import ArtifactError
from bertworks.notices import Notice
from bertworks.spec import Gates

WORDS = {
    "min_coverage": "{value:.4f} of the test rows have a confident answer, the gate asks for {limit:g}",
    "max_calibration_error": "the calibration error is {value:.4f}, at most {limit:g} is allowed",
    "min_out_of_scope_recall": "{value:.4f} of the rows that are out of scope are told, the gate "
    "asks for {limit:g}",
}


def confidence_rules(gates: Gates, found: MeasuredConfidence | None) -> list[Rule]:
    """The rules that are asked for.

    Raises:
        ArtifactError: The bundle or its metrics do not hold what one of them judges.
    """
    judged: list[tuple[str, float | None, Callable[[float, MeasuredConfidence], Rule | None]]] = [
        ("min_coverage", gates.min_coverage, _coverage),
        ("max_calibration_error", gates.max_calibration_error, _error),
        ("min_out_of_scope_recall", gates.min_out_of_scope_recall, _recall),
    ]
    rules = []
    for name, limit, judge in judged:
        if limit is None:
            continue
        rule = None if found is None else judge(limit, found)
        if rule is None:
            raise ArtifactError(
                f"gates.{name} is asked for, but the bundle's metrics do not hold what it judges.",
                f"Run the spec again, so that the bundle is made and evaluated with it, or set "
                f"gates.{name}: null.",
            )
        rules.append(rule)
    return rules


def _test(found: MeasuredConfidence) -> SplitConfidence:
    return found.splits["test"]


def _coverage(limit: float, found: MeasuredConfidence) -> Rule | None:
    value = _test(found).coverage
    if value is None:
        return None
    right = _test(found).confident_accuracy
    note = f"on {_test(found).rows} rows" + (f"; {right:.4f} of these are right" if right else "")
    return Rule("min_coverage", limit, value, value >= limit, note=note)


def _error(limit: float, found: MeasuredConfidence) -> Rule:
    test = _test(found)
    note = (
        f"{test.chance:.4f} of it is what chance makes of {test.rows} rows; "
        f"{test.error_before:.4f} without the temperature"
    )
    met = test.error - test.chance <= limit
    if met and test.error > limit:
        note += f"; met within chance only, {limit:g} is allowed"
    if limit < test.chance:
        note += f"; so few rows cannot tell {limit:g}"
    return Rule("max_calibration_error", limit, test.error, met, note=note)


def confidence_notices(rules: Mapping[str, Rule], found: MeasuredConfidence | None) -> list[Notice]:
    """How near chance the calibration error is.

    Args:
        rules: Those that were met, by name.
        found: What they judged.
    """
    rule = rules.get("max_calibration_error")
    if rule is None or rule.limit is None or rule.value is None or found is None:
        return []
    test, limit = _test(found), rule.limit
    beyond = rule.value > limit
    if limit < test.chance:
        text = (
            f"gates.max_calibration_error is {limit:g}, but {test.rows} test rows cannot tell it: an "
            f"agent whose scores are probabilities is expected to have {test.chance:.4f} on so few. "
            f"{rule.value:.4f} was measured, and a larger error than the limit may pass unseen. More "
            "test rows tell more (data.test)."
        )
        return [Notice(text, "warning" if beyond else "note", count=test.rows)]
    if beyond:
        text = (
            f"gates.max_calibration_error is met within chance only: {rule.value:.4f} on {test.rows} "
            f"rows, {test.chance:.4f} of it by chance; at most {limit:g} is allowed."
        )
        return [Notice(text, "warning", count=test.rows)]
    return []


def _recall(limit: float, found: MeasuredConfidence) -> Rule | None:
    outside = found.out_of_scope
    if outside is None:
        return None
    refused = _test(found).refused or 0.0
    note = f"on {outside.rows} rows, {refused:.4f} of the test rows refused with them"
    return Rule(
        "min_out_of_scope_recall", limit, outside.recall, outside.recall >= limit, note=note
    )
