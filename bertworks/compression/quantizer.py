"""How the input of an int8 product is quantized: fixed numbers, the same for every row and batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Quantizer:
    """Takes activations to uint8: round(activations * factors / scale) + zero.

    Attributes:
        scale: What one step is worth.
        zero: The integer that stands for 0, in 0..255.
        factors: What each channel is multiplied by before, (inputs,); the weights that it meets are
            divided by the same. None: 1 for all.
    """

    scale: float
    zero: int
    factors: NDArray[np.float32] | None = None

    @classmethod
    def over(cls, low: float, high: float, factors: NDArray[np.float32] | None = None) -> Quantizer:
        """The one whose 256 steps cover low..high, and 0."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = float(np.float32((high - low) / 255)) or 1.0
        return cls(scale, int(np.clip(np.rint(-low / scale), 0, 255)), factors)

    def weight(self, weight: NDArray[np.float32]) -> NDArray[np.float32]:
        """A weight (outputs, inputs) that gives with multiplied activations what it gave before."""
        return weight if self.factors is None else weight / self.factors

    def round_trip(self, activations: NDArray[np.float32]) -> NDArray[np.float32]:
        """The (multiplied) activations as the product sees them."""
        scaled = activations if self.factors is None else activations * self.factors
        steps = np.clip(np.rint(scaled / self.scale) + self.zero, 0, 255) - self.zero
        return np.asarray(steps * self.scale, np.float32)


UNCALIBRATED = Quantizer(4 / 127, 128)
"""For graphs that are only timed."""
