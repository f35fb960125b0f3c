"""Cuts a base's vocabulary down to what the rows need."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypedDict

import numpy as np

from bertworks.errors import SpecError
from bertworks.models.rows import keep_rows
from bertworks.notices import Notice
from bertworks.spec import Base
from bertworks.spec.bases import LARGE
from bertworks.text import trimming
from bertworks.text.tokenizer import FILE

_WORD = re.compile(r"\w+")
Texts = Callable[[str], Iterable[str]]
"""A split's texts, by its name."""


class Trimmed(TypedDict):
    """What a base artifact's metadata says of its trimming.

    Attributes:
        before, after: Entries.
        words: Words of the validation split; of scripts without spaces, pieces of the whole vocabulary.
        unknown: Those of them that trimming made unknown.
        longer: Those that are split into more pieces than before.
    """

    before: int
    after: int
    words: int
    unknown: int
    longer: int


def trim(base: Base, folder: Path, texts: Texts) -> Trimmed | None:
    """Trims the checkpoint in a folder as `base.vocabulary` says.

    Args:
        base: The spec's section.
        folder: Holds config.json, model.safetensors and tokenizer.json.
        texts: The rows' texts; the pieces are chosen by those of "train" alone, and how well they do is
            told by those of "validation".

    Returns:
        What was done; None: nothing.

    Raises:
        SpecError: It shall be trimmed, and is of a kind that cannot be.
    """
    if base.vocabulary == "keep":
        return None
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    kind, before = trimming.kind_of(content), trimming.size_of(content)
    if kind not in trimming.MODELS:
        if base.vocabulary == "trim":
            raise SpecError(
                f"base.vocabulary is trim, and the base's tokenizer is {kind}, whose pieces are made of "
                "each other.",
                "Set base.vocabulary: keep, or leave it out.",
            )
        return None
    if base.vocabulary == "auto" and before < LARGE:
        return None
    kept = trimming.needed_ids(content, texts("train"))
    after = trimming.trimmed(content, kept)
    keep_rows(folder, np.array(kept, np.int64))
    (folder / FILE).write_text(json.dumps(after, ensure_ascii=False), encoding="utf-8")
    words = Counter(word for text in texts("validation") for word in _WORD.findall(text))
    found = trimming.split_longer(content, after, words)
    return {
        "before": before, "after": len(kept), "words": found.words, "unknown": found.unknown,
        "longer": found.longer,
    }  # fmt: skip


def notice(found: Trimmed) -> Notice:
    """What trimming did."""
    words = max(found["words"], 1)
    return Notice(
        f"the base's vocabulary was trimmed from {found['before']:,} to {found['after']:,} entries, by "
        f"the training texts and their scripts; of {found['words']:,} words of validation "
        f"{found['unknown'] / words:.2%} became unknown and {found['longer'] / words:.2%} are split "
        "into more pieces (base.vocabulary)"
    )
