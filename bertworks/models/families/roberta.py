"""RoBERTa and XLM-R: BERT's layers; positions are counted from the one after the padding token's id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertworks.models.families.family import AS_BERT, LM_HEAD, Family


def after_padding(config: Mapping[str, Any]) -> int:
    """fairseq numbers positions as tokens: those of padding have the padding token's id."""
    pad = config.get("pad_token_id", 1)
    return 1 + (pad if isinstance(pad, int) else 1)


FAMILIES = tuple(
    Family(
        model_type=model_type,
        prefix="roberta",
        names=(*AS_BERT, *LM_HEAD),
        unused_positions=after_padding,
    )
    for model_type in ("roberta", "xlm-roberta")
)
