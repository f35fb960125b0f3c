"""What a search may try: the spec's space, completed by the task and the rows.

All is laid around the spec's own settings, which suit the base and the task: the search looks for better
ones near them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bertworks.contracts.tuned import OWN, Chosen
from bertworks.spec import Finetune
from bertworks.spec.tuning import WHOLE, Dimension, Space
from bertworks.training.length import MOST_EPOCHS
from bertworks.training.search.starts import Starts

LOGARITHMIC = ("learning_rate", "weight_decay")
FACTOR = 3.0
"""The learning rate is searched from a third of its own value to three times as much."""
FACTOR_UP = 6.0
"""Where there are many outputs to learn, rates of up to so many times as much are worth a try."""
MANY_LABELS = 20
LEAST_STEPS = 8
"""Optimizer steps that an epoch must have for a batch size to be tried."""
LONG_SHARE = 0.2
"""Of the rows, which must be longer than half of what is read for half of it to be tried."""
DIGITS = 3
"""Significant digits of what is tried: more say nothing, and nobody could write them into a spec."""


@dataclass(frozen=True)
class Ends:
    """All numbers from `low` to `high`."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.low:.3g} to {self.high:.3g}"


@dataclass(frozen=True)
class Values:
    """These values. A rate of dropout is compiled into kernels, and a batch's size into their shapes:
    few of them let the trials share kernels."""

    values: tuple[float | str, ...]

    def __str__(self) -> str:
        return " or ".join(one if isinstance(one, str) else f"{one:g}" for one in self.values)


Searched = Ends | Values
SearchSpace = Mapping[str, Searched]


def own_settings(starts: Starts, settings: Finetune) -> dict[str, float | str]:
    """The spec's own value of every setting that can be searched."""
    material, dropout = starts.own, settings.dropout
    plain = {name: getattr(settings, name, None) for name in Space.model_fields}
    return {
        **{name: float(value) for name, value in plain.items() if isinstance(value, int | float)},
        "epochs": material.length(settings).epochs,
        "dropout": material.initial[0].dropout if dropout is None else dropout,
        "layers": material.initial[0].num_layers,
        "max_length": material.info.max_length,
        "base": OWN,
    }


def space_for(
    space: Space, starts: Starts, settings: Finetune, *, limited: bool = False
) -> SearchSpace:
    """What may be tried of each setting that is searched.

    Args:
        space: Of the spec.
        starts: The rows, the task, and the encoders, which are new where they have no weights.
        settings: The spec's finetune section.
        limited: Whether the gates limit size or latency.
    """
    own = own_settings(starts, settings)
    found: dict[str, Searched] = {}
    for name, dimension in space.dimensions():
        value = float(own[name])
        around = _around(name, value, starts, limited)
        if around is None and not dimension.said:
            continue
        found[name] = _narrowed(name, dimension, around or Values((value,)))
        if name in ("layers", "max_length"):
            found[name] = _at_most(found[name], value)
    if len(starts.names) > 1:
        found["base"] = Values(tuple(starts.names))
    return found


def told(space: SearchSpace, own: Mapping[str, float | str]) -> Iterator[str]:
    """Each setting with what may be tried of it, in words."""
    for name, one in space.items():
        value = own[name]
        said = value if isinstance(value, str) else f"{value:.3g}"
        scale = ", logarithmic" if isinstance(one, Ends) and one.log else ""
        if isinstance(one, Ends) or one.values[1:]:
            yield f"{name} {one} (own {said}{scale})"


def inside(searched: SearchSpace, values: Mapping[str, float | str]) -> dict[str, float | str]:
    """Of each setting that is searched the allowed value that is nearest to the given one."""
    return {name: _nearest(one, values[name]) for name, one in searched.items()}


def chosen(values: Mapping[str, float | str]) -> Chosen:
    """Values as a trial has them: short numbers, and whole ones where a setting takes no others."""
    return Chosen(**{
        name: value if isinstance(value, str)
        else int(value) if name in WHOLE else float(f"{value:.{DIGITS}g}")
        for name, value in values.items()
    })  # type: ignore[arg-type]  # fmt: skip


def _around(name: str, own: float, starts: Starts, limited: bool) -> Searched | None:
    """What is searched of a setting unless the spec says so; None: nothing."""
    material = starts.own
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
    if name == "layers":
        fewer = {math.ceil(own / 2), math.ceil(3 * own / 4), own}
        return Values(tuple(sorted(fewer))) if limited and material.initial[1] else None
    if name == "max_length":
        half = max(8, int(own / 2) // 8 * 8)
        long = starts.share_of_longer(half) >= LONG_SHARE and half < own
        return Values((half, own)) if long else None
    return None


def _at_most(searched: Searched, most: float) -> Searched:
    """Without what is above: there are no more layers than the encoder has, no longer rows."""
    if isinstance(searched, Values):
        return Values(tuple(one for one in searched.values if float(one) <= most) or (most,))
    if searched.low >= most:
        return Values((most,))
    return Ends(searched.low, min(searched.high, most), searched.log, searched.whole)


def _narrowed(name: str, dimension: Dimension, around: Searched) -> Searched:
    """What the spec says of a dimension, and the rest of it as it is by itself."""
    if dimension.values is not None:
        return Values(tuple(dict.fromkeys(dimension.values)))
    if not dimension.said:
        return around
    if isinstance(around, Values):
        numbers = [float(one) for one in around.values]
        least, most = min(numbers), max(numbers)
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


def _nearest(searched: Searched, value: float | str) -> float | str:
    if isinstance(value, str):
        assert isinstance(searched, Values)
        return value if value in searched.values else searched.values[0]
    if isinstance(searched, Values):
        return min(searched.values, key=lambda one: abs(float(one) - value))
    return min(max(value, searched.low), searched.high)
