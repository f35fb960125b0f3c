"""What the spec does about what was found: labels, contradictions, imbalance, refused rows, language."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bertworks.data.inspection.columns import Roles
from bertworks.data.inspection.decisions import Decisions
from bertworks.data.inspection.dry import Read
from bertworks.data.inspection.facts import is_empty
from bertworks.data.inspection.findings import Findings
from bertworks.data.inspection.gathering import Gathered, published
from bertworks.data.inspection.language import Language
from bertworks.data.inspection.sampling import Sample
from bertworks.data.labels.label_names import look_alikes
from bertworks.data.rows.examples import LEAST_ROWS
from bertworks.data.rows.values import EMPTY_WORDS, is_missing, plain
from bertworks.errors import DataError
from bertworks.look_alike import told_apart
from bertworks.shortened import shortened
from bertworks.spec import bases

_NONE = frozenset(("", "-", "-1", "?", "n/a", "na", "nan", "none", "null", "unknown label"))
_MOST_LISTED = 60
_LABEL = 40
_MOST_SHOWN = 10
_MOST_RENAMED = 200
_MOST_RULES = 8
_SKEWED = 10.0
_LARGEST = 0.8
_CONFLICTS = 0.005
_FEW_A_LABEL = 10
_UNKNOWN = 0.05  # rows at most whose label is -1, as it stands for none


def names_of_numbers(gathered: Gathered, roles: Roles, decisions: Decisions) -> dict[str, Any]:
    """Settings that name labels which stand as numbers, from a file that has the names; {} for none.

    That is one of Hugging Face's, or one that lists them: a file whose own name does not say what it
    lists must have as many lines as there are numbers.
    """
    learned = roles.learned
    if learned is None or learned.kind == "score" or len(learned.columns) != 1:
        return {}
    cells = {
        plain(row.get(learned.columns[0]))
        for sample in gathered.samples
        for row in sample.rows
        if not is_empty(row.get(learned.columns[0]))
    }
    mark = roles.separator
    values = {part.strip() for cell in cells for part in (cell.split(mark) if mark else [cell])}
    if not values or not all(value.isdigit() for value in values):
        return {}
    numbers = sorted(map(int, values))
    known = published(gathered.samples).get(learned.columns[0])
    if known is not None and numbers[-1] < len(known.names):
        decisions.add(
            "label names", ", ".join(known.names[:3]) + (", …" if len(known.names) > 3 else ""),
            f"the names of the numbers in {known.file}", ("data", "sources", 0),
        )  # fmt: skip
        return {"label_names": list(known.names)}
    for listed in sorted(gathered.lists, key=lambda one: not one.by_name):
        lines, count = listed.lines, len(listed.lines)
        reason = f"{count} lines, as many as the numbers {numbers[0]} to {numbers[-1]}"
        if numbers[0] == 0 and (
            count == numbers[-1] + 1 or (listed.by_name and count > numbers[-1])
        ):
            found: dict[str, Any] = {"label_names": list(lines)}
            reason = reason if count == numbers[-1] + 1 else f"numbers up to {numbers[-1]}"
        elif numbers[0] == 1 and numbers[-1] == count:
            found = {"label_map": {str(number): lines[number - 1] for number in numbers}}
        else:
            continue
        decisions.add(
            "label names", ", ".join(lines[:3]) + (", …" if count > 3 else ""),
            f"the lines of {listed.file}, in order: {reason}", ("data", "sources", 0),
        )  # fmt: skip
        said = (listed.file, "the names of the labels")
        gathered.aside[:] = [said if one[0] == listed.file else one for one in gathered.aside]
        return found
    return {}


def check_classes(roles: Roles, findings: Findings, where: str) -> None:
    """Refuses labels that there is nothing to learn of.

    Raises:
        DataError: There is one class.
    """
    if roles.task["type"] == "regression":
        return
    tagging = roles.task["type"] == "tagging"
    least = 1 if tagging or roles.task.get("multi_label") else 2
    if len(findings.labels) < least:
        only = next(iter(findings.labels), "")
        raise DataError(
            f"{where}: all {findings.rows:,} rows have the label {only!r}; with one class there is "
            "nothing to tell apart."
            if only
            else f"{where}: no word of its {findings.rows:,} rows has a tag but O.",
            "Give rows of at least two classes; files of a class each may be named together.",
        )


def merged(findings: Findings) -> Findings:
    """The findings with labels that look alike counted as the one that they are read as."""
    named = {
        label: max(group, key=lambda one: (findings.labels[one], one))
        for group in look_alikes(findings.labels)
        for label in group
    }
    labels: Counter[str] = Counter()
    trained: Counter[str] = Counter()
    for counts, into in ((findings.labels, labels), (findings.train_labels, trained)):
        for label, count in counts.items():
            into[named.get(label, label)] += count
    return replace(findings, labels=labels, train_labels=trained)


def rows_in_words(count: int, what: str = "row") -> str:
    """A number of rows, or of others: "1 row", "1,200 rows"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def labels_of(
    source: dict[str, Any], rows: Read, roles: Roles, findings: Findings, decisions: Decisions,
    *, first: bool,
) -> dict[str, Any]:  # fmt: skip
    """More settings of a source: labels that look alike are merged."""
    own: dict[str, Any] = {}
    if roles.learned is None or roles.learned.kind == "score":
        return own
    groups = look_alikes(findings.labels)
    renamed: dict[str, str] = {}
    for group in groups:
        kept = max(group, key=lambda label: (findings.labels[label], label))
        renamed |= {label: kept for label in group if label != kept and label in rows.labels}
        if first:
            shown = ", ".join(
                f"{name} ({findings.labels[label]:,})"
                for name, label in zip(told_apart(group), group, strict=True)
            )
            decisions.add(
                "look-alikes", shown, f"nearly the same label: read as {kept!r}",
                ("data", "sources", 0), guessed=True,
            )  # fmt: skip
    if renamed and not source.get("label_names"):
        own["label_map"] = {**source.get("label_map", {}), **renamed}
    return own


