"""Chooses the quantizers of an int8 graph from what calibration rows put into its products.

Some channels of a BERT's activations are tens of times as large as the rest, and one scale for all
would leave the rest a few steps. As in SmoothQuant (Xiao et al. 2023, section 4) large channels are
divided, and the weights that they meet multiplied, by powers of both's largest values. The paper takes
one power for all products; here each takes, of a few, the one that changes its result least.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bertworks.compression.graph import build_graph
from bertworks.compression.graph_writer import quantize_rows
from bertworks.compression.quantizer import Quantizer
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import Weights
from bertworks.runtime.engines import Floats, OnnxRuntime
from bertworks.runtime.inference import PaddedBatch

POWERS = (0.0, 0.5, 0.7, 0.9)
SAMPLE = 768
"""Tokens, about, on which the powers are compared."""
AT_ONCE = 2048
"""Tokens a run: every product's input is held at the same time."""
SEED = 0


@dataclass
class Inputs:
    """What came into a product.

    Attributes:
        low: Least value of each channel, (inputs,).
        high: Greatest value of each channel, (inputs,).
        sample: The values of some tokens, a part a run, each (tokens, inputs).
    """

    low: Floats
    high: Floats
    sample: list[Floats]

    def add(self, low: Floats, high: Floats, sample: Floats) -> None:
        """Takes in another run."""
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        self.sample.append(sample)


def calibrate(
    config: EncoderConfig,
    weights: Weights,
    head: Head,
    rows: Sequence[PaddedBatch],
    *,
    pair: bool = False,
    max_length: int | None = None,
) -> dict[str, Quantizer]:
    """Quantizers for the inputs of the encoder's products. Padding has no part in them.

    Args:
        config: As for `build_graph`; so are `weights`, `head`, `pair` and `max_length`.
        weights: See `config`.
        head: See `config`.
        rows: Calibration rows, at least one.
        pair: See `config`.
        max_length: See `config`.

    Returns:
        Site to quantizer, as `build_graph` takes them.
    """
    graph = build_graph(config, weights, head, pair=pair, max_length=max_length, observe=True)
    engine = OnnxRuntime(graph.SerializeToString(), {})
    return {
        site: choose(inputs, _weight(weights, site), _powers(site))
        for site, inputs in _observe(engine, list(_parts(rows))).items()
    }


def choose(
    inputs: Inputs, weight: NDArray[np.float32], powers: Sequence[float] = POWERS
) -> Quantizer:
    """The quantizer that changes a product least.

    Args:
        inputs: What came into it.
        weight: (outputs, inputs).
        powers: Which to try; 0 leaves the channels as they are.
    """
    sample = np.concatenate(inputs.sample)
    exact = sample @ weight.T
    candidates = [_quantizer(inputs, weight, power) for power in powers]
    errors = [_error(candidate, sample, weight, exact) for candidate in candidates]
    return candidates[int(np.argmin(errors))]


def _quantizer(inputs: Inputs, weight: NDArray[np.float32], power: float) -> Quantizer:
    """Covers all that came, after dividing each channel by peak**power / weight's peak**(1-power)."""
    if not power:
        return Quantizer.over(float(inputs.low.min()), float(inputs.high.max()))
    divisors = _floored(np.maximum(-inputs.low, inputs.high)) ** power
    factors = _floored(np.abs(weight).max(axis=0)) ** (1 - power) / divisors
    factors = (factors / np.exp(np.log(factors).mean())).astype(np.float32)
    low, high = inputs.low * factors, inputs.high * factors
    return Quantizer.over(float(low.min()), float(high.max()), factors)


def _floored(peaks: Floats) -> Floats:
    """A channel that was silent on the calibration rows may speak on others: it keeps a range."""
    return np.maximum(peaks, max(0.01 * float(np.median(peaks)), 1e-6)).astype(np.float32)


def _error(quantizer: Quantizer, sample: Floats, weight: Floats, exact: Floats) -> float:
    integers, scales = quantize_rows(quantizer.weight(weight))
    found = quantizer.round_trip(sample) @ (integers * scales[:, np.newaxis]).T
    return float(np.square(found - exact).mean())


def _powers(site: str) -> Sequence[float]:
    """Neurons keep one range for all: a neuron's own, learnt from few rows, cuts what others bring."""
    return POWERS if "attention" in site or "intermediate" in site else (0.0,)


def _weight(weights: Weights, site: str) -> NDArray[np.float32]:
    """The weight that a site's input meets; queries, keys and values are one product."""
    if f"{site}.weight" in weights:
        return weights[f"{site}.weight"]
    parts = ("query", "key", "value")
    return np.concatenate([weights[f"{site}.{part}.weight"] for part in parts])


def _parts(rows: Sequence[PaddedBatch]) -> Iterator[PaddedBatch]:
    """Batches of no more than `AT_ONCE` tokens, or of one row."""
    for batch in rows:
        size = max(1, AT_ONCE // batch.input_ids.shape[1])
        for start in range(0, len(batch.rows), size):
            yield batch.part(slice(start, start + size))


def _observe(engine: OnnxRuntime, parts: Sequence[PaddedBatch]) -> dict[str, Inputs]:
    """Runs the rows, and keeps of every site its range and a sample drawn evenly from the runs."""
    stream = np.random.default_rng(SEED)
    share = -(-SAMPLE // len(parts))
    seen: dict[str, Inputs] = {}
    for part in parts:
        given = engine.outputs(part.input_ids, part.attention_mask, part.type_ids)
        del given["logits"]
        for site, values in given.items():
            # Of a sequence classifier's last layer the first tokens alone are computed.
            inside = part.attention_mask[:, : values.shape[1]] == 1
            tokens = values[inside]
            sample = tokens[stream.permutation(len(tokens))[:share]]
            low, high = tokens.min(axis=0), tokens.max(axis=0)
            if site in seen:
                seen[site].add(low, high, sample)
            else:
                seen[site] = Inputs(low, high, [sample])
    return seen
