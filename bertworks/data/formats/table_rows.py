"""Rows out of a table (Parquet, Arrow); labels that are numbers get their names from its metadata."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bertworks.data.formats.columns import Refusal, Row, check_once, missing_column, one_hot_fix
from bertworks.data.formats.nested import outer, reached
from bertworks.data.formats.tables import Table
from bertworks.data.rows.spots import Spot
from bertworks.data.rows.tally import Kind, Tally
from bertworks.data.rows.undecoded import ERRORS
from bertworks.data.rows.values import plain
from bertworks.data.sources.fetch import Fetched
from bertworks.spec import Source

if TYPE_CHECKING:
    import pyarrow as pa

_FIX = "Check the file, or set `format`."
NAMED = Kind(
    "named_by_metadata",
    "{count} files name their labels in their metadata; the names were used: {details} (first: "
    "{first})",
    fix="For other names set the source's `label_names`.",
)
BYTES = Kind(
    "bytes",
    "{count} columns hold texts as bytes; they were read in the source's encoding: {details}",
)


def read_table(
    file: Fetched,
    source: Source,
    format_: str,
    needed: Sequence[str],
    tally: Tally,
    encoding: str = "utf-8",
) -> Iterator[Row | Refusal]:
    """Yields the rows of a table, the columns that are needed; texts that are bytes are decoded.

    Args:
        file: The file.
        source: Its columns, constants and names of labels.
        format_: One of `tables.FORMATS`.
        needed: Columns that must be there.
        tally: Takes what is guessed while reading.
        encoding: That of texts that stand as bytes.

    Raises:
        DataError: It is no whole file of the format, or lacks a column.
    """
    with Table(file.path, file.name, format_, _FIX) as table:
        columns = table.names
        for column in needed:
            inside = outer(column, columns) is not None and _is_there(table.schema, column)
            if column not in columns and column not in source.constants and not inside:
                flags = [] if column != source.columns.label else _flags(table)
                constants = list(source.constants)
                raise missing_column(file.name, column, columns, constants, one_hot_fix(flags))
            check_once(file.name, column, columns)
        wanted = list(dict.fromkeys(
            own
            for column in needed
            if (own := column if column in columns else outer(column, columns)) is not None
        ))  # fmt: skip
        classes = _names_in(table.schema, source, wanted)
        for column, names in classes.items():
            tally.add(NAMED, Spot(file.name), column, ", ".join(names[:8]))
        in_bytes = [one for one in wanted if _is_binary(table.schema.field(one).type)]
        for column in in_bytes:
            tally.add(BYTES, Spot(file.name), column, column)
        for batch in table.batches(wanted):
            for values in batch.rows:
                for column in in_bytes:
                    values[column] = _decoded(values[column], encoding)
                for column, names in classes.items():
                    values[column] = _named(values[column], names)
                yield Row(None, reached(values, needed))


def _is_there(schema: pa.Schema, column: str) -> bool:
    """Whether a name with dots leads to a field inside of a column of objects."""
    import pyarrow.types as types

    first = outer(column, schema.names)
    if first is None:
        return False
    kind, rest = schema.field(first).type, column[len(first) + 1 :]
    while types.is_struct(kind):
        fields = [kind.field(place).name for place in range(kind.num_fields)]
        if rest in fields:
            return True
        inner = outer(rest, fields)
        if inner is None:
            return False
        kind, rest = kind.field(fields.index(inner)).type, rest[len(inner) + 1 :]
    return False


def columns_of(file: Fetched, format_: str) -> tuple[list[str], dict[str, list[str]]]:
    """The columns of a table, and the names that its metadata gives to the numbers in some of them.

    Raises:
        DataError: It is no whole file of the format.
    """
    with Table(file.path, file.name, format_, _FIX) as table:
        schema = table.schema
    features = _features(schema)
    names = [name for name in schema.names if schema.names.count(name) == 1]
    return names, {name: found for name in names if (found := names_of_feature(features.get(name)))}


def _flags(table: Table) -> list[str]:
    """Columns whose first rows hold only 0 and 1."""
    first = next(table.batches(rows=50), None)
    rows = [] if first is None else first.rows
    return [
        name for name in table.names
        if rows and all(plain(row[name]) in ("0", "1") for row in rows)
    ]  # fmt: skip


def _names_in(schema: pa.Schema, source: Source, wanted: Collection[str]) -> dict[str, list[str]]:
    """Column to the names of its numbers, for the columns of labels and tags.

    Where the source says itself what the numbers mean (`label_names`, `label_map`, `label_pattern`),
    the metadata is left aside.
    """
    if source.label_names or source.label_map or source.label_pattern:
        return {}
    features = _features(schema)
    columns = [one for one in (source.columns.label, source.columns.tags) if one in wanted]
    return {
        column: names for column in columns if (names := names_of_feature(features.get(column)))
    }


def _features(schema: pa.Schema) -> Mapping[str, Any]:
    """What Hugging Face's metadata says of the columns."""
    try:
        text = (schema.metadata or {}).get(b"huggingface", b"{}")
        features = json.loads(text)["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def _named(value: Any, names: Sequence[str]) -> Any:
    """A number's name; of a list, that of each item. -1 (no label) and unknown numbers stay."""
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    return None if value == -1 else value


def names_of_feature(feature: Any) -> list[str]:
    """The names of a ClassLabel, alone or inside a sequence."""
    while isinstance(feature, Mapping) and "names" not in feature:
        feature = feature.get("feature")
    if isinstance(feature, list) and len(feature) == 1:
        return names_of_feature(feature[0])
    names = feature.get("names") if isinstance(feature, Mapping) else None
    return [str(name) for name in names] if isinstance(names, list) else []


def _is_binary(kind: Any) -> bool:
    """Whether a column holds bytes, or lists of them: writers that do not mark texts as such."""
    import pyarrow.types as types

    nested = (types.is_list, types.is_large_list, types.is_list_view, types.is_large_list_view,
              types.is_dictionary)  # fmt: skip
    while any(check(kind) for check in nested):
        kind = kind.value_type
    bare = (types.is_binary, types.is_large_binary, types.is_binary_view)
    return any(check(kind) for check in bare)


def _decoded(value: Any, encoding: str) -> Any:
    """Bytes as text, those of a list as well; what breaks the encoding is marked (`undecoded`)."""
    if isinstance(value, list):
        return [_decoded(item, encoding) for item in value]
    return value.decode(encoding, ERRORS) if isinstance(value, bytes) else value
