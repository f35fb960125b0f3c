"""What each column of a table holds, by its values."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bertworks.data.inspection import names
from bertworks.data.inspection.decisions import evenly
from bertworks.data.rows.values import EMPTY_WORDS, is_missing, list_in, number, plain

LOOKED_AT = 20_000
"""Rows that columns are judged by, evenly from all that were read."""
_TIME = re.compile(
    r"^(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/. ]\d{1,2}[-/. ]\d{2,4}|\d{1,2}:\d{2}"
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*,? |(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\w*"
    r"\.? \d{1,2},? \d{4}|\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\w* \d{4})"
)
_OF_TIME = frozenset((
    "mon", "tue", "wed", "thu", "fri", "sat", "sun", "jan", "feb", "mar", "apr", "may", "jun", "jul",
    "aug", "sep", "oct", "nov", "dec", "am", "pm", "utc", "gmt", "est", "edt", "cst", "pst", "cet",
    "t", "z", "st", "nd", "rd", "th", "at", "of", "uhr", "h", "o", "clock",
))  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")
_URL = re.compile(r"^(?:https?://|www\.)\S+$|^\S+@\S+\.\w+$")
_CODE = re.compile(r"^(?=.*\d)[\w.:/-]+$|^[0-9a-f]{8,}$", re.ASCII)
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af\u0e00-\u0e7f]")
_TAG = re.compile(r"^(?:O|[BIESLUM][-_]\S+)$")
_MARKUP = re.compile(r"[()\[\]{}]")
_LONG = 12.0


@dataclass(frozen=True)
class Column:
    """What a column holds, of the rows that were looked at.

    Attributes:
        name: Its name.
        rows: How many were looked at.
        present: In how many it stands at all, empty or not.
        filled: In how many it holds something.
        distinct: Different values, as text.
        values: How often each of them occurs.
        characters, words: Means of a value; a character of a script without spaces is half a word.
        numbers: The share that are numbers; `whole` of whole ones; `comma` of those with a comma.
        lists, objects: The share that are lists, or objects.
        times, addresses, codes, tags: The share that look like times, URLs or addresses, codes of
            letters and digits, and tags of entities.
        lengths: Mean items of a list; `nested` whether they are lists or objects again.
        rising: Whether its numbers rise from row to row.
        lettered: The share of characters that are letters, or symbols such as emoji.
    """

    name: str
    rows: int
    present: int
    filled: int
    distinct: int
    values: Counter[str]
    characters: float = 0.0
    words: float = 0.0
    numbers: float = 0.0
    whole: float = 0.0
    comma: float = 0.0
    lists: float = 0.0
    objects: float = 0.0
    times: float = 0.0
    addresses: float = 0.0
    codes: float = 0.0
    tags: float = 0.0
    lengths: float = 0.0
    nested: bool = False
    rising: bool = False
    lettered: float = 0.0
    marked: float = 0.0

    @property
    def share(self) -> float:
        """Different values by filled rows: 1 where none repeats."""
        return self.distinct / max(self.filled, 1)

    @property
    def is_constant(self) -> bool:
        """Whether it says the same in each row, or nothing."""
        return self.distinct <= 1

    @property
    def is_time(self) -> bool:
        """Whether it holds dates or times."""
        of_name = {"time", "timestamp", "date", "created", "unix"} & {*names.parts(self.name)}
        clock = self.numbers > 0.9 and self.characters >= 9 and bool(of_name)
        return self.times > 0.8 or clock

    @property
    def is_id(self) -> bool:
        """Whether it numbers or names the rows: no value repeats, and none is written as text is."""
        if self.filled < 3:
            return False
        named = {"id", "idx", "index", "uid", "uuid", "guid", "no", "nr", "number"} & {
            *names.parts(self.name)
        }
        if self.numbers > 0.95:
            if self.whole < 0.95:
                return False
            return self.share > 0.95 and (self.rising or bool(named) or self.characters > 6)
        one_word = self.words <= 1.3
        return (
            self.share > 0.9 and one_word and (self.codes > 0.8 or bool(named)) and not self.lists
        )

    @property
    def is_text(self) -> bool:
        """Whether it is written text: letters, several words, and hardly a value twice."""
        if self.lists > 0.1 or self.objects > 0.1 or self.numbers > 0.5 or self.filled < 1:
            return False
        if self.addresses > 0.5 or self.is_time or self.lettered < 0.35 or self.is_id:
            return False
        wordy = self.words >= 2.0 and self.characters >= 6
        if names.worth(self.name, names.TEXT) >= 0.8 and self.share > 0.3:
            wordy = self.words >= 1.2
        return wordy and (self.share > 0.15 or (self.words >= _LONG and self.distinct > 200))

    @property
    def is_flag(self) -> bool:
        """Whether it holds 0 and 1 alone, or true and false."""
        return 0 < self.distinct <= 2 and {*self.values} <= {"0", "1", "true", "false"}

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers alone."""
        return self.numbers > 0.98 or self.comma > 0.98

    def may_be_label(self) -> bool:
        """Whether its values repeat as those of labels do."""
        if self.distinct < 2 or self.lists > 0.1 or self.objects > 0.1:
            return False
        if self.is_time or self.addresses > 0.5 or self.is_id:
            return False
        repeats = self.distinct <= max(2, self.filled * 0.34) and self.distinct <= 2000
        return repeats and self.filled >= 0.02 * self.rows


