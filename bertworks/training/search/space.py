"""What a search may try: the spec's space, completed by the task and the rows.

All is laid around the finetune section's own settings, which suit the base and the task: the search
looks for better ones near them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bertworks.contracts.tuned import Chosen
from bertworks.spec import Finetune
from bertworks.spec.tuning import WHOLE, Dimension, Space
from bertworks.training.length import MOST_EPOCHS
from bertworks.training.objectives.finetuning import Material

LOGARITHMIC = ("learning_rate", "weight_decay")
FACTOR = 3.0
"""The learning rate is searched from a third of its own value to three times as much."""
FACTOR_UP = 6.0
"""Where there are many outputs to learn, rates of up to so many times as much are worth a try."""
MANY_LABELS = 20
LEAST_STEPS = 8
"""Optimizer steps that an epoch must have for a batch size to be tried."""
DIGITS = 3
"""Significant digits of what is tried: more say nothing, and nobody could write them into a spec."""


@dataclass(frozen=True)
class Ends:
    """All numbers from `low` to `high`."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Values:
    """These values. A rate of dropout is compiled into kernels, and a batch's size into their shapes:
    few of them let the trials share kernels."""

    values: tuple[float, ...]


Searched = Ends | Values
SearchSpace = Mapping[str, Searched]


def own_settings(material: Material, settings: Finetune) -> dict[str, float]:
    """The finetune section's own value of every setting that can be searched."""
    dropout = settings.dropout
    return {
        **{name: float(getattr(settings, name)) for name in Space.model_fields if name not in _OWN},
        "epochs": material.length(settings).epochs,
        "dropout": material.initial[0].dropout if dropout is None else dropout,
    }


_OWN = ("epochs", "dropout")  # may be unset


def space_for(space: Space, material: Material, settings: Finetune) -> SearchSpace:
    """What may be tried of each setting that is searched.

    Args:
        space: Of the spec.
        material: The rows, the task, and the encoder, which is new where it has no weights.
        settings: The spec's finetune section.
    """
    own = own_settings(material, settings)
    found: dict[str, Searched] = {}
    for name, dimension in space.dimensions():
        around = _around(name, own[name], material)
        if around is None and not dimension.said:
            continue
        found[name] = _narrowed(name, dimension, around or Values((own[name],)))
    return found


def inside(searched: SearchSpace, values: Mapping[str, float]) -> dict[str, float]:
    """Of each setting that is searched the allowed value that is nearest to the given one."""
    return {name: _nearest(one, values[name]) for name, one in searched.items()}


def chosen(values: Mapping[str, float]) -> Chosen:
    """Values as a trial has them: short numbers, and whole ones where a setting takes no others."""
    return Chosen(**{
        name: int(value) if name in WHOLE else float(f"{value:.{DIGITS}g}")
        for name, value in values.items()
    })  # type: ignore[arg-type]  # fmt: skip


def _around(name: str, own: float, material: Material) -> Searched | None:
    """What is searched of a setting unless the spec says so; None: nothing."""
    handler = material.handler
    if name == "learning_rate":
        many = handler.head().kind == "token" or len(handler.labels) > MANY_LABELS
        return Ends(own / FACTOR, own * (FACTOR_UP if many else FACTOR), log=True)
    if name == "epochs":
        low, high = max(1, math.ceil(own / 2)), max(int(own), min(MOST_EPOCHS, int(2 * own)))
        return Ends(low, high, whole=True) if low < high else Values((own,))
    if name == "batch_size":
        sizes = (own // 2, own, 2 * own)
        rows = len(material.train)
        return Values(tuple(s for s in sizes if s == own or 1 <= s <= rows / LEAST_STEPS))
    if name == "layer_decay":
        return Ends(0.7, 1.0) if material.initial[1] else None
    if name == "warmup":
        return Ends(0.0, 0.2)
    if name == "dropout":
        return Values((0.0, 0.1, 0.2))
    if name == "label_smoothing":
        return Ends(0.0, 0.2) if name in handler.kind.settings else None
    return None


def _narrowed(name: str, dimension: Dimension, around: Searched) -> Searched:
    """What the spec says of a dimension, and the rest of it as it is by itself."""
    if dimension.values is not None:
        return Values(tuple(dict.fromkeys(dimension.values)))
    if not dimension.said:
        return around
    if isinstance(around, Values):
        least, most = min(around.values), max(around.values)
    else:
        least, most = around.low, around.high
    low, high = dimension.low, dimension.high
    # One end alone may lie beyond the other one as it is by itself.
    if low is None:
        low = least if high is None else min(least, high)
    if high is None:
        high = max(most, low)
    if low == high:
        return Values((low,))
    return Ends(low, high, log=name in LOGARITHMIC, whole=name in WHOLE)


def _nearest(searched: Searched, value: float) -> float:
    if isinstance(searched, Values):
        return min(searched.values, key=lambda one: abs(one - value))
    return min(max(value, searched.low), searched.high)
