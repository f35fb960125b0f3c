"""What a row's label column holds: one label, several, a number; the same however it was written."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from bertworks.data.labels.patterns import Pattern, Slow
from bertworks.data.rows.tally import Kind
from bertworks.data.rows.values import (
    has_quoted_items,
    is_missing,
    is_written_list,
    list_in,
    number,
    plain,
    received,
    tidy,
)
from bertworks.errors import DataError
from bertworks.spec import Source

TIDIED = Kind(
    "label_spelling",
    "{count} labels are written in another way than they are read: {details} (first: {first})",
    fix="To keep two of them apart, name each of them in the source's `label_map`.",
)
ALSO_RENAMED = Kind(
    "renamed_spellings",
    "{count} labels were renamed by a `label_map` key that is written in another way: {counted} (first: "
    "{first})",
    fix="To keep two of them apart, name each of them in `label_map`.",
)
LIST_AS_TEXT = Kind(
    "list_as_text",
    "{count} cells hold a list that was written as text; it was read as a list (first: {first})",
)
FLAGGED = Kind(
    "flagged_labels",
    "{count} labels stand as an object of 0 and 1; the one that is marked was read (first: {first})",
)
NO_LABELS = Kind(
    "no_labels",
    "{count} cells are empty; their rows were read as having none of the labels (first: {first})",
)
BROKEN_CELLS = Kind(
    "broken_cells",
    "{count} cells have line breaks or tabs, which became spaces inside a label (first: {first})",
    "warning",
    'If they separate labels, set data.label_separator: "\\n" or "\\t".',
)
ZERO_AND_ONE = Kind(
    "zero_and_one",
    "{count} cells list 0 and 1; they were read as the labels 0 and 1, as other cells list one label or "
    "others (first: {first})",
    fix="If they say which of two labels a row has, set the source's `label_names: [NAME, NAME]`.",
)
VECTOR = "labels are a vector of 0 and 1 without names"
NAMES = "Name the places in order in the source's `label_names: [NAME, …]`."
UNDECODABLE = "bytes that are not in the encoding"
LONE_HALF = "an escape of half a character (a lone surrogate)"
_ON, _OFF = ("1", "true"), ("0", "false")
_BREAK = re.compile(r"[\t\r\n]")
_FLAG_GAP = re.compile(r"\s*[,;|/]\s*|\s+")  # a vector may stand without brackets: 0,1,1


_FLAGS = (
    "A list of label columns was given, each of which holds 1 where a row has its label and 0 where it "
    'has not. One column that holds the names of labels is given without brackets, label="verdict" in '
    "Python, and in a spec as `columns: {label: verdict}`, not as one_hot."
)


class Refused(Exception):
    """A row breaks a rule: `rule` in words, `value` as received, `fix` where a setting mends it."""

    def __init__(self, rule: str, value: Any, fix: str = "") -> None:
        super().__init__(rule)
        self.rule, self.value, self.fix = rule, value, fix


class NoColumn(Refused):
    """A row has not the column `column`."""

    def __init__(self, column: str, values: Mapping[str, Any]) -> None:
        super().__init__(f"no column {column!r}", ", ".join(map(str, values)))
        self.column = column


class LabelReader:
    """Reads the label column of one source's rows.

    The task says which of its methods reads the column (`bertworks.tasks.target.Target.read`).

    Args:
        source: Its names, patterns and map.
        separator: Separates the labels of a multi-label cell.
        renames: Whether the map applies: a number is not renamed.

    Attributes:
        unmatched: Keys of `label_map` that no label has had so far.
        mended: What was read otherwise than it stands there: (kind, value, detail), to be emptied by
            the caller.
    """

    def __init__(self, source: Source, separator: str, renames: bool = True) -> None:
        self._source, self._separator = source, separator
        self._pattern = (
            Pattern(source.label_pattern, "label_pattern") if source.label_pattern else None
        )
        self._map = _by_canonical(source.label_map)
        self._lists: Counter[str] = Counter()
        self.unmatched = set(source.label_map) if renames else set()
        self.mended: list[tuple[Kind, str, str]] = []

    @staticmethod
    def cell(values: Mapping[str, Any], column: str) -> Any:
        """A row's cell; see `cell`."""
        return cell(values, column)

    def label(self, value: Any) -> str:
        """The label that a value stands for.

        Raises:
            Refused: It stands for none.
        """
        if isinstance(value, dict):
            raise _is_object(value)
        if is_missing(value) or isinstance(value, list):
            raise Refused("no label", value)
        text = value if isinstance(value, str) else plain(value)
        if self._pattern is not None:
            text = self._matched(self._pattern, text)
        text = text.strip()
        written = isinstance(value, str)
        if (mapped := self.mapped(text, plain(tidy(text)), written)) is not None:
            label = mapped
        else:
            label = plain(tidy(text))
            if self._pattern is None and written and label != text:
                self.mended.append((TIDIED, value, f"{value!r} as {label!r}"))
            label = self.renamed(label)
        label = tidy(label)
        if not label:
            raise Refused("no label", value)
        return whole(label)

    @staticmethod
    def _matched(pattern: Pattern, text: str) -> str:
        try:
            match = pattern.search(text)
        except Slow:
            raise Refused(pattern.rule, text) from None
        if match is None:
            raise Refused("label does not match label_pattern", text)
        return (match[1] if pattern.groups else match[0]) or ""

    def renamed(self, label: str) -> str:
        """The label by `label_names`, where it is a place in them."""
        names = self._source.label_names
        if not names or label in names:
            return label
        if not label.isascii() or not label.isdigit() or int(label) >= len(names):
            raise Refused(
                f"label is none of the {len(names)} label_names and no place in them", label
            )
        return names[int(label)]

    def mapped(self, text: str, read: str | None = None, written: bool = True) -> str | None:
        """The label by `label_map`; None where that has no such key.

        Args:
            text: As it is written there.
            read: As it is read; a key that is read as the same renames it, too, which is noted.
            written: Whether it was a text: a number or a boolean has no spelling of its own to keep.
        """
        read = text if read is None else read
        if text in self._source.label_map:
            key, new = text, self._source.label_map[text]
        elif read in self._source.label_map:
            key, new = read, self._source.label_map[read]
        elif read in self._map:
            key, new = self._map[read]
        else:
            return None
        self.unmatched.discard(key)
        if written and key != text:
            self.mended.append((ALSO_RENAMED, text, f"{key!r} renamed {text!r}"))
        return new

    def kind(self, kind: str | int) -> str:
        """The name of a span's type: by `label_map`, a number by `label_names`, else as it is written.

        Raises:
            Refused: A number is no place in `label_names`, or nothing is left of the name.
        """
        text = str(kind).strip()
        name = tidy(text)
        if (mapped := self.mapped(text, name, isinstance(kind, str))) is not None:
            name = tidy(mapped)
        elif name.isascii() and name.isdigit():
            name = self.renamed(name)
        elif name != text:
            self.mended.append((TIDIED, text, f"{text!r} as {name!r}"))
        if not name:
            raise Refused("a span without a type", kind)
        return whole(name)

    def label_in(self, value: Any) -> str:
        """The one label of a cell.

        Raises:
            Refused: There is none, or several; with the whole cell as what was received.
        """
        with _received(value):
            return self.label(self.one(value))

    def labels_in(self, value: Any) -> list[str]:
        """The labels of a multi-label cell, each once, by the alphabet.

        Raises:
            Refused: It has something that is no label; with the whole cell as what was received.
        """
        with _received(value):
            return sorted({self.label(item) for item in self.several(value)})

    def one(self, value: Any) -> Any:
        """The one item of a list, where a list came for a single label.

        Raises:
            Refused: It has several.
        """
        value = _choices(value)
        if (flags := _marked(value)) is not None:
            if len(flags) != 1:
                rule = f"an object marks {len(flags)} labels where one is expected"
                raise Refused(rule, value, "Set task.multi_label: true.")
            self.mended.append((FLAGGED, plain(value), ""))
            return flags[0]
        items = self._listed(value) if isinstance(value, str) else value
        if items == [] and isinstance(value, str):
            raise Refused("no label", value)
        if not isinstance(items, list) or not items:
            return value
        if len(items) > 1:
            raise Refused(
                "several labels where one is expected", value, "Set task.multi_label: true."
            )
        if isinstance(value, str):
            self.mended.append((LIST_AS_TEXT, value, ""))
        return items[0]

    def _listed(self, text: str) -> list[str] | None:
        """The items of a list, set or tuple that was written as text where one label is expected.

        Several numbers may be a class by themselves, such as a range: (0, 10).
        """
        if text.strip() in self._source.label_map or (items := list_in(text)) is None:
            return None
        is_list = is_written_list(text) if len(items) < 2 else has_quoted_items(text)
        return items if is_list else None

    def several(self, value: Any) -> Sequence[Any]:
        """The items of a multi-label cell.

        Raises:
            Refused: It is neither a list nor a text, or has no value.
        """
        value = _choices(value)
        if is_missing(value):
            raise Refused("no label", value)
        if isinstance(value, str):
            if (items := list_in(value)) is None:
                flags = _FLAG_GAP.split(value.strip())
                if self._is_vector(flags):
                    return self._places(flags)
                parts = [part for part in value.split(self._separator) if part.strip()]
                if not parts:
                    self.mended.append((NO_LABELS, value, ""))
                if any(_BREAK.search(part.strip()) for part in parts):
                    self.mended.append((BROKEN_CELLS, value, ""))
                return parts
            self.mended.append((LIST_AS_TEXT, value, ""))
            value = items
        if (flagged := _marked(value)) is not None:
            return flagged
        if isinstance(value, dict):
            raise _is_object(value)
        if not isinstance(value, list):
            raise Refused("labels are neither a list nor a text", value)
        return self._places(value) if self._is_vector(value) else value

    def _is_vector(self, items: list[Any]) -> bool:
        """Whether a list has a 0 or 1 for each label: a list of labels names none twice.

        Without names 0 and 1 may be a vector of two places or two labels. All rows of the source say
        which (see `check`); until then they are labels.
        """
        flags = [plain(item) for item in items if not isinstance(item, list | dict)]
        if len(items) < 2 or len(flags) < len(items) or not set(flags) <= {*_ON, *_OFF}:
            self._lists["labels"] += any(flags) or len(flags) < len(items)
            return False
        if len(items) == len(self._source.label_names):
            return True
        if len(set(flags)) < len(flags):
            self._lists["vectors"] += 1
            return True
        self._lists["either"] += 1
        if not self._source.label_names:
            self.mended.append((ZERO_AND_ONE, received(items), ""))
        return False

    def check(self, name: str, first: str) -> None:
        """Refuses a source whose lists of 0 and 1 were read as labels, though its rows say otherwise.

        They are vectors, wherever they stand, if no cell lists other labels, or fewer do than cells that
        can only be vectors.

        Args:
            name: The source's, for messages.
            first: Where the first of them is.

        Raises:
            DataError: It is such a source.
        """
        count, labels, vectors = (self._lists[key] for key in ("either", "labels", "vectors"))
        if count and not self._source.label_names and (not labels or vectors > labels):
            raise DataError(
                f"{name}: {VECTOR}: {count} cells list 0 and 1 (first: {first})"
                + (
                    f", {vectors} list one of them twice, {labels} list labels." if vectors else "."
                ),
                NAMES,
            )

    def _places(self, flags: list[Any]) -> list[str]:
        names = self._source.label_names
        if not names:
            raise Refused(VECTOR, flags, NAMES)
        if len(names) != len(flags):
            raise Refused(
                f"a vector of {len(flags)} places for {len(names)} label_names", flags, NAMES
            )
        return [name for name, flag in zip(names, flags, strict=True) if plain(flag) in _ON]

    def one_hot(self, values: Mapping[str, Any]) -> list[str]:
        """The labels whose columns hold 1.

        Raises:
            Refused: One holds neither 0 nor 1.
        """
        found = []
        for column in self._source.columns.one_hot:
            value = cell(values, column)
            flag = plain(value).strip()
            if flag not in _ON + _OFF:
                raise Refused(f"column {column!r} is neither 0 nor 1", value, _FLAGS)
            if flag in _ON:
                found.append(self.label(column))
        return sorted(set(found))

    def number(self, value: Any) -> float:
        """The number that a value stands for.

        Raises:
            Refused: It is none.
        """
        if isinstance(value, dict):
            raise _is_object(value)
        score = number(value, self._source.decimal)
        if score is None:
            fix = ""
            if isinstance(value, str) and number(value, ",") is not None:
                fix = "Set the source's `decimal: ','` if its numbers have a decimal comma."
            raise Refused("label is not a number", value, fix)
        return score


