"""Which columns hold the text, or the two texts of a pair, or words with their tags."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from bertworks.data.formats.spans import KEYS, NoSpans, text_and_spans
from bertworks.data.inspection import names
from bertworks.data.inspection.decisions import Decisions, evenly
from bertworks.data.inspection.facts import Column, as_list
from bertworks.data.labels.labels import Refused

_TAG = re.compile(r"^(?:O|[BIESLUM][-_]\S.*)$")
_NEGATIVE = re.compile("-[0-9]+")
_MOST = 0.95
"""Of the items of a column's lists, at least, that are what it is taken for."""
_LOOKED_AT = 500
_ALIKE = 1.35
"""How much more words the two texts of a row share than those of different rows, in a pair."""

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Text:
    """Where the text is.

    Attributes:
        columns: One, or two of a pair.
        reason: Why.
        guessed: Whether another one was likely, too.
        others: More columns of text, which are not read.
    """

    columns: tuple[str, ...]
    reason: str
    guessed: bool = False
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tagged:
    """Where words and tags are.

    Attributes:
        columns: The words' and the tags'; or the text's, where its spans are marked.
        reason: Why.
        label_names: Names of tags that stand as numbers, where the file does not name them.
        named_by: The file beside it that gives these; "": none does, and they are numbers as well.
        spans: Whether it is text with marked spans.
    """

    columns: tuple[str, ...]
    reason: str
    label_names: tuple[str, ...] = ()
    named_by: str = ""
    spans: bool = False


def worth_as_text(column: Column) -> float:
    """How much speaks for a column to be the text: many words, no value twice, a usual name."""
    length = math.log1p(min(column.words, 60.0))
    name = names.worth(column.name, names.TEXT)
    marks = 0.4 if column.marked > 0.1 else 1.0  # parse trees, code
    return length * (0.3 + 0.7 * min(column.share, 1.0)) * (0.5 + name) * marks


def find_text(columns: Sequence[Column], rows: Rows, decisions: Decisions) -> Text | None:
    """The text's column or two, by content first; None where no column holds text."""
    texts = sorted((one for one in columns if one.is_text), key=worth_as_text, reverse=True)
    if not texts:
        return _only_one(columns)
    if (pair := _pair(texts, rows)) is not None:
        rest = tuple(one.name for one in texts if one.name not in pair[0])
        return Text(pair[0], pair[1], others=rest)
    best, *others = texts
    rest = tuple(one.name for one in others)
    said = f"{best.words:.0f} words a row, {best.share:.0%} of them different"
    if not others:
        return Text((best.name,), f"the only column of written text: {said}")
    titles = [one for one in others if names.has(one.name, names.TITLE)]
    close = [one for one in others if worth_as_text(one) > 0.75 * worth_as_text(best)]
    close = [one for one in close if one not in titles]
    if not close:
        short = f"; {titles[0].name!r} is its title" if titles else ""
        return Text((best.name,), f"the most written text: {said}{short}", others=rest)
    both = f"both {best.name!r} and {close[0].name!r}, as a pair"
    asked = f"Which column is the text: {best.name!r} ({best.words:.0f} words a row)?"
    answers = [best.name, *(one.name for one in close[:3]), both]
    answer, guessed = decisions.choose(asked, answers)
    if answer == both:
        return Text((best.name, close[0].name), "as you said")
    reason = f"the likelier of {', '.join(repr(one.name) for one in [best, *close[:3]])}: {said}"
    left = tuple(one for one in (best.name, *rest) if one != answer)
    return Text((answer,), reason if guessed else "as you said", guessed, left)


def _only_one(columns: Sequence[Column]) -> Text | None:
    """A column of short texts, such as names or single words, where there is nothing else."""
    short = [
        one for one in columns
        if one.share > 0.5 and one.lettered > 0.5 and one.filled > 1 and not one.is_id
        and one.lists < 0.1 and one.objects < 0.1 and not one.is_time and one.addresses < 0.5
    ]  # fmt: skip
    if not short:
        return None
    best = max(short, key=lambda one: (names.worth(one.name, names.TEXT), one.characters))
    reason = f"the only column of letters whose values differ: {best.characters:.0f} characters"
    return Text((best.name,), reason, guessed=True)


