"""What rows hold, where nobody says: their columns and task as `bertworks init` finds them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bertworks.errors import DataError
from bertworks.facade.given import Given, is_frame, source_of
from bertworks.storage import temporary

_USUAL = {"text", "label"}
_SAID = ("task", "spec", "multi_label", "data")
"""Settings that say what the columns are for, or leave it to the one who gives them."""


def nothing_is_said(data: Given, columns: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether rows were given without a word on their columns or on the task."""
    named = [name for name, value in columns.items() if value is not None]
    said = any(name in settings for name in _SAID)
    said |= any(name.startswith(("task__", "data__")) for name in settings)
    return data is not None and not named and not said and "set" not in settings


def inferred(data: Given, rows: Path, tell: bool) -> tuple[Given, Mapping[str, Any] | None]:
    """The rows, and a spec of what they hold; None where their columns have the usual names.

    Args:
        data: As given to `Agent.fit`.
        rows: Where rows that are objects become files.
        tell: Whether to print each decision with its reason.

    Returns:
        The rows to put into the spec's source; None where the spec names its sources itself. And the
        spec's content, with whole paths.

    Raises:
        SourceError: There is no such file.
        DataError: There is nothing to learn of the rows.
    """
    data, uri = _place_of(data, rows)
    if uri is None or _has_usual_names(uri):
        return data, None
    from bertworks.data.inspection.inspect import inspect

    try:
        spec = inspect([uri], rows / "nowhere")
    except DataError as error:
        if not isinstance(data, str | os.PathLike):  # the file is ours: its name says nothing
            whole = str(Path(uri).absolute())
            error.message = error.message.replace(whole, "The table").replace(uri, "The table")
        raise
    if tell:
        for one in spec.decisions:
            print(one.line())
    for one in spec.decisions:
        if one.guessed:
            warnings.warn(f"{one.line()}. Say it with an argument of Agent.fit.", stacklevel=3)
    content = dict(spec.content)
    sources = content["data"]["sources"]
    if not isinstance(data, str | os.PathLike):
        del content["name"]
        return data, content
    return (sources[0]["uri"] if len(sources) == 1 else None), content


def _place_of(data: Given, rows: Path) -> tuple[Given, str | None]:
    """The rows, and where they lie; None: they are no rows, or have the usual names."""
    if isinstance(data, str | os.PathLike):
        return data, os.fspath(data)
    if is_frame(data):
        names = [str(name) for name in data.columns]
    elif hasattr(data, "__arrow_c_stream__"):
        import pyarrow as pa

        names = list(pa.table(data).schema.names)
    elif isinstance(data, Mapping | bytes) or not isinstance(data, Iterable):
        return data, None
    else:
        data = list(data)
        if not data or not all(isinstance(row, Mapping) for row in data):
            return data, None
        names = [*dict.fromkeys(str(key) for row in data for key in row)]
    once = [name for name in names if names.count(name) == 1]
    if {*once} >= _USUAL:
        return data, None
    return data, source_of(data, once, rows)["uri"]


def _has_usual_names(uri: str) -> bool:
    """Whether the rows have the columns `text` and `label`, which need no words."""
    from bertworks.data.inspection.places import found
    from bertworks.data.inspection.sampling import sample_of

    with temporary.scratch() as scratch, found([uri], Path()) as places:
        if len(places.places) != 1:
            return False
        sample = sample_of(places.places[0], scratch)
    return bool(sample.rows) and sample.rows[0].keys() >= _USUAL
