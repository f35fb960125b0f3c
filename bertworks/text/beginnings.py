"""Which pieces of a vocabulary begin a word, so that a word's pieces are masked together.

WordPiece marks the pieces that go on ("##ing"), BPE over bytes and Unigram those that begin after a
space ("Ġthe", "▁the"). There, punctuation begins a word too, and so does each piece of a script that
has no spaces, or a Chinese sentence would be one word.
"""

from __future__ import annotations

import json
import re
from typing import Literal

import tokenizers

SPACE = "▁"
"""Stands for a space in the pieces of Unigram."""

Kind = Literal["wordpiece", "bytes", "spaces"]
"""How pieces tell where words begin: "##" inside, bytes with "Ġ" before, "▁" before."""

# Han, kana, bopomofo, Thai, Lao, Myanmar, Khmer: written without spaces.
_NO_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u312f\u31a0-\u31ff\u3400-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)
_FOLLOWS = range(0x80, 0xC0)
"""Bytes of UTF-8 that go on with a character."""


def kind_of(backend: tokenizers.Tokenizer) -> Kind | None:
    """How a tokenizer's pieces tell where words begin; None: they do not."""
    if isinstance(backend.model, tokenizers.models.WordPiece):
        return "wordpiece"
    steps = [step["type"] for step in steps_of(backend)]
    if "ByteLevel" in steps:
        return "bytes"
    return "spaces" if "Metaspace" in steps else None


def steps_of(backend: tokenizers.Tokenizer) -> list[dict[str, object]]:
    """The parts of a tokenizer's pre-tokenizer, one after the other, as tokenizer.json tells them."""
    if backend.pre_tokenizer is None:
        return []
    told = json.loads(backend.pre_tokenizer.__getstate__())
    return list(told["pretokenizers"]) if told["type"] == "Sequence" else [told]


def beginnings(backend: tokenizers.Tokenizer) -> list[bool]:
    """For each id whether it begins a word; a text's first piece does so in any case."""
    vocabulary = backend.get_vocab(with_added_tokens=True)
    begins = [True] * (1 + max(vocabulary.values()))
    kind = kind_of(backend)
    for token, identifier in vocabulary.items():
        if kind == "wordpiece":
            # "#" in a text is a word by itself, never "##".
            begins[identifier] = not token.startswith(backend.model.continuing_subword_prefix)
        elif kind == "bytes":
            begins[identifier] = _bytes_begin(token)
        elif kind == "spaces":
            begins[identifier] = token.startswith(SPACE) or _stands_alone(token[0])
    for identifier in backend.get_added_tokens_decoder():
        begins[identifier] = True
    return begins


def _bytes_begin(token: str) -> bool:
    known = [BYTES[character] for character in token if character in BYTES]
    if not known or known[0] in _FOLLOWS:
        return not known
    first = bytes(known).decode("utf-8", "replace")[0]
    return first != "\ufffd" and _stands_alone(first)


def _stands_alone(character: str) -> bool:
    """Whether a word begins at this character whatever is before it."""
    return not character.isalnum() or _NO_SPACES.match(character) is not None


def _byte_names() -> dict[str, int]:
    """The characters that stand for bytes (Radford et al. 2019, section 2.2): those that can be seen
    stand for themselves, the others, in order, for characters from U+0100."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (byte for byte in range(0x100) if byte not in seen)
    named = {chr(0x100 + place): byte for place, byte in enumerate(others)}
    return {**{chr(byte): byte for byte in seen}, **named}


BYTES = _byte_names()
