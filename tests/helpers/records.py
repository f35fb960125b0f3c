"""Records of artifacts for tests that care about a part of them."""

from __future__ import annotations

from typing import Any

from bertworks.contracts.tokens import TOKENS, Tokens

SPECIAL = {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}


def tokens_info(**known: Any) -> Tokens:
    """info.json of tokens; what is not told is as good as any other."""
    plain = {"task": {}, "max_length": 16, "vocab_size": 30, "special": SPECIAL, "rows": {}}
    return TOKENS.of({**plain, **known}, "info.json")
