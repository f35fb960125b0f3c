"""Names of labels that stand as numbers, in the metadata that Hugging Face's datasets writes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from bertworks.spec import Source


def names_in(schema: pa.Schema, source: Source, wanted: Collection[str]) -> dict[str, list[str]]:
    """Column to the names of its numbers, for the columns of labels and tags.

    Where the source says itself what the numbers mean (`label_names`, `label_map`, `label_pattern`),
    the metadata is left aside.
    """
    if source.label_names or source.label_map or source.label_pattern:
        return {}
    try:
        text = (schema.metadata or {}).get(b"huggingface", b"{}")
        features = json.loads(text)["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    if not isinstance(features, dict):
        return {}
    columns = [one for one in (source.columns.label, source.columns.tags) if one in wanted]
    return {column: names for column in columns if (names := _names(features.get(column)))}


def named(value: Any, names: Sequence[str]) -> Any:
    """A number's name; of a list, that of each item. -1 (no label) and unknown numbers stay."""
    if isinstance(value, list):
        return [named(item, names) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    return None if value == -1 else value


def _names(feature: Any) -> list[str]:
    """The names of a ClassLabel, alone or inside a sequence."""
    while isinstance(feature, Mapping) and "names" not in feature:
        feature = feature.get("feature")
    if isinstance(feature, list) and len(feature) == 1:
        return _names(feature[0])
    names = feature.get("names") if isinstance(feature, Mapping) else None
    return [str(name) for name in names] if isinstance(names, list) else []
