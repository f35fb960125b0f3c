"""How a file is to be read: its encoding, its format, and of tables the delimiter, quotes and header."""

from __future__ import annotations

import codecs
import csv
import io
import re
import shlex
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from lzma import LZMAError
from pathlib import Path
from typing import Any

from bertworks.data.formats.csv_cells import Dialect
from bertworks.data.formats.csv_rows import SPANS_LINES, STRAY_QUOTE, CsvReader, CsvRecord
from bertworks.data.formats.lines import BoundedLines
from bertworks.data.formats.rows import ENDINGS
from bertworks.data.inspection import headers
from bertworks.data.rows.tally import Tally
from bertworks.data.sources.encodings import Likely, likely_encoding
from bertworks.data.sources.fetch import Fetched
from bertworks.data.sources.first_bytes import (
    check_text,
    open_bytes,
    table_format,
    unpacked_name,
    wide,
)
from bertworks.errors import DataError

HEAD = 1 << 18
_RECORDS = 2000
_TITLE_LINES = 20
_DELIMITERS = ",\t;|"
_WHOLE = 0.9  # of the records must be as wide as the others, where no ending says that they are
_TAG = re.compile(r"^(?:O|[BIESLUM][-_]\S+)$")
UNSURE = Likely("")
_FAST_TEXT = r"^__label__(?P<label>\S+)\s+(?P<text>.*)$"
_FAST_TEXTS = r"^(?P<label>__label__\S+(?: +__label__\S+)*)\s+(?P<text>.*)$"
_SEVERAL = re.compile(r"^__label__\S+\s+__label__")
_WIDE_MARKS = (" ::: ", "_!_", " +++$+++ ", "||||", " ||| ", "|||", " || ", "||", "\t\t")
_MARKED = re.compile(r"^(?:__label__\S+|[A-Z]{2,}:\S+|[A-Z]+_[A-Z_]+|\d{1,2}|[a-z]+:[a-z]+)$")


@dataclass(frozen=True)
class Shape:
    """How a file is read.

    Attributes:
        settings: A source's settings, `format` always among them; what is as by default left out.
        format: The format by name; "yaml" for Rasa's.
        said: What was decided in words: "csv, utf-8, delimiter ','".
        likely: The encoding, where it was guessed.
        names: Columns that were named here, as no header does.
        doubles: Names that several columns have, with how many: none of these can be read.
    """

    settings: dict[str, Any]
    format: str
    said: str
    likely: Likely = UNSURE
    names: list[str] = field(default_factory=list)
    doubles: Mapping[str, int] = field(default_factory=dict)


