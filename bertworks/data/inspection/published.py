"""Names of classes that stand as numbers, from the files that Hugging Face's data sets have beside them.

`dataset_info.json`, `dataset_infos.json`, and the head of `README.md`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from bertworks import bounded_yaml
from bertworks.data.formats.table_rows import names_of_feature
from bertworks.errors import SpecError

_FILES = ("dataset_info.json", "dataset_infos.json", "README.md")
_LONGEST = 1_000_000


class Published(NamedTuple):
    """The names of a column's numbers, and the file that gives them."""

    file: str
    names: tuple[str, ...]


def names_beside(file: Path) -> dict[str, Published]:
    """The names that files beside one, or in the folder above, give to numbers in its columns.

    Where one file describes several sets whose columns of one name do not agree, none is taken.
    """
    found: dict[str, Published] = {}
    folder = file.absolute().parent
    for place in (folder, folder.parent):
        for name in _FILES:
            for column, names in _names_in(place / name).items():
                found.setdefault(column, Published(name, names))
    return found


def _names_in(file: Path) -> dict[str, tuple[str, ...]]:
    content: Any = None
    with suppress(OSError, ValueError, RecursionError, SpecError):
        if file.is_file() and file.stat().st_size <= _LONGEST:
            text = file.read_text("utf-8-sig")
            content = json.loads(text) if file.suffix == ".json" else _head_of(text, file.name)
    found: dict[str, tuple[str, ...]] = {}
    for column, names in _named(content):
        if found.setdefault(column, names) != names:
            found[column] = ()
    return {column: names for column, names in found.items() if names}


def _head_of(text: str, name: str) -> Any:
    """What a read-me says of the data, in the YAML above its text."""
    first, _, rest = text.partition("\n")
    head, end, _ = rest.partition("\n---")
    if first.strip() != "---" or not end:
        return None
    said = bounded_yaml.read(head, name)[0]
    return said.get("dataset_info") if isinstance(said, dict) else None


def _named(content: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Columns with the names of their numbers, of one set or of several."""
    if isinstance(content, list):
        for one in content:
            yield from _named(one)
    elif isinstance(content, Mapping):
        features = content.get("features")
        if features is None:
            yield from (pair for one in content.values() if isinstance(one, dict)
                        for pair in _named(one))  # fmt: skip
        elif isinstance(features, list):
            for one in features:
                if isinstance(one, dict) and (names := _names_in_yaml(one)):
                    yield str(one.get("name")), names
        elif isinstance(features, Mapping):
            for column, feature in features.items():
                if listed := names_of_feature(feature):
                    yield str(column), tuple(listed)


def _names_in_yaml(feature: Any) -> tuple[str, ...]:
    """The names of a read-me's feature: `dtype: {class_label: {names: {'0': O}}}`, in a list or not."""
    while isinstance(feature, Mapping) and "class_label" not in feature:
        kinds = (feature.get(key) for key in ("dtype", "sequence", "list"))
        feature = next((one for one in kinds if isinstance(one, Mapping)), None)
    names = feature["class_label"] if feature is not None else None
    names = names.get("names") if isinstance(names, Mapping) else None
    if isinstance(names, list):
        return tuple(map(str, names))
    if not isinstance(names, Mapping):
        return ()
    by_number = {str(number): str(name) for number, name in names.items()}
    numbers = [str(number) for number in range(len(by_number))]
    whole = by_number.keys() == {*numbers}
    return tuple(by_number[number] for number in numbers) if whole else ()
