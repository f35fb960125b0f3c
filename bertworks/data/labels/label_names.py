"""Labels that look like mistakes: nearly the same, several in one, or words for "there is none"."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

from bertworks.data.rows.values import list_in, number
from bertworks.look_alike import appearance, told_apart
from bertworks.notices import Notice

_MISSING = frozenset(
    ("nan", "na", "n/a", "none", "null", "nil", "nat", "<na>", "#n/a", "-", "?", "undefined")
)
_GAPS = re.compile(r"(?<=\w)[\s_-]+(?=\w)")
_LETTERS = re.compile(r"[^\W\d_]")
_SEPARATORS = "|,;/+ "
_QUOTES = "\"'`´‘’‚“”„«»‹›"
_STRAY_BEFORE, _STRAY_BEHIND = ",;: ", ".,;: "  # a dot before may belong to a name, as in .net
_SHOWN = 5
_LONGEST_NUMBER = 28  # digits that a Decimal keeps


def label_notices(
    counts: Mapping[str, int], several: bool, separator: str, more: str = ""
) -> list[Notice]:
    """What the names of the labels give away.

    Args:
        counts: Rows a label, or a type of entity.
        several: Whether a row has several.
        separator: What parts several labels in one cell.
        more: Where to read more.
    """
    found = []
    for group in look_alikes(counts):
        named = zip(told_apart(group), group, strict=True)
        shown = ", ".join(f"{name} ({counts[label]})" for name, label in named)
        found.append(
            Notice(
                f"{len(group)} labels are nearly the same: {shown}. If they are one, rename them with "
                "the source's `label_map`.",
                "warning", sum(counts[label] for label in group), more,
            )
        )  # fmt: skip
    alike = {label for group in look_alikes(counts) for label in group}
    quoted = [one for one in counts if one not in alike and one.strip(_QUOTES) not in (one, "")]
    if quoted:
        shown = ", ".join(f"{label!r} ({counts[label]})" for label in sorted(quoted)[:_SHOWN])
        found.append(
            Notice(
                f"{len(quoted)} labels begin or end with a quotation mark: {shown}. If it is none of "
                "theirs, mend the file (a space before a quoted cell keeps the quotes), or rename them "
                "with `label_map`.",
                "warning", sum(counts[label] for label in quoted), more,
            )
        )  # fmt: skip
    missing = [label for label in counts if label.strip().lower() in _MISSING]
    if missing:
        shown = ", ".join(f"{label!r} ({counts[label]})" for label in sorted(missing))
        found.append(
            Notice(
                f"{shown} is a label like any other, though such words often say that there is none. "
                "Leave those rows out with the source's `where`, or rename them with `label_map`.",
                "warning", sum(counts[label] for label in missing), more,
            )
        )  # fmt: skip
    for mark, joined in several_in_one(counts, separator if several else "", several).items():
        shown = ", ".join(f"{label!r} ({counts[label]})" for label in joined[:_SHOWN])
        rows = sum(counts[label] for label in joined)
        setting = f"data.label_separator: {json.dumps(mark)}"
        if several:
            fix = f"If they are, set {setting} (now {json.dumps(separator)})."
        else:
            fix = f"If a row has several labels, set task.multi_label: true and {setting}."
        text = (
            f"{len(joined)} labels seem to be several in one, with {mark!r} between: {shown}. {fix}"
        )
        found.append(Notice(text, "warning", rows, more))
    if not several:
        lists = {label: items for label in counts if (items := list_in(label)) is not None}
        if len(lists) > 1:
            shown = ", ".join(map(repr, sorted(lists)[:_SHOWN]))
            fix = "If a row has several labels, set task.multi_label: true."
            if all(len(items) < 2 for items in lists.values()):
                fix = (
                    "If the brackets are none of theirs, rename them with the source's `label_map`."
                )
            found.append(
                Notice(
                    f"{len(lists)} labels look like lists: {shown}. {fix}",
                    "warning", sum(counts[label] for label in lists), more,
                )
            )  # fmt: skip
    return found


def look_alikes(labels: Iterable[str]) -> list[list[str]]:
    """Groups of labels that differ only in how they look: case, gaps, stray marks, like letters, …"""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        groups[_skeleton(label)].append(label)
    return [sorted(group) for _, group in sorted(groups.items()) if len(group) > 1]


def several_in_one(
    labels: Iterable[str], separator: str, several: bool = True
) -> dict[str, list[str]]:
    """Labels that seem to be several, with a mark between them; by the mark.

    A part speaks for it that is a label by itself, or a part of other labels as well.

    Args:
        labels: All labels.
        separator: The mark that is set already.
        several: Whether rows have several labels, so that half of the parts are enough; else all of
            them must be labels by themselves, as "yes/no" may be one.
    """
    known = set(labels)
    found: dict[str, list[str]] = {}
    for mark in _SEPARATORS:
        if mark == separator:
            continue
        split = {label: [part.strip() for part in label.split(mark)] for label in known}
        split = {label: parts for label, parts in split.items() if len(parts) > 1 and all(parts)}
        times = Counter(part for parts in split.values() for part in set(parts))
        # Names have spaces in them, too.
        strict = not several or mark == " "
        joined = sorted(
            label
            for label, parts in split.items()
            if (speaks := sum(part in known or (not strict and times[part] > 1) for part in parts))
            and (speaks == len(parts) if strict else speaks * 2 >= len(parts))
        )
        if joined and (several or len(joined) > 1):
            found[mark] = joined
    return found


def _skeleton(label: str) -> str:
    text = appearance(label)
    text = text.strip(_QUOTES).strip() or text  # a stray quote; but the quotes may be all of it
    if len(text) < _LONGEST_NUMBER and number(text) is not None:
        return str(Decimal(text).normalize() + 0)  # exact: 2.50 is 2.5, and 01 may be 1
    if _LETTERS.search(text) is None:
        return text
    text = text.lstrip(_STRAY_BEFORE).rstrip(_STRAY_BEHIND).strip() or text
    return _GAPS.sub(" ", text.casefold()).strip()
