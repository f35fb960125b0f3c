"""Finds personal data in texts: what can be told from a text alone, by its form and its check digits.

Names and addresses are not: no form tells them. What each kind's form is, by its source:
    email      local part and domain, RFC 5321
    phone      ITU-T E.164 with its +; North American numbers; Chinese mobiles; ten or eleven digits
               with a zero before them; others behind a word such as "tel"
    card       13 to 19 digits of a known network, Luhn's check digit, ISO/IEC 7812
    iban       by country as long as ISO 13616 says, remainder 1 by 97
    us-ssn     no area, group or serial that the Social Security Administration never gives
    cn-id      region, birthday and check character, GB 11643-1999 (ISO 7064 MOD 11-2)
    ip         IPv4 and IPv6

A text is looked at as it would be read: full-width and other scripts' digits are digits, and characters
that are not shown do not part a number.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import date
from typing import NamedTuple


class Found(NamedTuple):
    """Personal data: characters `start` to `end` of the text, and which kind it is."""

    start: int
    end: int
    kind: str


def find(text: str) -> list[Found]:
    """What is in a text, in its order; where two lie over each other, the one that begins first.

    Takes time in proportion to the text's length.
    """
    if not _MAYBE.search(text):
        return []
    plain, places = _plain(text)
    found = sorted(
        (Found(*span, kind) for kind, finder in _KINDS for span in finder(plain)),
        key=lambda one: (one.start, -one.end),
    )
    kept: list[Found] = []
    for one in found:
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
        elif one.end > kept[-1].end:
            kept[-1] = kept[-1]._replace(end=one.end)
    if places is None:
        return kept
    return [Found(places[start], places[end - 1] + 1, kind) for start, end, kind in kept]


Span = tuple[int, int]

# Nothing is found without one of these. \d: of all scripts.
_MAYBE = re.compile(r"[\d@＠]|::")
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d"), "-")
# Not \w at edges: in scripts without spaces a number has letters on both sides.
_NO_WORD_BEFORE, _NO_WORD_AFTER = r"(?<![0-9A-Za-z_])", r"(?![0-9A-Za-z_])"
_LOCAL = r"(?:[0-9A-Za-z_À-ɏͰ-ԯ.%+'-]{1,256}|(?<![^\W\da-zA-Z_])[^\W\da-zA-Z_]{1,64})"

_EMAIL = re.compile(
    rf"(?<![0-9A-Za-z_.%+'-]){_LOCAL}@(?:[^\W_](?:[\w-]{{0,62}}[^\W_])?\.){{1,8}}"
    rf"(?:[A-Za-z]{{2,24}}(?![0-9A-Za-z_-])|[^\W\d_]{{2,24}}(?![\w-]))"
)
_CARD = re.compile(
    r"(?<![\d.,-])(?:[2-6]\d{3}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|3\d{3}([ -])\d{6}\2\d{4,5}"
    r"|[2-6]\d{12,18})(?!\d)"
)
_IBAN = re.compile(rf"{_NO_WORD_BEFORE}[A-Za-z]{{2}}\d{{2}}(?: ?[A-Za-z0-9]){{11,30}}")
_SSN = re.compile(r"(?<![\d-])(?!000|666|9)(\d{3})([ -])(?!00)(\d{2})\2(?!0000)(\d{4})(?![\d-])")
_BARE_SSN = re.compile(
    r"(?i)(?<![A-Za-z])(?:ssn|social security(?: number| no\.?)?)\W{0,5}(?:is\W{1,3})?"
    r"((?!000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4})(?!\d)"
)
_CHINESE_ID = re.compile(rf"{_NO_WORD_BEFORE}[1-9]\d{{5}}(?:19|20)\d{{9}}[\dXx]{_NO_WORD_AFTER}")
_CHINESE_MOBILE = re.compile(
    r"(?<![\d.,])(?:(?:\+|00)?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}(?!\d)(?![.,]\d)"
)
_INTERNATIONAL = re.compile(
    r"(?<![0-9A-Za-z_+])(?:\+|00) ?[1-9]\d{0,2}(?:[ ./-]{0,2}(?:\(\d{1,4}\)|\d++)){1,8}(?!\d)"
)
_NORTH_AMERICAN = re.compile(
    r"(?<![0-9A-Za-z_.,/+-])(?:1[ .-])?(?:\([2-9]\d{2}\)[ .-]?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}"
    rf"(?!-){_NO_WORD_AFTER}"
)
# A leading zero and nine or ten more digits, as Britain, Germany, France, Italy and Japan write them.
_NATIONAL = re.compile(
    r"(?<![0-9A-Za-z_.,+-])0[1-9]"
    r"(?:\d{8,9}|\d \d{4} \d{4}|\d{2} \d{3} \d{4}|\d{3} \d{6}|(?:[ .]\d{2}){4})(?!-)(?![.,]\d)"
    rf"{_NO_WORD_AFTER}"
    r"|(?<![\d.,+])0[1-9]\d{9}(?!\d)(?![.,]\d)"  # eleven together, as in "call09050000327now"
)
_TOLD = re.compile(
    r"(?i)(?:(?<![A-Za-z])(?:tel|telephone|telefon|phone|mobile|cell|handy|fax|whatsapp"
    r"|call me(?: at| on)?)(?![A-Za-z])|电话|手机|联系方式|電話|手機|热线)"
    r"[\s.:#：]{0,4}(?:(?:number|no|nr|is|号码?)[\s.:：]{1,3}){0,2}"
    r"(\(?\d(?:[ ./()-]{0,2}\d){5,13})(?!\d)"
)
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_IPV4 = re.compile(rf"(?<![0-9A-Za-z_.-])(?:{_OCTET}\.){{3}}{_OCTET}(?!-)(?!\.\d){_NO_WORD_AFTER}")
_IPV6 = re.compile(r"(?<![0-9A-Za-z_:.])[0-9A-Fa-f:]{2,39}(?:\.\d{1,3}){0,3}(?![0-9A-Za-z_:])")

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
# First two digits of a resident id: provinces, GB/T 2260; 71 Taiwan, 81, 82 Hong Kong and Macau.
_PROVINCES = frozenset(
    map(str, [*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55),
              *range(61, 66), 71, 81, 82, 83])
)  # fmt: skip
_NETWORKS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[68]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|6(?:011|4[4-9]\d|5\d\d)\d{12}"
    r"|62\d{14,17}|50[0-9]\d{9,16}|5[6-9]\d{10,17}|6[0-9]\d{10,17}"
)
# ISO 13616, registry of 2024: characters by country.
_IBAN_LENGTHS = {
    name: int(length)
    for length, names in (
        line.split(":")
        for line in (
            "15:NO", "16:BE", "18:DK FI FO GL NL SD FK", "19:MK SI", "20:AT BA EE KZ LT LU XK MN",
            "21:CH HR LI LV", "22:BG BH CR DE GB GE IE ME RS VA", "23:AE GI IL IQ TL OM SO",
            "24:AD CZ ES MD PK RO SA SE SK TN VG", "25:LY PT ST", "26:IS TR",
            "27:BI FR GR IT MC MR SM DJ", "28:AL AZ BY CY DO GT HU LB NI PL SV",
            "29:BR EG PS QA UA", "30:JO KW MU YE", "31:MT SC", "32:LC", "33:RU",
        )
    )
    for name in names.split()
}  # fmt: skip


def _plain(text: str) -> tuple[str, list[int] | None]:
    """The text as it would be read, and the place in the text of each of its characters.

    None for the places: they are the same.
    """
    if text.isascii():
        return text, None
    characters, places, moved = [], [], False
    for place, one in enumerate(text):
        if unicodedata.category(one) == "Cf":  # soft hyphens, zero-width spaces, direction marks
            moved = True
            continue
        characters.append(one if one.isascii() else _as_read(one))
        places.append(place)
    return "".join(characters), places if moved else None


def _as_read(one: str) -> str:
    digit = unicodedata.decimal(one, None)
    if digit is not None:
        return str(digit)
    if "\uff01" <= one <= "\uff5e":  # full-width ASCII
        return "-" if one == "\uff0d" else chr(ord(one) - 0xFEE0)
    if unicodedata.category(one) == "Zs":
        return " "
    return one.translate(_DASHES)


def _all(pattern: re.Pattern[str], group: int = 0) -> Callable[[str], Iterator[Span]]:
    return lambda text: (found.span(group) for found in pattern.finditer(text))


def _checked(
    pattern: re.Pattern[str], holds: Callable[[str], bool]
) -> Callable[[str], Iterator[Span]]:
    return lambda text: (one.span() for one in pattern.finditer(text) if holds(one[0]))


def _digits(text: str) -> str:
    return "".join(one for one in text if one.isdigit())


def is_card(number: str) -> bool:
    """Whether digits are a card's number: of a network, and with Luhn's check digit."""
    digits = _digits(number)
    if not _NETWORKS.fullmatch(digits) or len(set(digits)) == 1:
        return False
    doubled = [sum(divmod(2 * int(one), 10)) for one in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether it is an IBAN: as long as its country's are, and its remainder by 97 is 1."""
    plain = text.replace(" ", "").upper()
    if len(plain) != _IBAN_LENGTHS.get(plain[:2]):
        return False
    return int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 == 1


