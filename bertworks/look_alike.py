"""Names that print alike: what tells them apart in messages."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

_SHOWN = 3
# Letters of Greek and Cyrillic that look like Latin ones (a small part of Unicode's confusables).
_LATIN = str.maketrans(
    "АВЕЅІЈКМНОРСТХУаеѕіјорсухԁԛԝһΑΒΕΖΗΙΚΜΝΟΡΤΥΧοαρυνıİ",
    "ABESIJKMHOPCTXYaesijopcyxdqwhABEZHIKMNOPTYXoapuviI",
)
# Hyphens, dashes and the minus sign.
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58"), "-")
# Marks that show nothing by themselves: they choose a form of the character before, or join two.
_SELECTORS = dict.fromkeys(
    (0x034F, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
)


def appearance(name: str) -> str:
    """What a name looks like: equal for names that a reader cannot tell apart.

    Width, composition, invisible characters, kinds of spaces and dashes, variants of one character, the
    dot of an i, and letters of other scripts that look like Latin ones make no difference.
    """
    if name.isascii():
        return " ".join(name.split())
    text = unicodedata.normalize("NFKC", name.translate(_SELECTORS).translate(_DASHES))
    text = "".join(one for one in text if unicodedata.category(one) != "Cf").translate(_LATIN)
    text = text.replace("i\u0307", "i")  # what a small İ is made of
    return " ".join(text.split())


def told_apart(names: Iterable[str], beside: Iterable[str] = ()) -> list[str]:
    """The names in quotes, in order; behind those that look like another one, their characters.

    Args:
        names: What a message names.
        beside: Other names that are known to the reader, and not shown.

    Example:
        >>> told_apart(["pay", "p\\u0430y"])
        ["'pay'", "'pаy' (U+0430 CYRILLIC SMALL LETTER A)"]
    """
    names = list(names)
    looks = Counter(map(appearance, {*names, *beside}))
    return [
        f"{name!r}{_characters(name)}" if looks[appearance(name)] > 1 else repr(name)
        for name in names
    ]


def _characters(name: str) -> str:
    """Its characters beyond ASCII, by code point and name; its spaces where ASCII hides them."""
    odd = [one for one in dict.fromkeys(name) if not one.isascii()]
    shown = [f"U+{ord(one):04X} {unicodedata.name(one, 'without a name')}" for one in odd[:_SHOWN]]
    if len(odd) > _SHOWN:
        shown.append(f"{len(odd) - _SHOWN} more beyond ASCII")
    return f" ({', '.join(shown)})" if shown else ""