def _pair(texts: Sequence[Column], rows: Rows) -> tuple[tuple[str, str], str] | None:
    """Two columns that are read together, and why."""
    near = [one for one in texts[:6] if one.marked < 0.1]
    ordered = sorted(
        near, key=lambda one: list(rows[0]).index(one.name) if one.name in rows[0] else 99
    )
    for first, second in combinations(ordered, 2):
        for one, two in ((first, second), (second, first)):
            if names.is_pair(one.name, two.name) and not _same(one.name, two.name, rows):
                return (one.name, two.name), "two texts whose names belong together"
    for first, second in combinations(ordered, 2):
        if names.has(first.name, names.TITLE) or names.has(second.name, names.TITLE):
            continue
        long, short = sorted((first.words, second.words), reverse=True)
        if long > 3 * short or texts[0] not in (first, second):
            continue
        shared, by_chance = _overlap(first.name, second.name, rows)
        if 0.15 < shared < 0.97 and shared > _ALIKE * by_chance + 0.1:
            said = f"two texts that share {shared:.0%} of their words, {by_chance:.0%} by chance"
            return (first.name, second.name), said
    return None


def _same(first: str, second: str, rows: Rows) -> bool:
    """Whether one column is a copy of the other, cleaned perhaps."""
    looked = evenly(rows, _LOOKED_AT)
    pairs = [(_sequence(row.get(first)), _sequence(row.get(second))) for row in looked]
    return sum(one == other for one, other in pairs) > 0.9 * len(pairs)


def _overlap(first: str, second: str, rows: Rows) -> tuple[float, float]:
    """The mean share of words that two columns have in common in a row, and in different rows."""
    looked = evenly(rows, _LOOKED_AT)
    sets = [(_words(row.get(first)), _words(row.get(second))) for row in looked]
    sets = [(one, two) for one, two in sets if one and two]
    if len(sets) < 2:
        return 0.0, 0.0
    rolled = [(sets[place - 1][0], two) for place, (_, two) in enumerate(sets)]
    return _mean(sets), _mean(rolled)


def _mean(sets: Sequence[tuple[set[str], set[str]]]) -> float:
    return sum(len(a & b) / min(len(a), len(b)) for a, b in sets) / len(sets)


def _words(value: Any) -> set[str]:
    return set(_sequence(value))


def _sequence(value: Any) -> list[str]:
    return re.findall(r"[\u3400-\u9fff]|[^\W\d_\u3400-\u9fff]+", str(value or "").lower())


def find_tagged(columns: Sequence[Column], rows: Rows) -> Tagged | None:
    """Words and a tag for each, as lists, as texts of as many words, or as marked spans."""
    looked = evenly(rows, _LOOKED_AT)
    if (spans := _spans(columns, looked)) is not None:
        return spans
    lists = [one for one in columns if one.lists > 0.9 and not one.nested]
    words = [one for one in lists if _is_of_words(one.name, looked)]
    best: tuple[float, str, str] | None = None
    for one in words:
        for other in lists:
            if other.name == one.name or not _as_many(one.name, other.name, looked):
                continue
            worth = _worth_as_tags(other.name, looked)
            if worth > 0 and (best is None or worth > best[0]):
                best = worth, one.name, other.name
    if best is not None:
        _, tokens, tags = best
        reason = "lists of words and as many tags"
        given = _names_of(tags, looked) if _numbered(tags, looked) else ()
        return Tagged((tokens, tags), reason, given)
    return _spaced(columns, looked)


def _is_of_words(name: str, rows: Rows) -> bool:
    items = [item for row in rows for item in as_list(row.get(name)) or []]
    texts = [item for item in items if isinstance(item, str)]
    tags = sum(_TAG.match(item) is not None for item in texts)
    return len(texts) > _MOST * len(items) and tags < 0.9 * len(texts)


def _as_many(one: str, other: str, rows: Rows) -> bool:
    pairs = [(as_list(row.get(one)), as_list(row.get(other))) for row in rows]
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    same = sum(len(a) == len(b) for a, b in both)
    longer = any(len(a) > 1 for a, _ in both)
    return bool(both) and longer and same > 0.95 * len(both)


def _worth_as_tags(name: str, rows: Rows) -> float:
    """How much a column of lists looks like tags of entities."""
    items = [str(item) for row in rows for item in as_list(row.get(name)) or []]
    if not items:
        return 0.0
    outside = items.count("O") / len(items)
    form = sum(_TAG.match(item) is not None for item in items) / len(items)
    if form > 0.95:
        return 2.0 + outside
    if _are_numbers(items) and len(set(items)) < 200:
        zeros = items.count("0") / len(items)
        words = {*names.parts(name)}
        named = bool({"ner", "tags", "tag", "labels", "entities", "slots"} & words)
        other = bool({"pos", "chunk", "upos", "xpos", "dep", "head", "heads"} & words)
        return 0.5 + zeros + named - other if zeros > 0.4 or (named and not other) else 0.0
    return 0.0


def _numbered(name: str, rows: Rows) -> bool:
    return _are_numbers([str(item) for row in rows for item in as_list(row.get(name)) or []])


