"""The text-aware checks: what each one measures, its limit, and the rows that broke it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from bertworks.contracts.statistics import Check
from bertworks.data.validation.anomalies import Anomaly
from bertworks.data.validation.profile.columns import TextColumn
from bertworks.data.validation.profile.rows import SPLITS
from bertworks.data.validation.profile.scan import LENGTHS, Scan
from bertworks.data.validation.profile.summary import Divergence
from bertworks.data.validation.profile.tokens import TokenCounts
from bertworks.spec import Checks, Task
from bertworks.tasks import for_task, form_of
from bertworks.text.windows import most_tokens

MAX_ROWS = 20
"""Row ids that a check lists, at most."""


def run_checks(
    scan: Scan,
    task: Task,
    settings: Checks,
    anomalies: list[Anomaly],
    divergences: list[Divergence] | None,
) -> list[Check]:
    """All checks, in the order of the spec; one whose severity is "ignore" only says so.

    Args:
        scan: What the pass over the rows found.
        task: The spec's task.
        settings: Severities and limits.
        anomalies: What breaks the schema.
        divergences: From the baseline; None without one.
    """
    outcomes = [
        _empty_rows(scan),
        _encoding_damage(scan, settings),
        _too_long(scan.tokens, task, settings),
        _unknown_tokens(scan.tokens, settings),
        _no_known_tokens(scan.tokens),
        _trimmed_words(scan, settings),
        _near_duplicates(scan, settings),
        _leakage(scan, settings),
        _label_balance(scan, task, settings),
        _single_class(scan, task),
        _rare_labels(scan, task, settings),
        _drift(divergences, settings),
        _schema_anomalies(scan, anomalies),
    ]
    return [_with_severity(outcome, getattr(settings, outcome.name)) for outcome in outcomes]


def _with_severity(check: Check, severity: str) -> Check:
    if severity == "ignore":
        return Check(check.name, severity, True, "switched off in the spec")
    return Check(**{**check.__dict__, "severity": severity})


def _at_most(
    name: str,
    message: str,
    value: float,
    limit: float,
    rows: list[str],
    count: int | None = None,
    **more: Any,
) -> Check:
    kept = rows[:MAX_ROWS]
    return Check(name, "", value <= limit, message, value, limit, kept, count=count, **more)


def _skipped(name: str, message: str, limit: float | None = None) -> Check:
    return Check(name, "", True, message, None, limit)


def _empty_rows(scan: Scan) -> Check:
    message = f"{scan.empty.count} of {_total(scan)} rows have no text"
    return _at_most("empty_rows", message, scan.empty.count, 0, scan.empty.ids, scan.empty.count)


def _encoding_damage(scan: Scan, settings: Checks) -> Check:
    found = scan.damaged
    message = (
        f"{found.count} of {_total(scan)} rows hold U+FFFD, control characters or text that was "
        "read with the wrong encoding"
    )
    share = found.count / max(_total(scan), 1)
    return _at_most(
        "encoding_damage", message, share, settings.max_encoding_damage, found.ids, found.count
    )


def _too_long(tokens: TokenCounts | None, task: Task, settings: Checks) -> Check:
    limit = settings.max_too_long
    if tokens is None:
        return _skipped("too_long", "no tokenizer yet", limit)
    message = (
        f"{tokens.too_long} of {tokens.rows} sampled rows have more than {most_tokens(task)} "
        f"tokens and will be cut ({form_of(task).remedy(task)})"
    )
    share = tokens.too_long / max(tokens.rows, 1)
    return _at_most("too_long", message, share, limit, _most(tokens.too_long_rows), tokens.too_long)


def _unknown_tokens(tokens: TokenCounts | None, settings: Checks) -> Check:
    limit = settings.max_unknown_tokens
    if tokens is None:
        return _skipped("unknown_tokens", "no tokenizer yet", limit)
    message = (
        f"{tokens.unknown} of {tokens.tokens} tokens in {tokens.rows} sampled rows are unknown to "
        "the base model"
    )
    share = tokens.unknown / max(tokens.tokens, 1)
    return _at_most(
        "unknown_tokens", message, share, limit, _most(tokens.unknown_rows), tokens.unknown
    )


def _no_known_tokens(tokens: TokenCounts | None) -> Check:
    if tokens is None:
        return _skipped("no_known_tokens", "no tokenizer yet", 0)
    message = (
        f"{tokens.blind} of {tokens.rows} sampled rows hold no token that the base model knows: they "
        "all look the same to it"
    )
    return _at_most("no_known_tokens", message, tokens.blind, 0, tokens.blind_rows, tokens.blind)


def _trimmed_words(scan: Scan, settings: Checks) -> Check:
    limit, found = settings.max_trimmed_words, scan.trimmed
    if found is None:
        return _skipped("trimmed_words", "the base's vocabulary is whole", limit)
    lost = found["unknown"] + found["longer"]
    message = (
        f"of {found['words']} words of validation, trimming the base's vocabulary from "
        f"{found['before']} to {found['after']} entries made {found['unknown']} unknown and splits "
        f"{found['longer']} into more pieces (base.vocabulary: keep takes it whole)"
    )
    return _at_most("trimmed_words", message, lost / max(found["words"], 1), limit, [], lost)


def _near_duplicates(scan: Scan, settings: Checks) -> Check:
    twins = _twins(scan, np.ones(len(scan.twins.first), bool))
    compared = sum(scan.compared.values())
    message = f"{len(twins)} of {compared} compared rows nearly repeat an earlier row"
    share = len(twins) / max(compared, 1)
    limit = settings.max_near_duplicates
    return _at_most(
        "near_duplicates", message, share, limit, list(twins), len(twins), twins=_first(twins)
    )


def _leakage(scan: Scan, settings: Checks) -> Check:
    trained = scan.compared["train"]
    crossing = (scan.twins.first < trained) & (scan.twins.second >= trained)
    twins = _twins(scan, crossing)
    held_out = sum(scan.compared.values()) - trained
    message = (
        f"{len(twins)} of {held_out} compared validation and test rows nearly stand in train "
        f"({trained} rows compared)"
    )
    share = len(twins) / max(held_out, 1)
    return _at_most(
        "leakage",
        message,
        share,
        settings.max_leakage,
        list(twins),
        len(twins),
        twins=_first(twins),
    )


def _label_balance(scan: Scan, task: Task, settings: Checks) -> Check:
    limit = settings.min_label_share
    labels = scan.labels.total()
    if not labels:
        return _skipped("label_balance", _no_labels(task), limit)
    train = scan.labels.rows["train"]
    every, what = for_task(task).target.balance(train, scan.rows["train"])
    every = max(every, 1)
    smallest = min(sorted(labels), key=lambda label: train[label])
    value = train[smallest] / every
    message = (
        f"label {smallest!r} has the smallest share of the training {what}: {train[smallest]} of "
        f"{every}"
    )
    rows = scan.labels.ids[smallest] if value < limit else []
    return Check("label_balance", "", value >= limit, message, value, limit, rows)


def _single_class(scan: Scan, task: Task) -> Check:
    """Whether there is something to tell apart in the training rows."""
    rows = scan.rows["train"]
    target = for_task(task).target
    values = scan.labels.rows["train"]
    if target.numeric:
        values = Counter(map(str, np.unique(scan.numbers(target.column, "train"))))
    elif not target.has_labels:
        column = scan.columns["train"].get(target.column)
        count = column.unique() if isinstance(column, TextColumn) else 0
        values = Counter(map(str, range(count)))  # how many there are, not which
    found, limit, what = target.variety(values, rows)
    message = f"the {rows} training rows hold {found} {what}; at least {limit} needed"
    return Check("single_class", "", found >= limit, message, found, limit)


def _rare_labels(scan: Scan, task: Task, settings: Checks) -> Check:
    limit, train = settings.min_label_rows, scan.labels.rows["train"]
    labels = scan.labels.total()
    if not labels:
        return _skipped("rare_labels", _no_labels(task), limit)
    rare = sorted((label for label in labels if train[label] < limit), key=lambda x: (train[x], x))
    shown = ", ".join(f"{label!r} ({train[label]})" for label in rare[:10])
    more = f" and {len(rare) - 10} more" if len(rare) > 10 else ""
    message = (
        f"labels with fewer than {limit} training rows: {shown}{more}"
        if rare
        else f"each of the {len(labels)} labels has at least {limit} training rows"
    )
    ids = list(dict.fromkeys(row for label in rare for row in scan.labels.ids[label]))
    value = min(train[label] for label in labels)
    return Check(
        "rare_labels", "", not rare, message, value, limit, ids[:MAX_ROWS], count=len(rare)
    )


def _drift(divergences: list[Divergence] | None, settings: Checks) -> Check:
    if divergences is None:
        return _skipped("drift", "no baseline to compare with", settings.max_drift)
    value = max(one.bits for one in divergences)
    parts = [
        f"{one.name} {one.bits:.3f}"
        + (f" ({one.detail})" if one.detail and one.bits > settings.max_drift else "")
        for one in divergences
    ]
    message = "Jensen-Shannon divergence from the baseline, in bits: " + ", ".join(parts)
    return _at_most("drift", message, value, settings.max_drift, [])


def _schema_anomalies(scan: Scan, anomalies: list[Anomaly]) -> Check:
    message = "; ".join(anomaly.message for anomaly in anomalies)
    new = {value for anomaly in anomalies for value in anomaly.values}
    # A tagging column's values are tags (B-PER), its labels types of entity (PER).
    rows = [
        row
        for value in sorted(new)
        for row in scan.labels.ids.get(value, scan.labels.ids.get(value[2:], []))
    ]
    if any(anomaly.feature in LENGTHS for anomaly in anomalies):
        rows += [row for _, row in scan.longest]
    rows = list(dict.fromkeys(rows))
    return _at_most(
        "schema_anomalies",
        message or "the data meet the schema",
        len(anomalies),
        0,
        rows,
        len(anomalies),
    )


def _twins(scan: Scan, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, str]:
    """The later row of each chosen pair to the earlier row that it resembles most, by id."""
    twins = scan.twins
    picked = np.flatnonzero(chosen)
    picked = picked[np.lexsort((-twins.similarity[picked], twins.second[picked]))]
    seconds, firsts = np.unique(twins.second[picked], return_index=True)
    return {
        scan.compared_ids[second]: scan.compared_ids[twins.first[picked[first]]]
        for second, first in zip(seconds, firsts, strict=True)
    }


def _first(twins: dict[str, str]) -> dict[str, str]:
    return dict(list(twins.items())[:MAX_ROWS])


def _most(rows: Counter[str]) -> list[str]:
    return [row for row, _ in rows.most_common(MAX_ROWS)]


def _total(scan: Scan) -> int:
    return sum(scan.rows[split] for split in SPLITS)


def _no_labels(task: Task) -> str:
    target = for_task(task).target
    return "there are no labels" if target.has_labels else f"a {target.named_value} has no labels"
