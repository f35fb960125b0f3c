"""From a setting to rows, in their parts: train, validation, test, out_of_scope."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from bertworks.data.rows.spots import Spot
from bertworks.data.rows.tally import Kind, Tally
from bertworks.data.sources.fetch import fetch_one
from bertworks.data.utterances.filling import Filler
from bertworks.data.utterances.layouts import filed_by_act, is_flat, several
from bertworks.data.utterances.masked import Utterance, Utterances
from bertworks.data.utterances.setting import Pinned, Setting, load
from bertworks.errors import DataError

OUTSIDE = "out_of_scope"
MOST_OUTSIDE = 2000
"""Texts out of scope, at most: they are for measuring."""
LEFT_OUT = Kind(
    "utterances_left_out",
    "{count} masked utterances were left out: {details} (first: {first})",
    fix="See docs/understanding.md, Masked utterances.",
)
HELD_BACK = Kind(
    "values_held_back",
    "{count} values of the knowledge base stand in test rows alone: {details} (first: {first})",
)


def rows_of(setting_file: Path, name: str, tally: Tally | None = None) -> Iterator[dict[str, Any]]:
    """Yields the rows that a setting asks for, the same for the same setting.

    Args:
        setting_file: The setting; local files that it names are relative to its folder.
        name: What it is called in messages.
        tally: Takes what was left out, with its reasons.

    Yields:
        `part` (train, validation, test or out_of_scope), `text`, and but for the last `tokens`, `tags`,
        `label` (the intent) and `values` ("seen", "unseen" or "none").

    Raises:
        SpecError: The setting does not fit.
        SourceError: A file cannot be fetched, or is not what was pinned.
        DataError: A file is of another form, or nothing can be used.
    """
    read = _utterances(setting_file, name)
    utterances, filler = read.found, read.filler
    if tally is not None:
        for reason, count in read.reader.left_out.most_common():
            for _ in range(count):
                tally.add(LEFT_OUT, Spot(name), detail=f"{count:,} {reason}")
        for column, held in filler.unseen.items():
            for value in held:
                tally.add(HELD_BACK, Spot(name), value, f"{len(held)} of `{column}`")
    for part, row in filler.rows(utterances):
        yield {"part": part, **asdict(row)}
    for number, text in enumerate(read.reader.outside(read.filed)):
        if number == MOST_OUTSIDE:
            break
        yield {"part": OUTSIDE, "text": text}


def held_out(setting_file: Path, name: str) -> tuple[Setting, list[Utterance]]:
    """The utterances that stand in the test rows alone: what understanding was not trained on.

    Args:
        setting_file: As in `rows_of`.
        name: What it is called in messages.

    Raises:
        BertworksError: See `rows_of`.
    """
    read = _utterances(setting_file, name)
    return read.setting, [one for one in read.found if read.filler.split_of(one) == "test"]


class _Read(NamedTuple):
    setting: Setting
    filed: dict[str, Any]
    reader: Utterances
    found: list[Utterance]
    filler: Filler


def _utterances(setting_file: Path, name: str) -> _Read:
    """What a setting asks for, before values are filled in."""
    setting, folder = load(setting_file), setting_file.absolute().parent
    filed = _read(setting.templates, folder, dict, f"{name}: templates.uri")
    if is_flat(filed):
        filed = filed_by_act(filed)
    values = _values(setting, _read(setting.knowledge, folder, list, f"{name}: knowledge.uri"))
    reader = Utterances(setting, values)
    found = reader.labelled(filed)
    reader.left_out["doing several things at once"] += several(filed, setting.intents)
    if not found:
        reasons = ", ".join(f"{count} {reason}" for reason, count in reader.left_out.most_common())
        raise DataError(
            f"{name}: no utterance can be used: {reasons or 'there are none'}.",
            "Correct `intents`, `slots` or `foreign` there.",
        )
    asked = {column for one in found for column in one.columns}
    filler = Filler(setting, {name: values[name] for name in values if name in asked}, found)
    return _Read(setting, filed, reader, found, filler)


def _values(setting: Setting, rows: list[Any]) -> dict[str, list[str]]:
    """Column to the values of the knowledge base, each once, in its order."""
    found: dict[str, list[str]] = {}
    for column in dict.fromkeys(setting.slots.values()):
        said = [one.get(column) for one in rows if isinstance(one, dict)]
        texts = dict.fromkeys(one.strip() for one in said if isinstance(one, str) and one.strip())
        if not texts:
            raise DataError(
                f"{setting.knowledge.uri}: no row has a text in the column {column!r}.",
                "Correct `slots` in the setting.",
            )
        found[column] = list(texts)
    return found


def _read(pinned: Pinned, folder: Path, kind: type, where: str) -> Any:
    with fetch_one(pinned.uri, pinned.sha256, folder, where, (".json",)) as file:
        try:
            found = json.loads(file.path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{file.name} is no JSON: {error}", "Give a JSON file.") from None
    if not isinstance(found, kind):
        wanted = "an object" if kind is dict else "a list"
        raise DataError(
            f"{pinned.uri} must hold {wanted}. Received: {type(found).__name__}",
            "Give act to slots to texts as `templates`, rows as `knowledge`.",
        )
    return found