def _are_numbers(items: Sequence[str]) -> bool:
    """Whether they are numbers of tags. What a few are beside costs only their rows.

    Negative numbers are none, and mark no other column: Hugging Face pads with -100, and has -1 where
    nothing is known.
    """
    numbers = sum(item.isdigit() for item in items)
    return numbers > _MOST * sum(_NEGATIVE.fullmatch(item) is None for item in items)


def _names_of(name: str, rows: Rows) -> tuple[str, ...]:
    """Names for tags that stand as numbers and have none: the numbers themselves, as types.

    0 is O where most words have it. Most sets number the beginning and the inside of each type behind
    it: where each even number follows the one before it or itself alone, two are a type, which the
    first of them names. Else each is one.
    """
    lists = [_numbers(row.get(name)) for row in rows]
    numbers = Counter(number for one in lists for number in one if number is not None)
    outside = numbers[0] == max(numbers.values())
    follows = {
        (before, number)
        for one in lists
        for before, number in zip([0, *one], one, strict=False)
        if before is not None and number is not None
    }
    inside = {(before, number) for before, number in follows if number and number % 2 == 0}
    paired = (
        outside
        and any(before < number for before, number in inside)
        and all(before in (number, number - 1) for before, number in inside)
    )
    highest = max(numbers)
    if paired:
        pairs = range(1, highest + 1, 2)
        return ("O", *(f"{part}-{number}" for number in pairs for part in "BI"))
    return tuple("O" if outside and not n else f"I-{n}" for n in range(highest + 1))


def _numbers(value: Any) -> list[int | None]:
    """The numbers of a row's tags, with None for what is none."""
    items = [str(item) for item in as_list(value) or []]
    return [int(item) if item.isdigit() else None for item in items]


def naming_all(tagged: Tagged, rows: Rows) -> Tagged:
    """With a name for each number of all rows: a rare tag may stand in rows to measure by alone."""
    if not tagged.label_names or tagged.named_by or not _numbered(tagged.columns[-1], rows):
        return tagged
    return replace(tagged, label_names=_names_of(tagged.columns[-1], rows))


def _spaced(columns: Sequence[Column], rows: Rows) -> Tagged | None:
    """Words and tags as texts with spaces between."""
    for tags in columns:
        parts = [str(row.get(tags.name) or "").split() for row in rows]
        items = [item for one in parts for item in one]
        if not items or sum(_TAG.match(item) is not None for item in items) < 0.97 * len(items):
            continue
        if max(map(len, parts)) < 2:
            continue
        for words in columns:
            if words.name != tags.name and words.filled:
                cells = [str(row.get(words.name) or "").split() for row in rows]
                same = sum(len(a) == len(b) for a, b in zip(cells, parts, strict=True))
                if same > 0.98 * len(rows):
                    return Tagged((words.name, tags.name), "texts of words, and as many tags")
    return None


def _spans(columns: Sequence[Column], rows: Rows) -> Tagged | None:
    """Text with marked spans, as annotation tools export it."""
    known = [one.name for one in columns]
    text = next((one for one in columns if one.is_text), None)
    if text is None and "text" in known:
        text = next(one for one in columns if one.name == "text")
    if text is None:
        return None
    wrapped = {"data", "annotations"} <= {*known}  # Label Studio's tasks
    for label in ["label"] if wrapped else [name for name in known if name != text.name]:
        broken = True if wrapped or label in KEYS else None
        held = [_read_spans(row if wrapped else _alone(row, text.name, label), text.name, label, broken)
                for row in rows]  # fmt: skip
        found = [one for one in held if one is not None]
        if len(found) >= 0.9 * len(rows) and any(found):
            return Tagged((text.name, label), "texts with marked spans", spans=True)
    return None


def _alone(row: Mapping[str, Any], *columns: str) -> dict[str, Any]:
    return {name: row[name] for name in columns if name in row}


def _read_spans(row: Mapping[str, Any], text: str, label: str, broken: bool | None) -> bool | None:
    """Whether a row has marked spans; None: it is of no known form; `broken`: a rule refuses them."""
    try:
        found = text_and_spans(row, text, label)
    except NoSpans:
        return False
    except Refused:
        return broken
    except (TypeError, ValueError):
        return None
    return None if found is None else bool(found[1])


def is_word_a_row(columns: Sequence[Column]) -> tuple[str, str] | None:
    """The word's and the tag's column of a table that has a word a row; None where it is none."""
    tags = next((one for one in columns if one.tags > 0.95 and one.distinct > 1), None)
    if tags is None or "O" not in tags.values:
        return None
    words = [one for one in columns if one.words < 1.2 and one.lettered > 0.5 and one != tags]
    return (max(words, key=lambda one: one.distinct).name, tags.name) if words else None
