"""Which column is learned: a label, several labels, or a number; and why."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bertworks.data.inspection import names
from bertworks.data.inspection.decisions import Decisions, evenly
from bertworks.data.inspection.facts import Column, as_list
from bertworks.data.labels.label_names import several_in_one
from bertworks.data.rows.values import number

_FEW = 7
"""Whole numbers that people give, such as stars, are labels up to so many."""
_MANY = 50
_SEPARATORS = "|,;/"
_LEAST_FLAGS = 3
_BRACKETS = re.compile(r"^(?:<[^<>\s]+>)+$")
_NOT_FINITE = re.compile(
    r"^[+-]?(?:inf(?:inity)?|nan|\d{1,3}(?:,\d{3})+(?:\.\d+)?)$", re.IGNORECASE
)
_HASHED = re.compile(r"^(?:#|__label__)\S+(?:\s+(?:#|__label__)\S+)*$")
_TAGS = frozenset(("tags", "hashtags", "labels", "keywords", "topics"))
_NUMBERS = re.compile(r"^\d{1,3}(?:,\d{1,3})+$")
_UNNAMED = re.compile(r"^column_\d+$")
_VERDICTS = frozenset((
    "0", "1", "yes", "no", "true", "false", "y", "n", "positive", "negative", "neutral", "pos", "neg",
    "good", "bad", "spam", "ham", "toxic", "fake", "real", "ja", "nein", "oui", "non", "si", "sí",
    "positiv", "negativ", "正面", "负面", "是", "否", "-1", "accept", "reject", "relevant", "irrelevant",
))  # fmt: skip

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Learned:
    """What is learned.

    Attributes:
        columns: The label's column, or those of 0 and 1.
        kind: "label", "labels" or "score".
        reason: Why this column.
        how: Why it is a label, several or a number.
        guessed: Whether another column was likely, too.
        kind_guessed: Whether another kind was.
        separator: Between several labels in one cell; "": they are lists, or columns.
        decimal: What stands before the decimals of a score.
        others: Columns that could have been it.
        copies: Columns that say the same in other words.
    """

    columns: tuple[str, ...]
    kind: str
    reason: str
    how: str
    guessed: bool = False
    kind_guessed: bool = False
    separator: str = ""
    decimal: str = "."
    others: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()


def worth_as_label(column: Column, place: int, of: int, texts: Sequence[int] = ()) -> float:
    """How much speaks for a column to be what is learned.

    Args:
        column: The column.
        place: Which one of the table's it is, from 0.
        of: How many the table has.
        texts: The places of the text's columns: where no column has a name, a label mostly stands
            beside its text.
    """
    name = names.worth(column.name, names.LABEL)
    value = 3.0 * name
    if names.is_learned_seldom(column.name) and name < 0.9:
        value -= 1.5
    value += 0.25 if place in (0, of - 1) else 0.0
    if _UNNAMED.match(column.name) and any(abs(place - one) == 1 for one in texts):
        value += 0.25
    if {one.lower() for one in column.values} <= _VERDICTS:
        value += 0.8
    elif _verdicts(column) >= 0.8:
        value += 0.6
    elif column.codes > 0.8 and not column.is_number:
        value -= 0.5
    many = math.log10(column.distinct)
    value += 0.4 * _evenness(column) / column.distinct - (0.05 if name >= 0.45 else 0.15) * many
    if column.is_number and not column.is_flag:
        measured = name >= 0.8  # a name of numbers, or of labels that stand as such
        value -= 0.3 if column.distinct > _FEW and not measured else 0.0
        value -= 0.4 if column.distinct > _MANY and not measured else 0.0
    elif column.distinct > 200:
        value -= 0.8
    value -= 1.0 - min(column.filled / max(column.rows, 1), 1.0)
    return value


def _verdicts(column: Column) -> float:
    """The share of values with a verdict among their few words: "half-true", "very good"."""
    named: Counter[str] = Counter()
    for value, count in column.values.items():
        words = re.split(r"[\W_]+", value.lower())
        if len(words) <= 3:
            named.update({word: count for word in words if word.isalpha() and word in _VERDICTS})
    return named.total() / max(column.values.total(), 1) if len(named) > 1 else 0.0


def _evenness(column: Column) -> float:
    """The number of values that would be as different if all were equally frequent."""
    total = column.values.total()
    entropy = -sum(n / total * math.log(n / total) for n in column.values.values())
    return math.exp(entropy)


def find_learned(
    columns: Sequence[Column],
    texts: Sequence[str],
    rows: Rows,
    classes: Mapping[str, Sequence[str]],
    decisions: Decisions,
) -> Learned | None:
    """What is learned of the rows; None where no column can be it.

    Args:
        columns: All columns.
        texts: Those of the text.
        rows: The rows.
        classes: Columns whose numbers have names.
        decisions: Whom to ask.
    """
    free = [one for one in columns if one.name not in texts and not one.is_constant]
    places = {one.name: place for place, one in enumerate(columns)}
    candidates = [one for one in free if _may_be_learned(one)]
    beside = [places[name] for name in texts]
    worths = {
        one.name: worth_as_label(one, places[one.name], len(columns), beside) for one in candidates
    }
    ranked = sorted(candidates, key=lambda one: -worths[one.name])
    flags = _flags(free, rows, ranked, worths)
    if flags is not None:
        return flags
    if not ranked:
        return None
    best = ranked[0]
    near = [one for one in ranked[1:] if worths[one.name] > worths[best.name] - 0.35]
    near = [one for one in near if not _says_same(best, one, rows)]
    guessed = names.worth(best.name, names.LABEL) < 0.45
    reason = _why(best)
    if near and names.worth(best.name, names.LABEL) < 0.95:
        answers = [best.name, *(one.name for one in near[:4])]
        shown = "; ".join(f"{one.name}: {_shown(one)}" for one in [best, *near[:4]])
        answer, guessed = decisions.choose(f"Which column is to be learned? {shown}", answers)
        best = next(one for one in ranked if one.name == answer)
        reason = f"the likelier of {', '.join(map(repr, answers))}" if guessed else "as you said"
    copies = [one for one in free if one.name != best.name and _says_same(best, one, rows)]
    if best.is_number and not classes.get(best.name):
        named = [one for one in copies if not one.is_number and one.may_be_label()]
        if named:
            reason = f"it names what {best.name!r} numbers"
            copies = [best, *(one for one in copies if one != named[0])]
            best = named[0]
    rest = tuple(one.name for one in ranked if one.name != best.name and one not in copies)
    kind, how, unsure, separator = _kind(best, rows, classes, decisions)
    comma = best.comma > 0.98 > best.numbers
    return Learned(
        (best.name,), kind, reason, how, guessed, unsure, separator,
        "," if comma and kind == "score" else ".", rest, tuple(one.name for one in copies),
    )  # fmt: skip


def _may_be_learned(column: Column) -> bool:
    if column.may_be_label():
        return True
    if column.lists > 0.9 and not column.nested and column.distinct > 1:
        return True
    if column.objects > 0.9:
        return column.distinct > 1 and all("0" in one or "1" in one for one in column.values)
    measured = column.is_number and not column.is_id and not column.is_time and column.distinct > 2
    several = names.worth(column.name, names.LABEL) >= 0.7 and _is_joined(column)
    return measured or several


def _is_joined(column: Column) -> bool:
    """Whether cells hold several labels with a mark between."""
    return bool(_separator(column)) and column.words < 12


def _flags(
    free: Sequence[Column], rows: Rows, ranked: Sequence[Column], worths: Mapping[str, float]
) -> Learned | None:
    """Columns of 0 and 1 that are a label each, unless another column is named as the label."""
    flags = [
        one for one in free
        if one.is_flag and one.filled == one.rows and one.present == one.rows
        and not (names.is_learned_seldom(one.name) and names.worth(one.name, names.LABEL) < 0.8)
    ]  # fmt: skip
    if len(flags) < _LEAST_FLAGS:
        return None
    best = ranked[0] if ranked else None
    names_one = best is not None and names.worth(best.name, names.LABEL) >= 0.9
    if best is not None and names_one and (best not in flags or "_" not in best.name):
        alone = [one for one in flags if names.worth(one.name, names.LABEL) >= 0.9]
        if best not in flags or len(alone) == 1:
            return None
    marked = Counter(
        sum(str(row.get(one.name)).strip().lower() in ("1", "true", "1.0") for one in flags)
        for row in evenly(rows, 5000)
    )
    one_each = set(marked) == {1}
    how = "each column of 0 and 1 is a label, and a row has any number of them"
    if one_each:
        how = "each column of 0 and 1 is a label; each row has one, and such columns are read so"
    reason = f"{len(flags)} columns of 0 and 1 beside each other"
    others = tuple(one.name for one in ranked if one not in flags)
    return Learned(tuple(one.name for one in flags), "labels", reason, how, others=others)


def _says_same(one: Column, other: Column, rows: Rows) -> bool:
    """Whether two columns name the same thing, value for value."""
    if one.distinct != other.distinct or one.distinct < 2:
        return False
    pairs = {
        (str(row.get(one.name)).strip(), str(row.get(other.name)).strip())
        for row in evenly(rows, 5000)
    }
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def _why(column: Column) -> str:
    repeats = column.filled / max(column.distinct, 1)
    named = names.worth(column.name, names.LABEL) >= 0.6
    by_name = "named so, and " if named else "what a label looks like: "
    if column.is_number and column.distinct > _MANY:
        return f"{by_name}{column.distinct:,} different numbers"
    return f"{by_name}{column.distinct:,} different values, {repeats:,.0f} rows each on average"


def _shown(column: Column) -> str:
    values = ", ".join(value[:20] for value, _ in column.values.most_common(3))
    return f"{column.distinct} values ({values}, …)"


def _kind(
    column: Column, rows: Rows, classes: Mapping[str, Sequence[str]], decisions: Decisions
) -> tuple[str, str, bool, str]:
    """Label, labels or score; why; whether that is a guess; what separates several labels."""
    if column.lists > 0.9:
        sizes = {len(as_list(row.get(column.name)) or []) for row in evenly(rows, 20_000)}
        if sizes == {1}:
            return "label", "lists of one label each", False, ""
        return "labels", f"lists of {min(sizes)} to {max(sizes)} labels", False, ""
    if column.objects > 0.9:
        marked = {_marked(row.get(column.name)) for row in evenly(rows, 5000)}
        if marked <= {1}:
            return "label", "objects that mark one label", False, ""
        return "labels", "objects that mark any number of labels", False, ""
    if _in_brackets(column):
        how = "several labels in a cell, each within < and >"
        return "labels", how, False, ">"
    numbers = _numbers_joined(column)
    if numbers == "several":
        return "labels", "several numbers of classes in a cell, with ',' between", False, ","
    if numbers:
        how = (
            f"{column.distinct:,} different values, whole numbers with commas between ({numbers!r}): "
            'if these are several labels, set `task.multi_label: true` and `data.label_separator: ","`'
        )
        return "label", how, True, ""
    if odd := _beside_numbers(column):
        how = f"numbers with decimals, beside {odd!r} and the like: whole rows of these are refused"
        return "score", how, True, ""
    if not column.is_number or column.name in classes or column.is_flag:
        if not column.is_number and (mark := _separator(column)):
            return "labels", f"several labels in a cell, with {mark!r} between", False, mark
        return "label", f"{column.distinct:,} different values", False, ""
    return *_of_numbers(column, decisions), ""


def _marked(value: Any) -> int:
    return sum(bool(one) for one in value.values()) if isinstance(value, dict) else 0


def _beside_numbers(column: Column) -> str:
    """What stands beside numbers with decimals that is no finite number: "inf", "1,200"; "" if none."""
    plain = {value: number(value) for value in column.values}
    odd = [value for value, one in plain.items() if one is None]
    decimals = any(one is not None and not one.is_integer() for one in plain.values())
    if not decimals or not all(_NOT_FINITE.match(value) for value in odd):
        return ""
    return max(odd, key=column.values.__getitem__, default="") if not column.is_number else ""


def _in_brackets(column: Column) -> bool:
    """Whether cells are one label or several, each within < and >: "<java><spring>"."""
    values = column.values
    several = sum(count for value, count in values.items() if "><" in value)
    return (
        several >= 0.05 * column.filled
        and sum(count for value, count in values.items() if _BRACKETS.match(value))
        >= 0.98 * column.filled
    )


def _numbers_joined(column: Column) -> str:
    """Whether cells of whole numbers with commas between hold several labels, as "2,14" does.

    Returns:
        "several" where most parts stand alone in other cells, which those of decimals do not; a cell
        where they may be several; "" where they are none.
    """
    joined = {value for value in column.values if _NUMBERS.match(value)}
    alone = {value for value in column.values if value.isdigit()}
    rows = sum(column.values[value] for value in joined)
    if not joined or rows < 0.05 * column.filled or len(joined) + len(alone) < column.distinct:
        return ""
    parts = {part for value in joined for part in value.split(",")}
    behind = {value.rpartition(",")[2] for value in joined}
    if len(parts & alone) >= 0.8 * len(parts) and len(behind) > 2:
        return "several"
    widths = {len(value.rpartition(",")[2]) for value in joined}
    measured = names.has(column.name, names.SCORE | names.RATING)
    return max(joined, key=column.values.__getitem__) if len(widths) > 1 and not measured else ""


def _separator(column: Column) -> str:
    """The mark between several labels of a cell; "" where a cell has one."""
    known = [value for value, _ in column.values.most_common(2000)]
    best, most = "", 0.0
    if any(" " in value for value in known) and all(_HASHED.match(value) for value in known):
        return " "
    words = Counter(word for value in known for word in value.split())
    if names.has(column.name, _TAGS) and _are_tags(column, words):
        return " "
    for mark in _SEPARATORS:
        split = [value for value in known if mark in value]
        pieces = Counter(
            part.strip() for value in known for part in value.split(mark) if part.strip()
        )
        joined = sum(column.values[value] for value in split) / max(column.filled, 1)
        if joined < 0.05 or not split or len(pieces) >= len(known):
            continue
        again = sum(pieces[part.strip()] > 1 for value in split for part in value.split(mark))
        share = again / max(sum(value.count(mark) + 1 for value in split), 1)
        if share > 0.9 and max(map(len, pieces)) < 60 and joined > most:
            best, most = mark, joined
    if not best and 3 < column.distinct < 500:
        strict = several_in_one(known, "", several=False)
        marks = [mark for mark in strict if mark in _SEPARATORS and len(strict[mark]) > 2]
        best = marks[0] if marks else ""
    return best


def _are_tags(column: Column, words: Counter[str]) -> bool:
    """Whether cells are several tags of one word each, with spaces between, as Zendesk writes them."""
    joined = sum(count for value, count in column.values.items() if " " in value.strip())
    several = joined >= 0.3 * column.filled
    again = sum(count > 1 for count in words.values()) >= 0.9 * len(words)
    return several and again and 2 * len(words) <= column.distinct and column.words < 12


def _of_numbers(column: Column, decisions: Decisions) -> tuple[str, str, bool]:
    """Whether numbers are labels or scores."""
    decimal = "." if column.numbers > 0.98 else ","
    values = {number(one, decimal) for one in column.values} - {None}
    known = sorted(one for one in values if one is not None)
    low, high = known[0], known[-1]
    span = f"{low:g} to {high:g}"
    if not all(one.is_integer() for one in known):
        return "score", f"numbers with decimals, {span}", False
    count = len(known)
    if count == 2:
        return "label", f"two whole numbers, {low:g} and {high:g}", False
    measure = names.has(column.name, names.SCORE) and count >= 4
    given = names.has(column.name, names.RATING)
    dense = count >= 0.5 * (high - low + 1)
    if measure and not (given and count <= _FEW):
        likelier, why = "score", f"{count} whole numbers, {span}, and a name of measures"
    elif given and count > _FEW:
        likelier, why = "score", f"{count} whole numbers, {span}: more than {_FEW} that people give"
    elif given:
        likelier, why = "label", f"{count} whole numbers, {span}, as people give them"
    elif count > _MANY or (not dense and count > 10) or (low > 1 and count > 10):
        labelled = names.worth(column.name, names.LABEL) >= 0.9 and low in (0, 1) and dense
        if labelled and column.filled >= 4 * count:
            return (
                "label",
                f"{count} whole numbers, {span}, without gaps: numbers of classes",
                False,
            )
        return "score", f"{count} different whole numbers, {span}", not dense
    else:
        what = "numbers of classes" if low in (0, 1) and dense else "few whole numbers"
        return "label", f"{count} whole numbers, {span}: {what}", False
    other = "label" if likelier == "score" else "score"
    says = {"label": f"a label ({count} classes)", "score": "a score (a number)"}
    answer, guessed = decisions.choose(
        f"{column.name!r} holds {count} whole numbers, {span}. Are they labels or a score?",
        [says[likelier], says[other]],
    )
    if guessed:
        return likelier, why, True
    return (likelier if answer == says[likelier] else other), "as you said", False