def unbracketed(sample: Sample, roles: Roles) -> dict[str, Any]:
    """A name without the `<` for each label of cells such as "<java><spring>"; {} for very many."""
    if roles.separator != ">" or roles.learned is None:
        return {}
    column = roles.learned.columns[0]
    parts = {
        part.strip()
        for row in sample.rows
        if isinstance(cell := row.get(column), str)
        for part in cell.split(">")
    }
    named = {part: part[1:] for part in sorted(parts) if part[:1] == "<" and part[1:]}
    return {"label_map": named} if len(named) <= _MOST_RENAMED else {}


def labelled(sample: Sample, roles: Roles, decisions: Decisions, first: bool) -> dict[str, Any]:
    """A filter for rows that have a label, where some have none."""
    learned = roles.learned
    if learned is None or learned.kind != "label" or len(learned.columns) != 1:
        return {}
    if sample.shape.names or not sample.whole:
        return {}
    column = learned.columns[0]
    counts: Counter[str] = Counter()
    for row in sample.rows:
        cell = row.get(column)
        if isinstance(cell, list | dict):
            return {}
        counts["" if is_missing(cell) else plain(cell).strip()] += 1
    numbers = all(value.lstrip("-").isdigit() for value in counts if value)
    marks = _NONE if numbers or len(counts) > 2 else _NONE - {"-1"}
    none = [value for value in counts if value.lower() in marks or value in EMPTY_WORDS]
    if "-1" in none and counts["-1"] > _UNKNOWN * counts.total():
        none.remove("-1")  # as common as others: a label
    kept = [value for value in counts if value not in none]
    if not none or not 2 <= len(kept) <= _MOST_LISTED:
        return {}
    gone = sum(counts[value] for value in none)
    shown = ", ".join(f"{value!r} ({counts[value]:,})" for value in none)
    words = [value for value in none if value in EMPTY_WORDS]
    keeping = f"; if {words[0]!r} is a label, name it in `where`, too" if words else ""
    decisions.add(
        "unlabelled", f"{rows_in_words(gone)} of {sample.place.name}",
        f"their {column!r} is {shown}: rows with one of the "
        f"{len(kept)} labels are read{keeping}",
        ("data", "sources", 0) if first else ("data", "sources"), guessed=bool(words),
    )  # fmt: skip
    return {"where": {column: sorted(kept)}}


