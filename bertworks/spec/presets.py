"""Presets, and the seed: defaults for the whole spec, below all that it says itself."""

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
SEEDED = (
    "pretrain.seed", "finetune.seed", "tune.seed", "compress.prune.seed", "compress.quantize.seed",
)  # fmt: skip
"""Settings that a spec's `seed` sets: of what changes the agent, and of nothing that measures it."""
TOLD = (
    "Defaults for the whole spec, below what it says itself; `bertworks spec explain` shows them. "
    "quick: two epochs, not pruned, no slices; balanced: the defaults; best: a search of 20 minutes "
    "around smaller learning rates in lower layers and cosine decay."
)


def values(content: Mapping[str, Any]) -> dict[str, Value]:
    """What a spec's preset and its seed set, key with dots to value; what is no such is passed over."""
    found: dict[str, Value] = {}
    if isinstance(name := content.get("preset"), str):
        base = content.get("base")
        new = (base.get("uri") if isinstance(base, Mapping) else base) == "scratch"
        found = {
            key: value
            for key, value in VALUES.get(name, {}).items()
            if not (new and key in OF_PRETRAINED)
        }
    if isinstance(seed := content.get("seed"), int) and not isinstance(seed, bool):
        found |= dict.fromkeys(SEEDED, seed)
    return found


def origin(content: Mapping[str, Any], name: str) -> str:
    """What set a value that the spec does not say: "preset best", "seed"; "" for neither."""
    if name not in values(content):
        return ""
    return "seed" if name in SEEDED else f"preset {content['preset']}"


def below(content: Mapping[str, Any]) -> dict[str, Any]:
    """A spec's content with the values of its preset and its seed where it says nothing."""
    # A section may be an object, of which what was set counts.
    whole = {
        name: part.model_dump(by_alias=True, exclude_unset=True)
        if isinstance(part, BaseModel) and {"preset", "seed"} & content.keys()
        else copy.deepcopy(part)
        for name, part in content.items()
    }
    for section, last, value in _places(whole):
        section.setdefault(last, value)
    return whole


def without(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content again, before `below`: without what is as its preset and its seed have it."""
    whole = copy.deepcopy(dict(content))
    for section, last, value in _places(whole):
        if last in section and section[last] == value:
            del section[last]
    return _filled(whole)


def _filled(content: dict[str, Any]) -> dict[str, Any]:
    """The content without sections that are empty now: they were made by `below`."""
    inner = {
        name: _filled(part) if isinstance(part, dict) else part for name, part in content.items()
    }
    return {name: part for name, part in inner.items() if part != {}}


def _places(content: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, Value]]:
    """(section, key, value) of each value; a section that is none is left as it is."""
    for key, value in values(content).items():
        *sections, last = key.split(".")
        here: Any = content
        for name in sections:
            here = here.setdefault(name, {}) if isinstance(here, dict) else None
        if isinstance(here, dict):
            yield here, last, copy.copy(value)