def columns_of(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """The facts of all columns, in the order in which rows have them."""
    looked = evenly(rows, LOOKED_AT)
    found: dict[str, list[Any]] = {}
    for values in looked:
        for name, value in values.items():
            if isinstance(name, str):
                found.setdefault(name, []).append(value)
    return [_column(name, cells, len(looked)) for name, cells in found.items()]


def _column(name: str, cells: Sequence[Any], rows: int) -> Column:
    filled = [cell for cell in cells if not is_empty(cell)]
    lists = [one for one in (as_list(cell) for cell in filled) if one is not None]
    texts = [_text(cell) for cell in filled]
    values = Counter(texts)
    count = max(len(filled), 1)
    facts = {"name": name, "rows": rows, "present": len(cells), "filled": len(filled)}
    objects = sum(isinstance(cell, dict) for cell in filled) / count
    sizes = sum(map(len, lists)) / max(len(lists), 1)
    nested = any(isinstance(item, list | dict) for one in lists[:200] for item in one[:5])
    numbers = [number(text) for text in texts[:5000]]
    known = [one for one in numbers if one is not None]
    looked = evenly(texts, 3000)
    seen = max(len(looked), 1)
    flat = "".join(text[:500] for text in evenly(looked, 500))

    def share(pattern: re.Pattern[str]) -> float:
        return sum(pattern.match(one) is not None for one in looked) / seen

    return Column(
        **facts,  # type: ignore[arg-type]
        distinct=len(values),
        values=values,
        characters=sum(map(len, looked)) / seen,
        words=sum(map(_words, looked)) / seen,
        numbers=len(known) / max(len(numbers), 1),
        whole=sum(one.is_integer() for one in known) / max(len(numbers), 1),
        comma=_commas(looked),
        lists=len(lists) / count,
        objects=objects,
        times=sum(map(_is_time, looked)) / seen,
        addresses=share(_URL),
        codes=share(_CODE),
        tags=share(_TAG),
        lengths=sizes,
        nested=nested,
        rising=len(known) > 2 and all(a < b for a, b in zip(known, known[1:], strict=False)),
        lettered=sum(map(_is_letter, flat)) / max(len(flat), 1),
        marked=sum(1 for _ in _MARKUP.finditer(flat)) / max(len(flat), 1),
    )


def _commas(texts: Sequence[str]) -> float:
    """The share of numbers with a decimal comma, where so many have one that it is no list's."""
    written = sum("," in text for text in texts)
    if written < 0.4 * len(texts):
        return 0.0
    return sum(number(text, ",") is not None for text in texts) / max(len(texts), 1)


def is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing, or a word that stands for that."""
    if isinstance(cell, str):
        text = cell.strip()
        return not text or text in EMPTY_WORDS
    return cell == [] or is_missing(cell)


def as_list(cell: Any) -> list[Any] | None:
    """A cell's list, written as one or as text; None where it is none."""
    if isinstance(cell, list):
        return cell
    return list_in(cell) if isinstance(cell, str) else None


def _is_letter(character: str) -> bool:
    return character.isalpha() or (
        not character.isascii() and unicodedata.category(character) in ("So", "Sk", "Cf", "Mn")
    )


def _is_time(text: str) -> bool:
    """Whether a text is a date or a time, and not one that begins with it, as lines of logs do."""
    if _TIME.match(text) is None:
        return False
    words = [word.lower() for word in _WORD.findall(text)]
    other = sum(word not in _OF_TIME and word[:3] not in _OF_TIME for word in words)
    return other <= 1 and len(words) < 8


def _text(cell: Any) -> str:
    return (cell if isinstance(cell, str) else plain(cell)).strip()


def _words(text: str) -> float:
    wide = len(_WIDE.findall(text[:2000]))
    return len(text.split()) + wide / 2 if wide else float(len(text.split()))
