"""The roles of a table's columns, and with them the task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from bertworks.data.inspection import names
from bertworks.data.inspection.decisions import Decisions
from bertworks.data.inspection.facts import Column, columns_of
from bertworks.data.inspection.labels import Learned, find_learned
from bertworks.data.inspection.places import MEANS, SPLITS
from bertworks.data.inspection.published import Published
from bertworks.data.inspection.texts import (
    Tagged,
    Text,
    find_tagged,
    find_text,
    is_word_a_row,
    naming_all,
)
from bertworks.data.rows.values import EMPTY_WORDS
from bertworks.errors import DataError

_OWN = frozenset(
    ("id", "text", "text_a", "text_b", "tokens", "tags", "label", "labels", "score", "source")
)
SPAN_COLUMNS = ("spans", "entities")
"""Columns in which spans are found whatever `columns.label` is (`formats.spans`)."""
_CHATS = (("role", "content"), ("from", "value"), ("speaker", "text"))
"""What messages of a chat have: who speaks, and what is said."""
_MOST_SLICES = 3
_MOST_VALUES = 30
_SLICE_ROWS = 20

_FINDING = (
    "To find the answer of a question among those that there are, write a spec of "
    "`task: {type: matching}`: docs/matching.md."
)
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Roles:
    """What each column is for.

    Attributes:
        task: The task's settings in a spec.
        columns: The source's `columns`.
        text, learned, tagged: How they were found.
        split: The column of official splits, and its values by split; None where there is none.
        slices: Columns that are kept to measure by.
        left: Other columns, with what they are.
        separator: `data.label_separator`.
        settings: More of the source's settings.
    """

    task: dict[str, Any]
    columns: dict[str, Any]
    text: Text | None = None
    learned: Learned | None = None
    tagged: Tagged | None = None
    split: tuple[str, dict[str, list[str]]] | None = None
    slices: tuple[str, ...] = ()
    left: tuple[tuple[str, str], ...] = ()
    separator: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


def roles_of(
    rows: Rows,
    where: str,
    classes: Mapping[str, Sequence[str]],
    decisions: Decisions,
    label: str = "",
    every: Rows = (),
    published: Mapping[str, Published] = MappingProxyType({}),
) -> Roles:
    """Decides what the columns of rows are for, by what they hold, then by their names.

    Args:
        rows: The rows.
        where: The file's name in messages.
        classes: Columns whose numbers the file names in its metadata.
        published: Columns whose numbers a file beside it names.
        decisions: Whom to ask.
        label: The column that a file's name gives its class to; "" where there is none.
        every: Those rows, and the ones to measure by.

    Raises:
        DataError: No column holds text, or none can be learned.
    """
    facts = columns_of(rows)
    split = _split_column(facts)
    free = [one for one in facts if split is None or one.name != split[0]]
    tagged = find_tagged(free, rows)
    if tagged is None and (word := is_word_a_row(free)) is not None:
        raise _word_a_row(where, word)
    if tagged is not None and tagged.columns[-1] in classes:
        tagged = replace(tagged, label_names=())  # ingest reads them in the file's metadata, too
    elif tagged is not None and tagged.label_names and tagged.columns[-1] in published:
        known = published[tagged.columns[-1]]
        tagged = replace(tagged, label_names=known.names, named_by=known.file)
    text = find_text(free, rows, decisions)
    if text is None and tagged is None:
        raise _no_text(where, free, rows)
    learned = None
    if text is not None and not label:
        named = {**classes, **{name: one.names for name, one in published.items()}}
        learned = find_learned(free, text.columns, rows, named, decisions)
        meant = "label" if tagged is None else _meant(learned, tagged, decisions)
        if meant == "both" and tagged is not None and learned is not None:
            both = naming_all(tagged, every or rows)
            return _of_tagging(both, text, split, free, intent=learned.columns[0])
        if meant != "label":
            learned = None
    if tagged is not None and learned is None:
        return _of_tagging(naming_all(tagged, every or rows), text, split, free)
    assert text is not None
    if learned is None and not label:
        raise _no_label(where, free, text, rows)
    task, columns, settings = _of_text(text, learned, label)
    used = {*text.columns, *(learned.columns if learned else ()), *([label] if label else [])}
    used |= {*(learned.copies if learned else ())}
    slices = tuple(_slices(free, used, len(rows)))
    source = next((one for one in slices if one == "source"), None)
    if source:
        columns["source"] = source
    extra = [one for one in slices if one != "source"]
    if extra:
        columns["extra"] = extra
    left = tuple(
        (one.name, what_is(one)) for one in free if one.name not in used and one.name not in slices
    )
    separator = learned.separator if learned else ""
    return Roles(task, columns, text, learned, tagged, split, slices, left, separator, settings)


def _of_text(
    text: Text, learned: Learned | None, label: str
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The task, the source's columns and more of its settings."""
    task: dict[str, Any] = {"type": "classification"}
    columns: dict[str, Any] = {}
    if len(text.columns) == 2:
        task["pair"] = True
        columns |= dict(zip(("text_a", "text_b"), text.columns, strict=True))
    else:
        columns["text"] = text.columns[0]
    settings: dict[str, Any] = {}
    if learned is None:
        columns["label"] = label
    elif learned.kind == "score":
        task["type"] = "regression"
        columns["label"] = learned.columns[0]
        if learned.decimal == ",":
            settings["decimal"] = ","
    else:
        if learned.kind == "labels":
            task["multi_label"] = True
        if len(learned.columns) > 1:
            columns["one_hot"] = list(learned.columns)
        else:
            columns["label"] = learned.columns[0]
    return task, columns, settings


