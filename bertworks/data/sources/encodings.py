"""Which encoding a file that is not UTF-8 is likely to be in, for the advice in an error."""

from __future__ import annotations

import zlib
from itertools import islice
from lzma import LZMAError
from pathlib import Path

from bertworks.data.sources.first_bytes import open_bytes

_LINES = 20_000
_LINE_BYTES = 10_000
_ENOUGH = 200
# Letters and marks that texts of the languages of an encoding have beyond ASCII.
_COMMON = {
    "cp1252": "éèêëàâäáãåæçñöôóòõøœüûúùïîíìßÿ’‘“”–—…€£°«»·©®´¡¿ÉÈÀÄÖÜÅØÆÇ",
    "cp1250": "ąćęłńóśźżĄĆĘŁŃÓŚŹŻěščřžýáíéúůďťňőűăâîşţđ„”–’",
    "cp1254": "ğışİŞĞçöüÇÖÜâî’",
}
_FREQUENT = "оеаинтср"  # more than half of the letters of a text in Russian; 0.2 of Greek read so


def likely_encoding(path: Path, name: str) -> str:
    """The likely encoding, by the lines that are not UTF-8; "" where nothing can be said.

    A file of which as many lines are UTF-8 with letters beyond ASCII is a mixture: no encoding fits it.
    """
    broken: list[bytes] = []
    whole = 0
    try:
        with open_bytes(path, name) as stream:
            for line in islice(iter(lambda: stream.readline(_LINE_BYTES), b""), _LINES):
                if line.isascii():
                    continue
                try:
                    line.decode("utf-8")
                    whole += 1
                except UnicodeDecodeError:
                    broken.append(line)
                if len(broken) >= _ENOUGH:
                    break
    except (OSError, EOFError, zlib.error, LZMAError):
        return ""
    if not broken or whole >= len(broken):
        return ""
    sample = b"".join(broken)
    return _western(sample) if _is_sparse(sample) else _cyrillic(sample) or _detected(sample)


def _is_sparse(sample: bytes) -> bool:
    """Whether bytes beyond ASCII stand mostly alone: accents in Latin text, not another script."""
    high = [byte > 127 for byte in sample]
    pairs = sum(one and other for one, other in zip(high, high[1:], strict=False))
    return pairs < 0.5 * sum(high)


def _western(sample: bytes) -> str:
    scores = {}
    for encoding, common in _COMMON.items():
        try:
            text = sample.decode(encoding)
        except UnicodeDecodeError:
            continue
        scores[encoding] = sum(character in common for character in text if ord(character) > 127)
    return max(scores, key=lambda encoding: scores[encoding]) if scores else "latin-1"


def _cyrillic(sample: bytes) -> str:
    """The encoding in which a sample is Cyrillic by the frequency of its letters; "" for none.

    Detectors need long texts, and take short ones that repeat for Korean or Japanese.
    """
    for encoding in ("cp1251", "koi8-r", "cp866"):
        text = sample.decode(encoding, "replace")
        beyond = [one for one in text if ord(one) > 127]
        small = sum("а" <= one <= "я" or one in "ёіїєґ" for one in beyond)
        frequent = sum(one in _FREQUENT for one in beyond)
        if small >= 0.75 * len(beyond) and frequent >= 0.35 * len(beyond):
            return encoding
    return ""


def _detected(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    return best.encoding.replace("_", "-") if best is not None else ""