def merging(roles: Roles, findings: Findings, decisions: Decisions) -> dict[str, Any]:
    """Settings for rows that repeat or contradict each other, and what is said of them.

    Raises:
        DataError: Hardly any text is left without those whose labels do not agree.
    """
    key = ("data",)
    if findings.duplicates:
        share = findings.duplicates / max(findings.rows, 1)
        decisions.add(
            "duplicates", f"{rows_in_words(findings.duplicates)} ({share:.1%})",
            "text and label stand there already: they are merged"
            + (", but kept in official files" if findings.held_out else ""), key,
        )  # fmt: skip
    if findings.leaked:
        share = findings.leaked / max(findings.held_out, 1)
        decisions.add(
            "leakage", f"{rows_in_words(findings.leaked, 'text')} ({share:.1%})",
            "they stand in train and in official validation or test rows: they are left out of train",
            key,
        )  # fmt: skip
    if not findings.conflicting:
        return {}
    shown = rows_in_words(findings.conflicting, "text")
    if roles.task["type"] == "regression":
        decisions.add("conflicts", shown, "several scores: each text gets their mean", key)
        return {"repeated_scores": "mean"}
    many = findings.conflicting > _CONFLICTS * findings.contents
    if many and findings.settled * 2 > findings.conflicting and roles.task["type"] != "tagging":
        decisions.add(
            "conflicts", shown, f"different labels: {findings.settled:,} of them get the label that "
            "most of their rows have, the others are left out", ("data", "conflicting_labels"),
        )  # fmt: skip
        return {"conflicting_labels": "majority"}
    left = findings.contents - findings.conflicting
    if left < LEAST_ROWS:
        raise DataError(
            f"{findings.conflicting:,} of {findings.contents:,} texts stand with different labels. They "
            f"are left out, as none is known to be right, and {left} others are too few.",
            f"Leave one label a text, or give more rows: {LEAST_ROWS} in all are the least.",
        )
    decisions.add(
        "conflicts", shown, "different labels: they are left out, as none is known to be right",
        ("data", "conflicting_labels"),
    )  # fmt: skip
    return {"conflicting_labels": "drop"}


def refusals(reads: Sequence[Read], whole: bool, decisions: Decisions) -> dict[str, Any]:
    """The share of rows that may be refused, where more are than usual.

    Raises:
        DataError: Most rows are refused.
    """
    refused = sum(one.refused for one in reads)
    total = refused + sum(one.rows for one in reads)
    if not refused:
        return {}
    counts: Counter[str] = sum((one.rules for one in reads), Counter())
    broken = ", ".join(
        _broken(rule, count, reads) for rule, count in counts.most_common(_MOST_RULES)
    )
    if rest := sum(count for _, count in counts.most_common()[_MOST_RULES:]):
        others = len(counts) - _MOST_RULES
        broken += f", and {rest:,} more of {others} other rule{'' if others == 1 else 's'}"
    share = refused / max(total, 1)
    advice = next((one.advice for one in reads if one.advice), "")
    if share > 0.5:
        raise DataError(
            f"{refused:,} of {total:,} rows cannot be used: {broken}.",
            f"{advice} Mend the file, or write a spec that says how it is read.",
        )
    key = ("data", "max_rejected")
    if share <= 0.008:
        decisions.add("refused", rows_in_words(refused), broken, ("data",))
        return {}
    limit = min(1.0, math.ceil(share * 120) / 100)
    decisions.add(
        "refused", f"{refused:,} of {total:,} rows", f"{broken}: they are left out, and up to "
        f"{limit:.0%} may be", key, guessed=share > 0.1,
    )  # fmt: skip
    return {"max_rejected": limit}


def _broken(rule: str, count: int, reads: Sequence[Read]) -> str:
    first = next((one.firsts[rule] for one in reads if rule in one.firsts), "")
    return (
        f"{rule} ({count:,}{', first ' if count > 1 and first else ': ' if first else ''}{first})"
    )


