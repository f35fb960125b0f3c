"""Least-squares repair of a pruned encoder: no training, only linear algebra.

Block after block, from the embeddings upward, the output projection of the narrow encoder is chosen
anew so that its residual stream comes closest, over the calibration rows, to that of the full
encoder at the same place. The narrow encoder's own (already repaired) inputs are used, so later
blocks also mend what earlier ones lost. After Kwon, Kim, Mahoney, Hassoun, Keutzer, Gholami, "A
Fast Post-Training Pruning Framework for Transformers" (2022), section 4.3, who tune a scale a unit
by least squares; here the whole projection and its bias are tuned, with a ridge that pulls toward
the old one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertworks.models.config import EncoderConfig
from bertworks.models.layout import (
    EMBEDDING_NORM,
    POSITIONS,
    PROJECTION,
    TYPES,
    WORDS,
    LayerNames,
    Weights,
)
from bertworks.models.relative import bucket_matrix
from bertworks.progress import stage

Floats = NDArray[np.float32]

# Ridge, as a share of the mean square of the block's units.
RIDGE = 0.01


@dataclass(frozen=True)
class Group:
    """Rows of one length: no padding, hence no mask.

    Attributes:
        ids: (rows, length) token ids.
        types: (rows, length) token types.
    """

    ids: NDArray[np.int64]
    types: NDArray[np.int64]


def group_rows(
    rows: Sequence[Sequence[int]], types: Sequence[Sequence[int]] | None = None
) -> list[Group]:
    """Gathers rows of equal length."""
    found: dict[int, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        found[len(row)].append(index)
    groups = []
    for _, members in sorted(found.items()):
        ids = np.array([rows[index] for index in members], np.int64)
        kinds = np.array([types[index] for index in members]) if types is not None else 0 * ids
        groups.append(Group(ids, kinds.astype(np.int64)))
    return groups


def reconstruct(
    full: tuple[EncoderConfig, Weights], narrow: tuple[EncoderConfig, Weights], groups: list[Group]
) -> Weights:
    """Repairs the output projections of every block of a pruned encoder.

    Args:
        full: Sizes and weights before pruning.
        narrow: Sizes and weights after cutting.
        groups: Calibration rows.

    Returns:
        The narrow weights with new output projections and biases; the rest are the same arrays.
    """
    config, weights = narrow
    repaired = dict(weights)
    known = _Stream(*full, groups)
    ours = _Stream(config, repaired, groups)
    with stage("repairing projections", total=config.num_layers, unit="layers") as progress:
        for layer in range(config.num_layers):
            for block in ("attention", "feed_forward"):
                target = known.residual(layer, block)
                units = ours.units(layer, block)
                name = _projection(layer, block)
                repaired[f"{name}.weight"], repaired[f"{name}.bias"] = _solve(
                    units,
                    target - ours.rows,
                    repaired[f"{name}.weight"],
                    repaired[f"{name}.bias"],
                )
                ours.advance(layer, block, units)
                known.settle(layer, block, target)
            progress.advance()
    return repaired


class _Stream:
    """The residual stream of an encoder over all calibration rows, (tokens, hidden)."""

    def __init__(self, config: EncoderConfig, weights: Weights, groups: list[Group]) -> None:
        self.config, self.weights, self.groups = config, weights, groups
        self.rows = np.concatenate([self._embed(group) for group in groups])

    def residual(self, layer: int, block: str) -> Floats:
        """The stream after a block's residual sum, before its layer norm."""
        return self._sum(layer, block, self.units(layer, block))

    def advance(self, layer: int, block: str, units: Floats) -> None:
        """Moves the stream past a block, given what `units` returned for it."""
        self.settle(layer, block, self._sum(layer, block, units))

    def settle(self, layer: int, block: str, residual: Floats) -> None:
        """Moves the stream past a block, given its residual sum."""
        self.rows = self._norm(_norm_name(layer, block), residual)

    def units(self, layer: int, block: str) -> Floats:
        """What a block's output projection reads, (tokens, units)."""
        return self._contexts(layer) if block == "attention" else self._neurons(layer)

    def _sum(self, layer: int, block: str, units: Floats) -> Floats:
        name = _projection(layer, block)
        return self.rows + units @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _embed(self, group: Group) -> Floats:
        total = self.weights[WORDS][group.ids]
        total = total + self.weights[TYPES][group.types]
        total += self.weights[POSITIONS][: group.ids.shape[1]]
        rows = self._norm(EMBEDDING_NORM, total.reshape(-1, self.config.embedding_size))
        return self._linear(PROJECTION, rows) if self.config.projects else rows

    def _norm(self, name: str, rows: Floats) -> Floats:
        centred = rows - rows.mean(axis=1, keepdims=True)
        variance = np.square(centred).mean(axis=1, keepdims=True)
        normal = centred / np.sqrt(variance + self.config.layer_norm_eps)
        scaled: Floats = normal * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]
        return scaled

    def _linear(self, name: str, rows: Floats | None = None) -> Floats:
        rows = self.rows if rows is None else rows
        return rows @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _neurons(self, layer: int) -> Floats:
        from scipy.special import erf

        wide = self._linear(LayerNames(layer).inner)
        active: Floats = 0.5 * wide * (1.0 + erf(wide * np.float32(2**-0.5)))
        return active

    def _contexts(self, layer: int) -> Floats:
        heads, size = self.config.num_heads[layer], self.config.head_size
        query, key, value = map(self._linear, LayerNames(layer).projections)
        mixed = np.empty_like(value)
        start = 0
        for group in self.groups:
            rows, length = group.ids.shape
            own = slice(start, start + rows * length)
            shape = (rows, length, heads, size)
            q, k, v = (part[own].reshape(shape).swapaxes(1, 2) for part in (query, key, value))
            scores = q @ k.swapaxes(2, 3) * np.float32(size**-0.5)
            if self.config.relative_positions:
                biases = self.weights[f"{LayerNames(layer).relative}.weight"]
                scores += biases[bucket_matrix(length)].transpose(2, 0, 1)
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            context = scores / scores.sum(axis=-1, keepdims=True) @ v
            mixed[own] = context.swapaxes(1, 2).reshape(rows * length, heads * size)
            start = own.stop
        return mixed


def _solve(units: Floats, target: Floats, weight: Floats, bias: Floats) -> tuple[Floats, Floats]:
    """The projection (outputs, units) and bias that bring units nearest to target.

    Minimizes the mean of |units W' + b - target|^2 plus ridge |W - old W|^2; the bias goes free.
    """
    mean, goal = units.mean(axis=0), target.mean(axis=0)
    if units.shape[1] == 0:
        return weight, goal
    centred = (units - mean).astype(np.float32)
    miss = (target - goal) - centred @ weight.T
    gram = (centred.T @ centred / len(units)).astype(np.float64)
    gram[np.diag_indices_from(gram)] += RIDGE * float(np.trace(gram)) / len(gram) + 1e-12
    change: NDArray[Any] = np.linalg.solve(gram, (centred.T @ miss / len(units)).astype(np.float64))
    new = (weight + change.T).astype(np.float32)
    return new, (goal - mean @ new.T).astype(np.float32)


def _projection(layer: int, block: str) -> str:
    names = LayerNames(layer)
    return names.mixed if block == "attention" else names.outer


def _norm_name(layer: int, block: str) -> str:
    names = LayerNames(layer)
    return names.attention_norm if block == "attention" else names.norm