def _of_tagging(
    tagged: Tagged,
    text: Text | None,
    split: tuple[str, dict[str, list[str]]] | None,
    facts: Sequence[Column],
    intent: str | None = None,
) -> Roles:
    """Of tagged words; with a column of intents, of both."""
    names_of = ("text", "label") if tagged.spans else ("tokens", "tags")
    columns = dict(zip(names_of, tagged.columns, strict=True))
    settings = {"label_names": list(tagged.label_names)} if tagged.label_names else {}
    used = [*tagged.columns]
    if intent is not None:
        columns["label"] = intent
        used.append(intent)
    left = tuple((one.name, what_is(one)) for one in facts if one.name not in used)
    task = {"type": "tagging" if intent is None else "understanding"}
    return Roles(task, columns, text, None, tagged, split, left=left, settings=settings)


def _meant(
    learned: Learned | None, tagged: Tagged, decisions: Decisions
) -> Literal["label", "tags", "both"]:
    """What rows with both a label and tagged words are for."""
    if learned is None or learned.kind == "score":
        return "tags"
    name = learned.columns[0]
    if name in tagged.columns or names.worth(name, names.LABEL) < 0.8 or len(learned.columns) > 1:
        return "tags"
    asked: dict[str, Literal["label", "tags", "both"]] = {
        f"the label of the text ({name})": "label",
        f"the tags of the words ({tagged.columns[-1]})": "tags",
    }
    if learned.kind == "label" and (not tagged.spans or tagged.columns[-1] in SPAN_COLUMNS):
        asked["both, as an intent and its slots"] = "both"
    answer, guessed = decisions.choose(
        "The rows hold a label and tagged words. What is to be learned?", list(asked)
    )
    if guessed:
        both = ", for both `type: understanding`" if len(asked) > 2 else ""
        decisions.add(
            "task", "classification", f"{name!r} is a label of the whole text; for the tags of the "
            f"words in {tagged.columns[-1]!r} write `type: tagging`{both}", ("task",), guessed=True,
        )  # fmt: skip
    return asked[answer]


def _split_column(facts: Sequence[Column]) -> tuple[str, dict[str, list[str]]] | None:
    """A column that says which official split a row belongs to."""
    for one in facts:
        if not 2 <= one.distinct <= 8 or one.filled < one.rows:
            continue
        found: dict[str, list[str]] = {}
        for value in one.values:
            split = next((MEANS[part] for part in names.parts(value) if part in MEANS), None)
            if split is None:
                break
            found.setdefault(split, []).append(value)
        else:
            if "train" in found and len(found) > 1:
                return one.name, {split: found[split] for split in SPLITS if split in found}
    return None


def _slices(facts: Sequence[Column], used: set[str], rows: int) -> list[str]:
    """Columns with few values that are worth measuring by."""
    kept = []
    for one in facts:
        few = 2 <= one.distinct <= _MOST_VALUES and one.filled >= _SLICE_ROWS * one.distinct
        whole = one.present == one.rows and one.filled >= 0.5 * one.rows
        short = one.characters <= 40 and not one.lists and not one.objects
        plain = not one.is_number or one.is_flag
        free = one.name not in used and (one.name not in _OWN or one.name == "source")
        if few and whole and short and plain and free and rows > _SLICE_ROWS and one.name.strip():
            kept.append(one.name)
    return kept[:_MOST_SLICES]


