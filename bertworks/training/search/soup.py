"""The mean of several trials' weights, where it is better than the best trial's.

Trials that start from the same encoder and head end in the same basin, and the mean of their weights
often lies better in it. After Wortsman et al., "Model soups: averaging weights of multiple fine-tuned
models improves accuracy without increasing inference time" (2022), recipe 1 (greedy); here a model comes
in only where it makes the mean better, not where it leaves it as good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from bertworks.models.layout import Weights


@dataclass(frozen=True)
class Soup:
    """A mean of models.

    Attributes:
        trials: The numbers of those that are in it, the best first.
        weights: The mean.
        value: The mean's value on validation.
    """

    trials: list[int]
    weights: Weights
    value: float


def greedy(
    models: Iterable[tuple[int, Weights]],
    value: float,
    measure: Callable[[Weights], float],
    better: Callable[[float, float | None], bool],
) -> Soup:
    """The mean of the first model and of those that make it better.

    Args:
        models: Trials' numbers and weights, the best first.
        value: Of the first one.
        measure: The value of a model with these weights.
        better: Whether a value is better than another one.
    """
    rest = iter(models)
    number, weights = next(rest)
    soup = Soup([number], weights, value)
    for other, added in rest:
        share = np.float32(1.0 / (len(soup.trials) + 1))
        mean = {name: kept + share * (added[name] - kept) for name, kept in soup.weights.items()}
        measured = measure(mean)
        if better(measured, soup.value):
            soup = Soup([*soup.trials, other], mean, measured)
    return soup
