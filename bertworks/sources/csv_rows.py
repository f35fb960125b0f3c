"""csv and tsv records, with bounded memory and the number of each record's first line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from bertworks.errors import DataError
from bertworks.sources.lines import Lines

Record = tuple[int, list[str] | None, str]


def read_records(name: str, lines: Lines, delimiter: str, quote: str) -> Iterator[Record]:
    """Yields (line number, cells, ""), or (line number, None, rule) for a record to refuse.

    Args:
        name: The file's name in messages.
        lines: Opened with newline="" and the same quote character.
        delimiter: One character.
        quote: Quote character, doubled inside quotes; "": quotes are plain text.

    Raises:
        DataError: A quote is never closed, so that it swallows the rest of the file.
    """
    # `lines` keeps the limit; csv's own would only refuse legal cells.
    csv.field_size_limit(2**31 - 1)
    options: dict[str, Any] = {"delimiter": delimiter, "quoting": csv.QUOTE_NONE}
    if quote:
        options |= {"quotechar": quote, "quoting": csv.QUOTE_MINIMAL}
    reader = csv.reader(lines.of_records(), **options)
    while True:
        lines.begin()
        try:
            cells = next(reader, None)
            fault = ""
        except csv.Error as error:
            cells, fault = [], f"csv: {error}"
        if lines.ended_inside and lines.number > lines.first:
            raise _unclosed(name, lines)
        if lines.too_long:
            yield lines.first, None, "longer than max_row_bytes"
            reader = csv.reader(lines.of_records(), **options)
        elif cells is None:
            return lines.close()
        elif fault:
            yield lines.first, None, fault
        elif cells:
            yield lines.first, cells, ""


def _unclosed(name: str, lines: Lines) -> DataError:
    return DataError(
        f"{name}, line {lines.first}: a quote that opens here is never closed; it swallows the "
        f"{lines.number - lines.first} lines that follow. Received: {lines.sample[:80]!r}",
        "Mend the line, or set the source's `quote: ''` if quotes are plain text.",
    )
