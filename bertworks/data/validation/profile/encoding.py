"""Finds text that was decoded with the wrong encoding somewhere on its way here."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# What the bytes 80 to BF of UTF-8 turn into when they are read as Latin-1 or Windows-1252.
_TAIL = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"

_DAMAGE = "|".join(
    [
        "\ufffd",  # the replacement character: the bytes were lost
        "[\u0080-\u0084\u0086-\u009f]",  # C1 controls: Windows-1252 read as Latin-1
        f"[ÂÃ]{_TAIL}",  # accented Latin letters: "Ã©" for "é", "Â£" for "£"
        f"â[€\u0080]{_TAIL}",  # punctuation: "â€™" for a curly apostrophe
        f"ð[Ÿ\u009f]{_TAIL}",  # emoji
        "ï»¿|ï¿½",  # a byte order mark, and the replacement character once more
        f"(?:[Ä-ß]{_TAIL}){{3}}",  # Greek, Cyrillic, Hebrew, Arabic: pairs in a row
        f"(?:[à-ï]{_TAIL}{{2}}){{2}}",  # Chinese, Japanese, Korean: triples in a row
        "锟斤拷|锟斤|烫烫烫",  # UTF-8's replacement character, or unset memory, read as GBK
    ]
)


def damaged(text: pa.StringArray) -> npt.NDArray[np.bool_]:
    """Which texts hold U+FFFD, C1 control characters or typical mojibake. bool (rows,)."""
    mask: npt.NDArray[np.bool_] = pc.match_substring_regex(text, _DAMAGE).to_numpy(
        zero_copy_only=False
    )
    return mask.astype(bool)


def damage_at(text: str) -> int:
    """Where a text's first damage stands, in characters; 0 when it has none."""
    found = re.search(_DAMAGE, text)
    return found.start() if found else 0