def is_chinese_id(number: str) -> bool:
    """Whether it is a resident id of the PRC: region, birthday and check character."""
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(one) for weight, one in zip(_ID_WEIGHTS, number, strict=False))
    return number[:2] in _PROVINCES and _ID_CHECKS[total % 11] == number[17].upper()


def _ibans(text: str) -> Iterator[Span]:
    """The pattern may take words behind the number with it: its country says where it ends."""
    for found in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(found[0][:2].upper())
        end, count = found.start(), 0
        while length and count < length and end < found.end():
            count += text[end] != " "
            end += 1
        if length and is_iban(text[found.start() : end]) and not text[end : end + 1].isalnum():
            yield found.start(), end


def _is_international(number: str) -> bool:
    return 8 <= len(_digits(number)) - 2 * number.startswith("00") <= 15


def _is_ipv6(text: str) -> bool:
    if text.count(":") < 2 or not any(one.isdigit() for one in text):
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


# Those with check digits first: of two that begin and end alike the first gives the word.
_KINDS: tuple[tuple[str, Callable[[str], Iterator[Span]]], ...] = (
    ("email", _all(_EMAIL)),
    ("cn-id", _checked(_CHINESE_ID, is_chinese_id)),
    ("card", _checked(_CARD, is_card)),
    ("iban", _ibans),
    ("us-ssn", _all(_SSN)),
    ("us-ssn", _all(_BARE_SSN, 1)),
    ("phone", _all(_CHINESE_MOBILE)),
    ("phone", _checked(_INTERNATIONAL, _is_international)),
    ("phone", _all(_NORTH_AMERICAN)),
    ("phone", _all(_NATIONAL)),
    ("phone", _all(_TOLD, 1)),
    ("ip", _all(_IPV4)),
    ("ip", _checked(_IPV6, _is_ipv6)),
)
KINDS = tuple(dict.fromkeys(kind for kind, _ in _KINDS))