def shape_of(file: Fetched) -> Shape:
    """Looks at the beginning of a file.

    Raises:
        DataError: It is empty, binary, or of a kind that is not read.
    """
    if file.path.stat().st_size == 0:
        raise DataError(f"{file.name} is empty.", "Give a file with rows.")
    ending = _ending(file.name)
    by_name = ENDINGS.get(ending, "")
    if typed := table_format(file.path):
        return _shape({}, typed, by_name, typed)
    encoding, likely = _encoding(file)
    check_text(file.path, file.name, encoding)
    settings: dict[str, Any] = {} if encoding == "utf-8" else {"encoding": encoding}
    text = _head(file, encoding)
    if not text.strip("\ufeff\0 \t\r\n"):
        raise DataError(f"{file.name} has no text.", "Give a file with rows.")
    if by_name == "yaml":
        return _shape(settings, "yaml", by_name, f"Rasa's YAML, {encoding}", likely)
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[") and _is_json(text, by_name):
        return _shape(settings, "jsonl", by_name, f"json, {encoding}", likely)
    if (conll := conll_columns(text, by_name == "conll")) is not None:
        token, tag, width = conll
        places = {
            **({"token_column": token} if token else {}),
            **({} if tag == width - 1 else {"tag_column": tag}),
        }
        said = f"conll, {encoding}, {width} columns"
        return _shape({**settings, **places}, "conll", by_name, said, likely)
    if _is_conllu(text):
        raise _conllu(file.name)
    if by_name in ("csv", "tsv"):
        _refuse_comments(file.name, text)
    wide_marked = None if by_name in ("csv", "tsv") else _wide_columns(text)
    table = _table(file, text, by_name) if wide_marked is None else None
    if table is not None:
        own, names, said, header = table
        kind = own.pop("format")
        made = _shape({**settings, **own}, kind, by_name, f"{said}, {encoding}", likely, names)
        times = Counter(one.strip() for one in header)
        return replace(made, doubles={name: n for name, n in times.items() if n > 1})
    own, said = wide_marked or _lines(text)
    return _shape({**settings, **own}, "lines", by_name, f"{said}, {encoding}", likely)


def _refuse_comments(name: str, text: str) -> None:
    """Refuses a table with comments above its header; one whose first name begins with "#" has none."""
    lines = text.lstrip("\ufeff").splitlines()
    count = next((number for number, line in enumerate(lines) if line[:1] != "#"), 0)
    if not count or any(_is_wide_as_rows(lines[count - 1 : count + 20], mark) for mark in ",;\t|"):
        return
    raise DataError(
        f"{name} begins with {count} comment line{'' if count == 1 else 's'}: {lines[0]!r:.80}.",
        f"Take what stands above the header out: tail -n +{count + 1} {shlex.quote(name)} > rows.csv",
    )


def _is_wide_as_rows(lines: Sequence[str], mark: str) -> bool:
    """Whether the first line has as many cells as most of those behind it, and more than one."""
    widths = [len(one) for one in csv.reader(lines, delimiter=mark)]
    usual = Counter(widths[1:]).most_common(1)
    return bool(usual) and usual[0][0] == widths[0] > 1


def _shape(
    settings: dict[str, Any],
    kind: str,
    by_name: str,
    said: str,
    likely: Likely = UNSURE,
    names: Sequence[str] = (),
) -> Shape:
    shown = {} if kind == by_name else {"format": kind}
    return Shape({**shown, **settings}, kind, said, likely, list(names))


def _ending(name: str) -> str:
    return Path(unpacked_name(name.lower().removesuffix("?***"))).suffix


def _encoding(file: Fetched) -> tuple[str, Likely]:
    """The encoding, and where it was guessed what of."""
    try:
        with open_bytes(file.path, file.name) as stream:
            head = stream.read(4096)
    except (OSError, EOFError, zlib.error, LZMAError):
        head = b""
    if not head.startswith(codecs.BOM_UTF8) and (found := wide(head)) is not None:
        return found, UNSURE
    likely = likely_encoding(file.path, file.name)
    return likely.encoding or "utf-8", likely


def _head(file: Fetched, encoding: str) -> str:
    """The first lines, whole ones."""
    codec = "utf-8-sig" if encoding == "utf-8" else encoding
    try:
        with io.TextIOWrapper(
            open_bytes(file.path, file.name), codec, errors="replace", newline=""
        ) as stream:
            text = stream.read(HEAD)
    except (OSError, EOFError, zlib.error, LZMAError, UnicodeError):
        return ""
    if "\n" not in text and "\r" in text:
        text = text.replace("\r", "\n")
    return text if len(text) < HEAD else text[: text.rfind("\n") + 1] or text


def _is_json(text: str, by_name: str) -> bool:
    start = text.lstrip("\ufeff \t\r\n")
    if by_name == "jsonl":
        return True
    return re.match(r'\{\s*"|\[\s*[{\["]|\{\s*\}', start) is not None and start.count('"') > 1


def conll_columns(text: str, named: bool = False) -> tuple[int, int, int] | None:
    """The word's and the tag's column and their number, if lines are words with tags; else None.

    Args:
        text: The beginning of a file.
        named: Whether its name says so; else some word must be outside of all spans.
    """
    lines = [one.strip(" \t\r") for one in text.split("\n")]
    blank = sum(not line for line in lines[:-1])
    rows = [
        line.split("\t") if "\t" in line else re.split(r"[ \t]+", line)
        for line in lines
        if line and not line.startswith(("-DOCSTART-", "# "))
    ]
    if len(rows) < 2 or not (blank or len(rows) < 300):
        return None
    widths = Counter(map(len, rows))
    width, times = widths.most_common(1)[0]
    if not 2 <= width <= 15 or times < _WHOLE * len(rows):
        return None
    rows = [row for row in rows if len(row) == width]
    tags = [
        place for place in range(width)
        if sum(_TAG.match(row[place]) is not None for row in rows) >= 0.95 * len(rows)
        and any(row[place] != "O" for row in rows)
    ]  # fmt: skip
    if not tags or not (named or any(row[tags[-1]] == "O" for row in rows)):
        return None
    if sum(" " in row[0] for row in rows) > 0.1 * len(rows):
        return None  # a table of sentences
    numbers = all(row[0].isdigit() for row in rows) and width > 2
    return int(numbers), tags[-1], width


def _is_conllu(text: str) -> bool:
    """Whether lines are words in ten columns, numbered within their sentence, as treebanks have."""
    rows = [line.split("\t") for line in text.split("\n") if line.strip() and line[:1] != "#"]
    whole = [row for row in rows if len(row) == 10 and re.match(r"^\d+(?:[-.]\d+)?$", row[0])]
    return len(whole) > 1 and len(whole) >= _WHOLE * len(rows)


def _conllu(name: str) -> DataError:
    tag = '($4 == "PUNCT" ? "O" : "B-" $4)'
    made = f'NF == 10 && $1 ~ /^[0-9]+$/ {{print $2 "\\t" {tag}}} NF == 0'
    return DataError(
        f"{name} is CoNLL-U: ten columns a word, whose tags are parts of speech, not spans (B-, I-).",
        f"To learn its parts of speech, write them as spans of a word each: awk -F'\\t' '{made}' "
        f"{shlex.quote(name)} > rows.conll",
    )


def _table(
    file: Fetched, text: str, by_name: str
) -> tuple[dict[str, Any], list[str], str, list[str]] | None:
    """A table's settings, its columns' names if it has no header, what it is in words, its header."""
    best: tuple[float, str, str, list[list[str]]] | None = None
    usual = {"csv": ",", "tsv": "\t"}.get(by_name, "")
    found = re.match(r'^"?sep=(.)"?[\r\n]', text, re.IGNORECASE)
    candidates = dict.fromkeys([*([found[1]] if found else []), *usual, *_DELIMITERS, "^", "~"])
    for place, delimiter in enumerate(candidates):
        if delimiter not in text:
            continue
        for quote in _quotes(text, delimiter):
            records, share = _parsed(file.name, text, delimiter, quote)
            if len(records) < (1 if usual else 3) or len(records[0]) < 2:
                continue
            worth = share - 0.001 * place
            if best is None or worth > best[0] + 1e-9:
                best = worth, delimiter, quote, records
    least = 0.5 if usual else 0.97 if best and best[1] == "," else _WHOLE
    if best is None or best[0] < least - 0.01:
        return None if not usual or best is not None else _one_column(by_name, text)
    _, delimiter, quote, records = best
    if not usual and delimiter in ",|^~" and not _is_table(records):
        return None
    kind = "tsv" if delimiter == "\t" else "csv"
    settings: dict[str, Any] = {"format": kind}
    if delimiter not in (",", "\t"):
        settings["delimiter"] = delimiter
    if quote != '"':
        settings["quote"] = quote
    names: list[str] = []
    header = records[0]
    _refuse_title(file.name, text, records)
    if not headers.is_header(records):
        header, names = [], [f"column_{number}" for number in range(1, len(records[0]) + 1)]
        settings |= {"header": False, "names": names}
    shown = {"\t": "tab"}.get(delimiter, repr(delimiter))
    said = f"{kind}, delimiter {shown}" + (", no header" if names else "")
    return settings, names, said + ("" if quote == '"' else f", quote {quote!r}"), header


def _one_column(by_name: str, text: str) -> tuple[dict[str, Any], list[str], str, list[str]]:
    return {"format": by_name}, [], f"{by_name} of one column", []


def _refuse_title(name: str, text: str, records: Sequence[Sequence[str]]) -> None:
    """Refuses a table with lines above its header, as reports have: their cells are mostly empty."""
    filled = [sum(bool(cell.strip()) for cell in row) for row in records[:_TITLE_LINES]]
    width = len(records[0])
    place = next((place for place, count in enumerate(filled) if count == width), 0)
    if not place or 2 * max(filled[:place]) > width or not headers.is_header(records[place:]):
        return
    line = next(
        number for number, one in enumerate(text.splitlines(), 1)
        if one.lstrip('"').startswith(records[place][0].strip())
    )  # fmt: skip
    shown = ", ".join(cell.strip() for cell in records[place])
    raise DataError(
        f"{name}: the header seems to be line {line} ({shown:.80}), and lines stand above it "
        f"({' '.join(records[0]).strip()[:60]!r}).",
        f"Take them out: tail -n +{line} {shlex.quote(name)} > rows.csv",
    )


def _is_table(records: list[list[str]]) -> bool:
    """Whether cells repeat in some column, as labels and numbers do, and those of prose do not."""
    rows = records[1:] or records
    for column in zip(*(row for row in rows if len(row) == len(records[0])), strict=True):
        if len(set(column)) <= max(2, len(column) // 3) or all(
            re.match(r"^[+-]?[\d.,]+$", one.strip()) for one in column
        ):
            return True
    return headers.is_header(records)


def _quotes(text: str, delimiter: str) -> list[str]:
    """The quote characters to try."""
    found = ['"', ""] if '"' in text else ['"']
    quoted = sum(text.count(f"{delimiter}'{end}") for end in ("", " "))
    if quoted > 0.3 * text.count("\n"):
        found.append("'")
    return found


def _parsed(name: str, text: str, delimiter: str, quote: str) -> tuple[list[list[str]], float]:
    """The first records, and how well they are a table: the share that is as wide as the most."""
    tally, records = Tally(), list[CsvRecord]()
    lines = BoundedLines(io.StringIO(text, newline=""), 1_000_000, quote)
    try:
        reader = CsvReader(name, lines, Dialect(delimiter, quote), given=True, tally=tally)
        for record in islice(reader.records(), _RECORDS):
            records.append(record)
    except DataError:  # a quoted cell that goes on behind the beginning
        pass
    rows = [one.cells for one in records if one.cells is not None]
    if not rows:
        return [], 0.0
    width = Counter(map(len, rows)).most_common(1)[0][0]
    whole = [row for row in rows if len(row) == width]
    faults = tally.counts[STRAY_QUOTE] + tally.counts[SPANS_LINES]
    share = (len(whole) - faults) / max(len(records), 1)
    if quote != '"':
        share -= 0.0005 if quote == "'" else 0.002  # where both read as well, the usual one
    if quote == "'" and not any(cell[:1] == '"' for row in whole[:50] for cell in row):
        share += 0.02
    return whole, share


def _wide_columns(text: str) -> tuple[dict[str, Any], str] | None:
    """Columns with a mark of several characters between; None where there is none."""
    lines = [line.strip("\r") for line in text.split("\n") if line.strip()][:_RECORDS]
    for mark in _WIDE_MARKS:
        counts = {line.count(mark) for line in lines}
        if len(counts) == 1 and len(lines) > 2 and 1 <= (count := counts.pop()) <= 12:
            groups = [f"(?P<column_{number}>.*?)" for number in range(1, count + 2)]
            pattern = f"^{re.escape(mark).join(groups)}$"
            return {"pattern": pattern}, f"lines of {count + 1} columns with {mark.strip()} between"
    return None


def _lines(text: str) -> tuple[dict[str, Any], str]:
    """A text a line, perhaps with a label before it or behind it."""
    lines = [line.strip("\r") for line in text.split("\n") if line.strip()][:_RECORDS]
    if sum(line.startswith("__label__") for line in lines) > 0.98 * len(lines):
        if any(map(_SEVERAL.match, lines)):
            own = {"pattern": _FAST_TEXTS, "label_pattern": "__label__(.+)"}
            return own, "lines that begin with fastText's labels"
        return {"pattern": _FAST_TEXT}, "lines that begin with fastText's label"
    first = [line.split(None, 1) for line in lines]
    heads = Counter(pair[0] for pair in first if len(pair) == 2)
    if len(lines) > 2 and sum(map(len, first)) == 2 * len(lines):
        few = len(heads) <= max(2, min(200, len(lines) // 4))
        if few and all(_MARKED.match(one) for one in heads):
            if all(re.match(r"^[A-Z]+:\S+$", one) for one in heads):
                pattern = r"^(?P<label>[A-Z]+):\S+\s+(?P<text>.*)$"
                return {"pattern": pattern}, "lines that begin with LABEL:detail"
            return {"pattern": r"^(?P<label>\S+)\s+(?P<text>.*)$"}, "lines that begin with a label"
    for mark in ("@", "|", "#", "\t", ";", ","):
        if _are_labels([line.rpartition(mark) for line in lines], 2):
            escaped = re.escape(mark)
            pattern = f"^(?P<text>.*){escaped}(?P<label>[^{escaped}]+)$"
            return {"pattern": pattern}, f"lines that end with {mark!r} and a label"
    for mark in (",", ";", ":", "|"):
        if _are_labels([line.partition(mark) for line in lines], 0):
            escaped = re.escape(mark)
            pattern = f"^(?P<label>[^{escaped}]+){escaped}\\s*(?P<text>.*)$"
            return {"pattern": pattern}, f"lines that begin with a label and {mark!r}"
    return {}, "a text a line"


def _are_labels(parts: list[tuple[str, str, str]], side: int) -> bool:
    """Whether every line has the mark, and few short values stand on one side of it.

    Args:
        parts: Lines as `str.partition` parts them.
        side: Which part the label would be.
    """
    if len(parts) < 4 or any(not one[1] or len(one[side]) > 40 for one in parts):
        return False
    return 2 <= len({one[side].strip() for one in parts}) <= max(2, min(50, len(parts) // 10))
