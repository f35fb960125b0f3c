"""The mean of a run's latest weights, beside the weights themselves.

Near its end a training run circles the place that it tends to; the mean of the weights on its way lies
closer to that place than most of them do, and differs less from seed to seed. After Polyak, Juditsky,
"Acceleration of Stochastic Approximation by Averaging" (1992), and Izmailov et al., "Averaging Weights
Leads to Wider Optima and Better Generalization" (2018).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

# A run takes so many looks at the weights: enough for a mean, few enough to cost nothing.
LOOKS = 60
# The mean is of about so many looks, the latest weighing most: a sixth of the run.
SPAN = 10


class Average:
    """A mean of variables that forgets old values: of all looks at first, then exponential.

    A look is taken at fixed steps, and the mean is part of a checkpoint, so a resumed run has the mean
    of an undisturbed one.

    Args:
        variables: Name to variable, float32.
        total: Optimizer steps of the run.
    """

    def __init__(self, variables: Mapping[str, Any], total: int) -> None:
        self.variables = dict(variables)
        self.every = max(1, total // LOOKS)
        self._mean: dict[str, np.ndarray] = {}

    def look(self, step: int) -> None:
        """Takes the variables in, where the step is one to look at.

        Args:
            step: Optimizer steps done.
        """
        if step % self.every:
            return
        share = np.float32(max(1.0 / (step // self.every), 1.0 / SPAN))
        for name, variable in self.variables.items():
            value = variable.numpy()
            if name in self._mean:
                self._mean[name] += share * (value - self._mean[name])
            else:
                self._mean[name] = np.array(value)

    @property
    def known(self) -> bool:
        """Whether there was a look yet."""
        return bool(self._mean)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Puts the mean into the variables; their own values come back afterwards."""
        own = {name: np.array(variable.numpy()) for name, variable in self.variables.items()}
        self._assign(self._mean)
        try:
            yield
        finally:
            self._assign(own)

    def arrays(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps: copies."""
        return {f"average/{name}": array.copy() for name, array in self._mean.items()}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes up what `arrays` gave."""
        self._mean = {
            name: np.array(arrays[f"average/{name}"])
            for name in self.variables
            if f"average/{name}" in arrays
        }

    def _assign(self, values: Mapping[str, np.ndarray]) -> None:
        for name, variable in self.variables.items():
            variable.assign(values[name])
