"""Cells as values: the same label, number or list, whatever the format that it was written in."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from decimal import Decimal
from numbers import Real
from typing import Any

# Characters that show nothing: BERT's clean-up drops them, or they leave a blank.
_BLANK = frozenset("\u00ad\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffc\ufffd")
# Letters join by these in some scripts (Persian, Hindi) and emoji are made with them.
_JOINERS = frozenset("\u200c\u200d")
# An unassigned character (Cn) may be a letter of a newer Unicode.
_HIDDEN = frozenset(("Cc", "Cf", "Co", "Cs", "Zs", "Zl", "Zp", "Mn", "Mc", "Me"))
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_FLOAT = re.compile(r"^([+-]?(?:0|[1-9]\d*))\.0*$", re.ASCII)
_NUMBER = re.compile(r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$", re.ASCII)
_COMMA = re.compile(r"^[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?(?:[eE][+-]?\d+)?$", re.ASCII)
_LIST = re.compile(r"^([\[({])(.*)([\])}])$", re.DOTALL)
# As Python writes what is no list: array([0, 1], dtype=int8), set(), frozenset({'a'}), dict_keys(['a']).
_NAMED = re.compile(
    r"^(?:array|list|tuple|set|frozenset|deque|dict_keys|dict_values)"
    r"\(\s*([\[({].*[\])}])?(?:,\s*(?:dtype|maxlen)=[\w'<>]+)?\s*\)$",
    re.DOTALL,
)
_NUMBERS = re.compile(r"^\s*[+-]?[\d.]+\s*(?:,\s*[+-]?[\d.]+\s*)*,?\s*$", re.ASCII)
_CLOSING = {"[": "]", "(": ")", "{": "}"}
_ITEM = re.compile(
    r"""\s*(?:b|u|np\.str_\()?(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s,'"\[\](){}]+))\)?\s*(,|$|(?=\s|['"]))"""
)
_BARE = re.compile(r"^[^'\"\[\](){}]*$")
_ESCAPE = re.compile(r"\\(.)")

EMPTY_WORDS = frozenset((
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
    "N/A", "NA", "NULL", "NaN", "NaT", "None", "n/a", "nan", "null",
))  # fmt: skip
"""Cells of csv that pandas takes for empty, and what it writes for such ones as text."""


def plain(value: Any) -> str:
    """A cell as text, the same for csv, JSON and Parquet: true, 1, 2.5, and "" for null and NaN.

    In csv a number and a boolean come as text: "1.0" is 1 there too (pandas writes it so, once a
    column has had a gap; NumPy writes "1."; decimals give "1.00"), and "True" is true.
    """
    if value is None or is_missing(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    if (found := _FLOAT.match(text)) is not None:
        return "0" if found[1] in ("-0", "+0") else found[1]
    return text.lower() if text in ("True", "False", "TRUE", "FALSE") else text


def received(value: Any) -> str:
    """A cell as a message shows it: texts as they are, all else as JSON has it, null included."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return plain(value)


def is_missing(value: Any) -> bool:
    """Whether a typed value says that there is none: None, NaN, pandas' NaT and the like."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return False


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: white space, control and format characters, lone marks."""
    if text.isascii():
        return not text.strip() or (not text.isprintable() and not _shows(text))
    return not _shows(text)


def _shows(text: str) -> bool:
    return any(
        character not in _BLANK and unicodedata.category(character) not in _HIDDEN
        for character in text
    )


def tidy(text: str) -> str:
    """A label as it is compared: composed, of usual width, no invisible characters, single spaces.

    Texts go through `clean_text`; a label must not depend on how its letters were typed.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = unicodedata.normalize("NFC", text.translate(_WIDE))
    kept = [
        character for character in text
        if character in "\t\r\n" or character in _JOINERS
        or (character not in _BLANK and unicodedata.category(character) not in ("Cf", "Cc"))
    ]  # fmt: skip
    text = " ".join("".join(kept).split())
    # A joiner at an end joins nothing.
    return text.strip("\u200c\u200d").strip()


def number(value: Any, decimal: str = ".") -> float | None:
    """A cell as a number; None where it is none, not finite, or written in a way that could mislead.

    "1_000", "1,5" (unless `decimal` is a comma), "5%" and digits of other scripts are refused; digits
    of full width are read.
    """
    if isinstance(value, str):
        text = value.strip().translate(_WIDE)
        if decimal == "," and _COMMA.match(text):
            text = text.replace(".", "").replace(",", ".")
        elif decimal == "," or not _NUMBER.match(text):
            return None
        value = text
    elif isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return None
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def is_written_list(text: str) -> bool:
    """Whether a text that `list_in` reads can be nothing but a list of one item, or of none.

    A label may have brackets of its own, as [PAD] and {name} have; quotes, or numbers, inside and the
    names of Python's types show that a program wrote it.
    """
    inside = text.strip()[1:-1].strip()
    alone = text.strip() != "{}" if not inside else _NUMBERS.match(inside) is not None
    return alone or has_quoted_items(text)


def has_quoted_items(text: str) -> bool:
    """Whether a text that `list_in` reads has quotes around its items, or the name of a type before."""
    stripped = text.strip()
    return _NAMED.match(stripped) is not None or stripped[1:].lstrip().startswith(("'", '"'))


def _is_tuple(inside: str) -> bool:
    """Whether parentheses hold nothing, or numbers with commas, as no remark does."""
    return not inside or ("," in inside and _NUMBERS.match(inside) is not None)


def list_in(text: str) -> list[str] | None:
    """The items of a list that was written as text; None where it is no list.

    Reads what Python, JSON, NumPy and PostgreSQL write, of sets and tuples too: ['a', 'b'], ["a"],
    ['a' 'b'], [0 1], {a,b}, ('a',), (0, 1), set(), frozenset({'a'}).
    """
    stripped = text.strip()
    if (named := _NAMED.match(stripped)) is not None:
        if named[1] is None:
            return []
        stripped = named[1]
    if (found := _LIST.match(stripped)) is None or _CLOSING[found[1]] != found[3]:
        return None
    opening, inside = found[1], found[2].strip()
    if opening == "(" and not inside.startswith(("'", '"')) and not _is_tuple(inside):
        return None  # words in parentheses
    if not inside:
        return []
    if _BARE.match(inside) and "," in inside:
        return [part.strip() for part in inside.strip(",").split(",")]
    items, place = [], 0
    while place < len(inside):
        if (item := _ITEM.match(inside, place)) is None or item.end() == place:
            return None
        quoted = item[1] if item[1] is not None else item[2]
        ends = item[4] == "," or item.end() == len(inside)
        if opening != "[" and not ends:
            return None  # NumPy alone writes items without commas
        if opening == "(" and quoted is None and number(item[3]) is None:
            return None
        items.append(_ESCAPE.sub(r"\1", quoted) if quoted is not None else item[3])
        place = item.end()
    if opening == "{" and any(":" in item for item in items):
        return None  # a dictionary
    return items
