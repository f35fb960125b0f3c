"""ELECTRA: BERT's layers, under embeddings that may be narrower; generators and discriminators alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertworks.models.families.family import AS_BERT, Family


def _own(config: Mapping[str, Any]) -> dict[str, object]:
    narrow, hidden = config["embedding_size"], config["hidden_size"]
    return {} if narrow == hidden else {"embedding_size": narrow}


FAMILY = Family(
    model_type="electra",
    prefix="electra",
    names=(
        *AS_BERT,
        (r"embeddings_project\.(weight|bias)", r"bert.embeddings_project.\1"),
        (r"generator_predictions\.(dense|LayerNorm)\.(.+)", r"cls.predictions.transform.\1.\2"),
        (r"generator_lm_head\.bias", "cls.predictions.bias"),
    ),
    own=_own,
)
