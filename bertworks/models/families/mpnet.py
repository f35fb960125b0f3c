"""MPNet: positions as RoBERTa's, no token types, and a bias of the scores by the tokens' distance.

All layers share one table of biases, a column a head. In the layout each layer has its own, the same at
first: pruning cuts each layer's heads, and with them their columns.
"""

from __future__ import annotations

import re

from bertworks.models.families.family import AS_BERT, LM_HEAD, Family
from bertworks.models.layout import LayerNames, Weights

_SHARED = "bert.encoder.relative_attention_bias.weight"
_LAYER = r"encoder\.layer\.(\d+)\.attention"
_PARTS = {
    r"attn\.q": "self.query",
    r"attn\.k": "self.key",
    r"attn\.v": "self.value",
    r"attn\.o": "output.dense",
    "LayerNorm": "output.LayerNorm",
}


def _a_table_a_layer(weights: Weights) -> Weights:
    shared = weights.get(_SHARED)
    if shared is None:
        return weights
    layers = {int(found[1]) for name in weights if (found := re.search(r"\.layer\.(\d+)\.", name))}
    copies = {f"{LayerNames(layer).relative}.weight": shared.copy() for layer in layers}
    return {name: array for name, array in {**weights, **copies}.items() if name != _SHARED}


FAMILY = Family(
    model_type="mpnet",
    prefix="mpnet",
    names=(
        *(
            (rf"{_LAYER}\.{part}\.(weight|bias)", rf"bert.encoder.layer.\1.attention.{bert}.\2")
            for part, bert in _PARTS.items()
        ),
        *AS_BERT,
        *LM_HEAD,
    ),
    fixed={"type_vocab_size": 2},
    unused_positions=lambda config: 2,
    adapt=_a_table_a_layer,
    own=lambda config: {"relative_positions": True},
)
