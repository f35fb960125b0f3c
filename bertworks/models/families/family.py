"""What tells a family of encoders from BERT."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bertworks.models.layout import Weights

Names = tuple[tuple[str, str], ...]

AS_BERT: Names = ((r"(embeddings|encoder|pooler)\.(.+)", r"bert.\1.\2"),)
"""The encoder's names where they are BERT's but for the model's own prefix."""
LM_HEAD: Names = (
    (r"lm_head\.dense\.(weight|bias)", r"cls.predictions.transform.dense.\1"),
    (r"lm_head\.layer_norm\.(weight|bias)", r"cls.predictions.transform.LayerNorm.\1"),
    (r"lm_head\.bias", "cls.predictions.bias"),
)
"""RoBERTa's head for masked words, which MPNet took over."""


def no_positions(config: Mapping[str, Any]) -> int:
    """Positions are counted from the table's first row."""
    return 0


def unchanged(weights: Weights) -> Weights:
    """Nothing but names differs."""
    return weights


@dataclass(frozen=True)
class Family:
    """How a family's folder becomes a BERT's.

    Attributes:
        model_type: Of config.json.
        prefix: What its model's classes put before the encoder's names; a bare encoder has none.
        names: Patterns of its names, each with BERT's; the first that fits counts. A weight that none
            fits is left out, as heads of other tasks are.
        fields: BERT's field of config.json to the family's, where it has another name.
        fixed: BERT's fields that are no setting in this family.
        unused_positions: Rows at the begin of the position table that no token gets.
        adapt: Makes the weights, already under BERT's names, those of the layout.
        own: What the "bertworks" block of config.json gets, from the family's config.json.
    """

    model_type: str
    prefix: str
    names: Names
    fields: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)
    unused_positions: Callable[[Mapping[str, Any]], int] = no_positions
    adapt: Callable[[Weights], Weights] = unchanged
    own: Callable[[Mapping[str, Any]], dict[str, object]] = lambda config: {}

    def named(self, weights: Weights) -> Weights:
        """The weights that BERT has a place for, under its names."""
        found = {}
        for name, array in weights.items():
            # Weights that were taken out of a graph have BERT's prefix.
            short = name.removeprefix(f"{self.prefix}.").removeprefix("bert.")
            for pattern, bert in self.names:
                if re.fullmatch(pattern, short):
                    found[re.sub(pattern, bert, short)] = array
                    break
        return found

    def positions(self, config: Mapping[str, Any]) -> int | None:
        """The longest row, by config.json; None: it does not say."""
        rows = config.get("max_position_embeddings")
        return rows - self.unused_positions(config) if isinstance(rows, int) else None
