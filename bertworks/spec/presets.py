"""Presets: defaults for the whole spec, below all that it says itself."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel

Preset = Literal["quick", "balanced", "best"]
Value = bool | int | float | str | list[str]

VALUES: dict[str, dict[str, Value]] = {
    "quick": {
        "finetune.epochs": 2,
        "evaluate.slices": [],
        "evaluate.bootstrap": 200,
        "compress.prune.enabled": False,
    },
    "balanced": {},
    "best": {
        "finetune.layer_decay": 0.9,
        "finetune.decay": "cosine",
        "tune.enabled": True,
        "tune.minutes": 20,
    },
}
"""Preset to what it sets; what it does not name has the default."""
OF_PRETRAINED = {"finetune.layer_decay"}
"""Settings that a new encoder is not given: its lower layers have as much to learn as the others."""
TOLD = (
    "Defaults for the whole spec, below what it says itself; `bertworks spec explain` shows them. "
    "quick: two epochs, not pruned, no slices; balanced: the defaults; best: a search of 20 minutes "
    "around smaller learning rates in lower layers and cosine decay."
)


def values(content: Mapping[str, Any]) -> dict[str, Value]:
    """What a spec's preset sets, key with dots to value; nothing without one, or by one unknown."""
    name = content.get("preset")
    if not isinstance(name, str):
        return {}
    base = content.get("base")
    new = (base.get("uri") if isinstance(base, Mapping) else base) == "scratch"
    return {
        key: value
        for key, value in VALUES.get(name, {}).items()
        if not (new and key in OF_PRETRAINED)
    }


def below(content: Mapping[str, Any]) -> dict[str, Any]:
    """A spec's content with its preset's values where it says nothing."""
    # A section may be an object, of which what was set counts.
    whole = {
        name: part.model_dump(by_alias=True, exclude_unset=True)
        if isinstance(part, BaseModel) and "preset" in content
        else copy.deepcopy(part)
        for name, part in content.items()
    }
    for section, last, value in _places(whole):
        section.setdefault(last, value)
    return whole


def without(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content again, before `below`: without what is as its preset has it."""
    whole = copy.deepcopy(dict(content))
    for section, last, value in _places(whole):
        if last in section and section[last] == value:
            del section[last]
    # Sections that are empty now were made for the preset.
    return {name: part for name, part in whole.items() if part != {}}


def _places(content: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, Value]]:
    """(section, key, value) of each value of the preset; a section that is none is left as it is."""
    for key, value in values(content).items():
        *sections, last = key.split(".")
        here: Any = content
        for name in sections:
            here = here.setdefault(name, {}) if isinstance(here, dict) else None
        if isinstance(here, dict):
            yield here, last, copy.copy(value)