@contextmanager
def _received(cell: Any) -> Iterator[None]:
    """Tells of the whole list where an item of it is refused: a null by itself shows nothing."""
    try:
        yield
    except Refused as refused:
        if isinstance(cell, list):
            refused.value = cell
        raise


def _marked(value: Any) -> list[str] | None:
    """The keys of an object that hold 1, as spaCy's `cats`; None: not all of it is 0 and 1."""
    if not isinstance(value, dict) or not value:
        return None
    if not all(plain(one) in _ON + _OFF for one in value.values()):
        return None
    return [name for name, one in value.items() if plain(one) in _ON]


def _choices(value: Any) -> Any:
    """What Label Studio's {"choices": [...]} holds, as an object or as text; all else as it is."""
    found = value
    if isinstance(value, str) and value.lstrip().startswith('{"choices"'):
        try:
            found = json.loads(value)
        except ValueError:
            return value
    if (
        isinstance(found, dict)
        and list(found) == ["choices"]
        and isinstance(found["choices"], list)
    ):
        return found["choices"]
    return value


def _is_object(value: Mapping[str, Any]) -> Refused:
    keys = [str(key) for key in value]
    likely = next((key for key in ("label", "name", "value", "id") if key in keys), None)
    shown = ", ".join(map(repr, keys[:5])) + (" and more" if len(keys) > 5 else "")
    return Refused(
        f"the label is an object with the keys {shown}",
        json.dumps(value, ensure_ascii=False, default=str),
        "Give the label as a text or a number"
        + (f", for example: jq -c '.label = .label.{likely}' FILE." if likely else ".")
        + " An object of labels to 0 and 1 is read, too.",
    )


def _by_canonical(label_map: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Labels as they are read to (key, new name); keys that are read as one but differ are left out."""
    found: dict[str, list[tuple[str, str]]] = {}
    for key, new in label_map.items():
        found.setdefault(plain(tidy(key)), []).append((key, new))
    return {label: keys[0] for label, keys in found.items() if len({new for _, new in keys}) == 1}


def cell(values: Mapping[str, Any], column: str) -> Any:
    """A row's cell.

    Raises:
        NoColumn: The row has no such column.
    """
    if column not in values:
        raise NoColumn(column, values)
    return values[column]


def whole(text: str) -> str:
    """The text, if it can be stored as UTF-8 and holds no NUL.

    Raises:
        Refused: It cannot.
    """
    if "\0" in text:
        raise Refused("NUL byte", text)
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise Refused(UNDECODABLE, text) from None
    return text