def settings_of(
    roles: Roles, findings: Findings, whole: bool, decisions: Decisions
) -> dict[str, Any]:
    """Settings beyond data: what is judged by where classes are uneven."""
    if roles.task["type"] != "classification" or not findings.labels:
        return {}
    if (
        all(label.isdigit() for label in findings.labels)
        and len(roles.columns.get("one_hot", [])) == 0
    ):
        known = sorted(findings.labels, key=int)
        names = ", ".join(f'"{label}": NAME' for label in known[:_MOST_SHOWN])
        names += ", ..." if len(known) > _MOST_SHOWN else ""
        decisions.add(
            "label names", "numbers", f"the agent answers with them; `label_map: {{{names}}}` in the "
            "source gives them names", ("data", "sources", 0),
        )  # fmt: skip
    counts = findings.labels.most_common()
    (largest, most), (smallest, fewest) = counts[0], counts[-1]
    total = findings.labels.total()
    shown = (
        f"{len(counts)} labels, {most:,} rows of {shortened(largest, _LABEL)!r} to {fewest:,} of "
        f"{shortened(smallest, _LABEL)!r}"
    )
    mean = total / len(counts)
    if mean < _FEW_A_LABEL:
        decisions.add(
            "labels", shown, f"{mean:.0f} rows a label are too few to learn most of them: merge labels, "
            "or give more rows", ("task",), guessed=True,
        )  # fmt: skip
    if roles.task.get("multi_label"):
        decisions.add("labels", shown, "any number a row", ("task",))
        return {}
    skewed = most > _SKEWED * fewest or most > _LARGEST * total
    if not skewed:
        if mean >= _FEW_A_LABEL:
            decisions.add("labels", shown, "balanced enough to judge by accuracy", ("task",))
        return {}
    own: dict[str, Any] = {"gates": {"metric": "macro_f1"}}
    decisions.add(
        "imbalance", shown, "judged by the mean over all labels (macro F1), as accuracy would hide the "
        "rare ones", ("gates", "metric"),
    )  # fmt: skip
    return own


def checks_of(
    roles: Roles, findings: Findings, cut: float, decisions: Decisions
) -> dict[str, Any] | None:
    """Checks of the validate step that would stop the run, or warn, for what was found and told.

    Args:
        roles: What columns are for.
        findings: What reading the rows showed.
        cut: The share of rows of which the beginning is read.
        decisions: Takes what is said of it.
    """
    own: dict[str, Any] = {}
    if cut > 0.05:
        own["max_too_long"] = min(1.0, math.ceil(cut * 20 + 1) / 20)
        decisions.add(
            "long texts", f"{cut:.0%}", "more than `max_length` tokens: their beginnings are read, "
            "which is no warning", ("validate", "checks", "max_too_long"),
        )  # fmt: skip
    if roles.task["type"] == "classification" and not roles.task.get("multi_label"):
        rare = [label for label in findings.labels if findings.train_labels[label] < 2]
        if rare:
            shown = ", ".join(map(repr, sorted(rare)[:5]))
            more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
            own["rare_labels"] = "warning"
            decisions.add(
                "rare labels", shown + more, "fewer than two training rows: they cannot be learned, "
                "which is a warning here and no error", ("validate", "checks", "rare_labels"),
            )  # fmt: skip
    elif roles.task["type"] != "regression":
        rare = [label for label, count in findings.labels.items() if count < 8]
        if rare:
            own["rare_labels"] = "warning"
            decisions.add(
                "rare labels", ", ".join(map(repr, sorted(rare)[:5])), "few rows: they may not be "
                "learned, which is a warning here and no error", ("validate", "checks", "rare_labels"),
            )  # fmt: skip
    return own or None


def base_for(language: Language, decisions: Decisions, cased: bool = False) -> dict[str, Any]:
    """The encoder of the catalogue that knows a language; {} for the default one.

    Args:
        language: Of the texts.
        decisions: Takes what is said of it.
        cased: Whether what is learned is told by capitals.
    """
    unknown = language.script if language.script != "none" else "en"
    wanted = {language.code, language.second} - {""} or {unknown}
    fitting = bases.fitting(wanted)
    reads_case = next((one for one in fitting if one.cased), None) if cased else None
    if bases.DEFAULT in fitting and reads_case is not None and not bases.DEFAULT.cased:
        decisions.add(
            "base", reads_case.name, f"it reads capitals, which tell names; {bases.DEFAULT.name} does "
            "not, and is twice as quick", ("base",),
        )  # fmt: skip
        return {"name": reads_case.name}
    if bases.DEFAULT in fitting:
        decisions.add("base", bases.DEFAULT.name, bases.DEFAULT.good_for, ("task",))
        return {}
    if fitting:
        best = fitting[0]
        decisions.add(
            "base",
            best.name,
            best.good_for + ("; it knows the texts' language" if language.code else ""),
            ("base",),
        )
        return {"name": best.name}
    decisions.add(
        "base", bases.DEFAULT.name, f"the default, which is for English, and the texts are not "
        f"({language.name}): name one that was trained on their language as `base: {{uri: FOLDER OR "
        "URI}`, or make one of the texts themselves by `base: {uri: scratch}` and `pretrain: {enabled: "
        "true}`", ("task",), guessed=True,
    )  # fmt: skip
    return {}