def what_is(column: Column) -> str:
    """A column in a few words."""
    if not column.filled:
        return "empty"
    if column.is_constant:
        return "the same in each row"
    if column.is_time:
        return "times"
    if column.is_id:
        return "numbers or names of rows"
    if column.addresses > 0.5:
        return "addresses"
    if column.lists > 0.5:
        return "lists"
    if column.objects > 0.5:
        return "objects"
    if column.is_text:
        return f"text, {column.words:.0f} words"
    if column.is_number:
        return f"{column.distinct:,} different numbers"
    return f"{column.distinct:,} different values"


def _listed(facts: Sequence[Column]) -> str:
    return "; ".join(f"{one.name!r}: {what_is(one)}" for one in facts[:12])


def _no_text(where: str, facts: Sequence[Column], rows: Rows) -> DataError:
    for one in facts:
        held = [row.get(one.name) for row in rows[:50]]
        chats = (keys for keys in _CHATS if held and all(_is_chat(cell, keys) for cell in held))
        if (keys := next(chats, None)) is not None:
            who, what = keys
            made = f"{{text: .{one.name}[-2].{what}, label: .{one.name}[-1].{what}}}"
            return DataError(
                f"{where} holds chats: lists of messages with {who!r} and {what!r}, in {one.name!r}.",
                "If the last message is the answer to learn, and the one before it the text: "
                f"jq -c '{made}' FILE > rows.jsonl",
            )
    return DataError(
        f"{where} has no column of text. Its columns: {_listed(facts) or 'none'}.",
        "Give rows with a column of written text, and one that says what is to be learned of it. Where "
        "one of these is such a column, name it in a spec of your own, as README shows.",
    )


def _is_chat(cell: Any, keys: Sequence[str]) -> bool:
    return (
        isinstance(cell, list)
        and len(cell) > 1
        and all(isinstance(one, dict) and one.keys() >= {*keys} for one in cell)
    )


def _no_label(where: str, facts: Sequence[Column], text: Text, rows: Rows) -> DataError:
    rest = [one for one in facts if one.name not in text.columns]
    alone = f"{where} holds text ({', '.join(map(repr, text.columns))}) and nothing to learn of it"
    constant = [
        one for one in rest if one.is_constant and (one.filled or _words_for_none(one, rows))
    ]
    if constant and names.worth(constant[0].name, names.LABEL) >= 0.6:
        if words := _words_for_none(constant[0], rows):
            return _missing_labels(where, constant[0], words)
        value = next(iter(constant[0].values))
        return DataError(
            f"{where}: every row has the same {constant[0].name!r}, {value!r:.60}; with one class there "
            "is nothing to tell apart.",
            "Give rows of at least two classes; files of a class each may be named together.",
        )
    sentences = [one for one in rest if one.is_text]
    if sentences:
        one = sentences[0]
        return DataError(
            f"{alone}: {one.name!r} holds sentences of its own ({one.distinct:,} different ones in "
            f"{one.filled:,} rows), and an agent gives labels or numbers; it does not write text. Its "
            f"columns: {_listed(facts)}.",
            f"Give a column of labels that repeat, or of numbers. {_FINDING}",
        )
    finding = f" {_FINDING}" if len(text.columns) > 1 else ""
    return DataError(
        f"{alone}. Its columns: {_listed(facts)}.",
        "Add a column of labels that repeat, or of numbers; or name files of a class each, or a folder "
        "with a folder of files for each class. Text without labels may serve as the corpus of a spec."
        + finding,
    )


def _words_for_none(column: Column, rows: Rows) -> Counter[str]:
    """The words for a missing value that stand in a column, with how often."""
    cells = (row.get(column.name) for row in rows)
    texts = (cell.strip() for cell in cells if isinstance(cell, str))
    return Counter(text for text in texts if text in EMPTY_WORDS)


def _missing_labels(where: str, column: Column, words: Counter[str]) -> DataError:
    shown = ", ".join(f"{word!r} ({count:,})" for word, count in words.most_common())
    others = (
        f"the others have the same, {next(iter(column.values))!r:.60}" if column.filled
        else "there are no others"
    )  # fmt: skip
    return DataError(
        f"{where}: {words.total():,} rows have a word in {column.name!r} that is taken for a missing "
        f"value: {shown}; {others}. With one class there is nothing to tell apart.",
        "If these words are labels, write a spec of your own, as README shows: `bertworks run` reads "
        "them as labels like any other. Else give rows of at least two classes.",
    )


def _word_a_row(where: str, columns: tuple[str, str]) -> DataError:
    word, tag = columns
    return DataError(
        f"{where} has a word and its tag a row ({word!r}, {tag!r}), not a sentence.",
        "Write it as conll: a word, a tab and its tag a line, and a blank line behind each sentence; "
        "name the file with the ending .conll.",
    )
