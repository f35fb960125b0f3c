"""Which encoding a file that is not UTF-8 is likely to be in, for the advice in an error.

Every candidate decodes the lines that are not UTF-8, and what comes out is looked at as a text of one of
its languages: the one whose letters it has is the likely one. Where two candidates are as good and read
otherwise, both are named. Where other lines are UTF-8, the file is a mixture, and no encoding fits it.
"""

from __future__ import annotations

import codecs
import re
import shlex
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from lzma import LZMAError
from pathlib import Path
from typing import IO

from bertworks.data.sources.first_bytes import open_bytes, unpacked_name, wide

_HEAD = 4096
_LINES = 20_000
_LINE_BYTES = 10_000
_ENOUGH = 30_000  # bytes
_NEAR = 0.985
"""A candidate whose text is as good as this share of the best one's is named beside it."""
_WELL = 0.85
"""Where the best one explains less than this, others that explain as much of that are named, too."""
_GOOD = 0.4
"""Texts that are explained less than this are left to a detector."""
_LETTER = 0.98  # a letter, beside a quotation mark that is one: marks are the likelier
_CHANCE = 2
"""Characters of UTF-8 that a line of Chinese, Japanese or Korean may look like: one in twelve does."""
_RARER = 0.02  # how much less the rarest letter of a language is worth
_UNUSUAL = 0.97  # what an encoding of _SELDOM is worth beside another that explains as much
_DENSE = 0.7  # what a Latin text is worth in which hardly a letter is ASCII
_CONTROLLED = 0.9  # what a text is worth that has control characters in it
_SHOWN = 20  # letters of an example

# Letters beyond ASCII of the languages that an encoding was made for, the most frequent first.
_WESTERN = (
    "éàèêçôîùâûïœëüæÿ", "üäößé", "óíáéñúüº", "ãçáéíóõêâúàôº", "èàùòìéî", "äöåéü", "øåæéôö",
    "ëéïöüèê", "íáðöéþúóæý", "óàèéíòçúïü",
)  # fmt: skip
_CENTRAL = (
    "ęłąóśżćńź", "íáéřěžčýšůúňťóď", "áíéčžýšľúťňóôäďĺŕ", "áéőöíóüúű", "ăîâşţ", "čžšćđ", "üäößé",
)  # fmt: skip
_TURKISH = ("ıüşğçöâî",)
_BALTIC = ("āīēšņļžūģčķõ", "ėųšįąžūčę", "äõüöšž")
_LATIN = {
    "cp1252": _WESTERN, "iso-8859-15": _WESTERN, "mac-roman": _WESTERN, "cp850": _WESTERN,
    "cp1250": _CENTRAL, "iso-8859-2": _CENTRAL, "mac-latin2": _CENTRAL, "cp852": _CENTRAL,
    "cp1254": _TURKISH, "cp1257": _BALTIC,
}  # fmt: skip
_SELDOM = ("cp850", "cp852", "mac-latin2", "mac-cyrillic", "iso-8859-5", "iso-8859-7")
_GAP = re.compile(r"[\s,;]+")
_CONTROL = re.compile("[\x80-\x9f]")
# Marks that stand before a word, behind one, and anywhere.
_OPENING, _CLOSING, _ANYWHERE = "„‚‘¿¡", "”…®™°²³", "–—€£©§•\xa0·’“«»"

# The letters of the languages of other scripts, the most frequent first.
_CYRILLIC = ("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", "оаинеівтрслкумдпязьбгчхйжїєюцшщфґ")
_GREEK = ("αοιετσνηυρπκμλςόάίέωδγήύχθώφβξζψϊϋΐΰ",)
_HEBREW = ("יוהלארתבשמנםדעכקחפטצגסזןךףץ",)
_ARABIC = ("اليمنوترهبعدسةفكقحأجشطخىصضغذزءثإئآظؤ",)
_THAI = ("านรอก่เงมยลวดท้ัตสิีปบคหแจพชขะใไ์โำุูืผ็ถฟณธศษซญๆฎภฏฐฑฒฝฉฬฆฌฮฤฯ",)
_ALPHABETS = {
    "cp1251": _CYRILLIC, "koi8-r": _CYRILLIC, "koi8-u": _CYRILLIC, "cp866": _CYRILLIC,
    "iso-8859-5": _CYRILLIC, "mac-cyrillic": _CYRILLIC, "cp1253": _GREEK, "iso-8859-7": _GREEK,
    "cp1255": _HEBREW, "cp1256": _ARABIC, "cp874": _THAI,
}  # fmt: skip
_CHINESE = (
    "的一是不了在有人我他这们中来上大为和国地到以说时要就出会可也你对生能"
    "而子那得着下自年好很没都还看"
)
_TAIWAN = (
    "的一是不了在有人我他這們中來上大為和國地到以說時要就出會可也你對生能"
    "而子那得著下自年好很沒都還看"
)
_HANGUL = "이다는의에을를가은고하지로한그도기서어나아사리시라자인만요있들해게니정대수했으전부면일"
# A character set's rows of common characters (the first of two bytes), the most frequent ones, and their
# share in a text. Japanese is told by its kana.
_IDEOGRAPHS = {
    "gb18030": ("gb2312", range(0xB0, 0xD8), _CHINESE, 0.15),
    "big5": ("big5", range(0xA4, 0xC7), _TAIWAN, 0.15),
    "euc-kr": ("euc-kr", range(0xB0, 0xC9), _HANGUL, 0.25),
    "cp949": ("euc-kr", range(0xB0, 0xC9), _HANGUL, 0.25),
    "cp932": ("euc-jp", range(0xA4, 0xD0), "", 0.3),
    "shift_jis": ("euc-jp", range(0xA4, 0xD0), "", 0.3),
    "euc-jp": ("euc-jp", range(0xA4, 0xD0), "", 0.3),
}


@dataclass(frozen=True)
class Likely:
    """The likely encoding of a file.

    Attributes:
        encoding: Its name; "" where nothing can be said, and of a mixture.
        rival: Another one that fits as well and reads otherwise; "" where there is none.
        example: A word as the two read it, where there is a rival.
        first: The first line that is not UTF-8, from 1; 0: none of those that were looked at.
        broken: How many are not.
        whole: How many are UTF-8 with letters beyond ASCII.
        odd: Of a mixture: the likely encoding of the lines that are not UTF-8; "" where nothing can be
            said.
        mixed: Whether it is a mixture.
    """

    encoding: str
    rival: str = ""
    example: tuple[str, str] = ("", "")
    first: int = field(default=0, compare=False)
    broken: int = field(default=0, compare=False)
    whole: int = field(default=0, compare=False)
    odd: str = ""
    mixed: bool = False

    def setting(self) -> str:
        """The source's setting, and what to look at where it is in doubt."""
        return f"encoding: {self.encoding}{self.doubt()}"

    def doubt(self) -> str:
        """What to look at where the encoding is in doubt, in brackets; else ""."""
        if not self.rival:
            return ""
        first, second = self.example
        return f" (it reads {first!r}; {self.rival} fits as well and reads {second!r})"

    def said(self) -> str:
        """What a mixture is, in a sentence."""
        odd = f", perhaps {self.odd}" if self.odd else ""
        return (
            f"It is a mixture: of the lines with letters beyond ASCII {self.whole:,} are UTF-8 and "
            f"{self.broken:,} are not{odd} (the first of these: line {self.first:,})."
        )


def likely_encoding(path: Path, name: str) -> Likely:
    """The likely encoding, by the lines that are not UTF-8.

    A file of which as many lines are UTF-8 with letters beyond ASCII is a mixture, and so is one with
    fewer where those make better sense as UTF-8.
    """
    broken: list[bytes] = []
    whole: list[bytes] = []
    first = number = 0
    try:
        with open_bytes(path, name) as stream:
            for line in islice(_pieces(stream), _LINES):
                number += 1
                if line.isascii():
                    continue
                if _is_utf8(line):
                    whole.append(line)
                else:
                    broken.append(line)
                    first = first or number
                if sum(map(len, broken)) >= _ENOUGH:
                    break
    except (OSError, EOFError, zlib.error, LZMAError):
        return Likely("")
    counted = Likely("", first=first, broken=len(broken), whole=len(whole))
    if not broken:
        return counted
    sample = b"".join(broken)
    best = _best(sample) or Likely("")
    if len(whole) >= len(broken) or _are_utf8(whole, best.encoding):
        return replace(counted, odd=best.encoding, mixed=True)
    found = best if best.encoding else Likely(_detected(sample))
    return replace(found, first=first, broken=len(broken), whole=len(whole))


def encoding_advice(path: Path, name: str, given: str) -> str:
    """What to do with a file that cannot be read in the encoding that its source has.

    Args:
        path: The file.
        name: Its name in messages.
        given: The source's encoding.

    Returns:
        The setting that mends it, or the command that makes one encoding of a mixture; "" where nothing
        can be said.
    """
    own = codecs.lookup(given).name
    try:
        with open_bytes(path, name) as stream:
            found = wide(stream.read(_HEAD))
    except (OSError, EOFError, zlib.error, LZMAError):
        return ""
    if found is not None:
        return "" if own.startswith(found) else f"Set the source's `encoding: {found}`."
    likely = likely_encoding(path, name)
    if likely.mixed:
        settings = "" if own == "utf-8" else " Then leave the source's `encoding` out."
        return f"{likely.said()} {mending(likely, name)}{settings}"
    if not likely.broken:
        return "" if own == "utf-8" else "The file is UTF-8: set the source's encoding: utf-8."
    if not likely.encoding or codecs.lookup(likely.encoding).name == own:
        return ""
    return f"If the file is not {given.upper()}, set the source's {likely.setting()}."


def mending(likely: Likely, name: str) -> str:
    """What makes one encoding of a mixture: those bytes alone are converted that are not UTF-8."""
    file = shlex.quote(name) if "://" not in name and "!/" not in name else "FILE"
    way = {".gz": "gzip -dc", ".bz2": "bzip2 -dc", ".xz": "xz -dc"}.get(Path(name).suffix.lower())
    given = f"{way or 'cat'} {file} | "
    if not likely.odd:
        shown = f"{given}grep -naxv '.*'" if way else f"grep -naxv '.*' {file}"
        return f"Mend these lines, which this shows: `export LC_ALL=C.UTF-8; {shown}`."
    out = "FILE.utf8" if file == "FILE" else shlex.quote(_beside(unpacked_name(name)))
    read, given = ("", given) if way else (f" < {file}", "")
    return f'Convert these alone: `{given}python3 -c "{_script(likely.odd)}"{read} > {out}`.'


def _beside(name: str) -> str:
    path = Path(name)
    return str(path.with_name(f"{path.stem}-utf8{path.suffix}"))


def _script(odd: str) -> str:
    """Python in one line, from stdin to stdout, for double quotes of a shell."""
    if odd in _IDEOGRAPHS:  # of several bytes a character, which begin and end as they like
        return (
            "import sys; [sys.stdout.buffer.write(one if one.decode('utf-8', 'ignore').encode() == one "
            f"else one.decode('{odd}').encode()) for one in sys.stdin.buffer]"
        )
    return (
        "import codecs, sys; codecs.register_error('odd', lambda e: "
        f"(e.object[e.start:e.end].decode('{odd}'), e.end)); "
        "[sys.stdout.buffer.write(one.decode('utf-8', 'odd').encode()) for one in sys.stdin.buffer]"
    )


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines, of long ones the beginning; none is cut inside a character of UTF-8."""
    while line := stream.readline(_LINE_BYTES):
        rest, cut = line, False
        while len(rest) == _LINE_BYTES and not rest.endswith(b"\n"):
            rest = stream.readline(_LINE_BYTES)
            cut = cut or bool(rest)
        if cut:
            end = len(line) - 1
            while end > len(line) - 4 and line[end] & 0xC0 == 0x80:
                end -= 1
            line = line[:end]
        yield line


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _are_utf8(lines: list[bytes], encoding: str) -> bool:
    """Whether lines that are UTF-8 are meant so: short ones of another encoding may be by chance."""
    least = _CHANCE if encoding in _IDEOGRAPHS else 0
    texts = [line.decode("utf-8") for line in lines]
    meant = [text for text in texts if sum(one > "\x7f" for one in text) > least]
    if not meant or not encoding:
        return bool(meant)
    text = "".join(meant)
    as_utf8 = max(_score(text, name) for name in (*_LATIN, *_ALPHABETS, *_IDEOGRAPHS))
    return as_utf8 >= _score(text.encode().decode(encoding, "replace"), encoding)


def _best(sample: bytes) -> Likely | None:
    """The encoding that explains most, the first of equals; None where none explains enough."""
    names = (*_LATIN, *_ALPHABETS, *_IDEOGRAPHS)
    texts = {name: sample.decode(name, "replace") for name in names}
    scores = {
        name: _score(text, name) * (_UNUSUAL if name in _SELDOM else 1.0)
        for name, text in texts.items()
    }
    best, *others = sorted(scores, key=lambda name: -scores[name])
    if scores[best] < _GOOD:
        return None
    near = _NEAR if scores[best] > _WELL else _WELL
    for other in others:
        if scores[other] >= near * scores[best] and texts[other] != texts[best]:
            return Likely(best, other, _differing(texts[best], texts[other]))
    return Likely(best)


def _score(text: str, encoding: str) -> float:
    """How much of the characters beyond ASCII a language of the encoding explains, 0 to 1."""
    if encoding in _LATIN:
        worth = _DENSE if _is_dense(text) else 1.0
        return worth * max(_explained(text, letters) for letters in _LATIN[encoding])
    if encoding in _ALPHABETS:
        # Squared: the frequent letters that a wrong reading happens to have say little beside its holes.
        return max(
            _explained(text, letters, mixed=False) ** 2 * _frequency(text, letters)
            for letters in _ALPHABETS[encoding]
        )
    return _ideographs(text, *_IDEOGRAPHS[encoding])


def _is_dense(text: str) -> bool:
    """Whether characters beyond ASCII stand beside each other mostly: another script than Latin."""
    beyond = [character > "\x7f" for character in text]
    pairs = sum(one and other for one, other in zip(beyond, beyond[1:], strict=False))
    return pairs > 0.5 * sum(beyond)


def _differing(text: str, other: str) -> tuple[str, str]:
    """The first words that two readings differ in."""
    words = zip(_GAP.split(text), _GAP.split(other), strict=False)
    first, second = next(((one, two) for one, two in words if one != two), ("", ""))
    return first[:_SHOWN], second[:_SHOWN]


def _explained(text: str, letters: str, mixed: bool = True) -> float:
    """The share of characters beyond ASCII that are a language's, where such a one may stand.

    Args:
        text: What was decoded.
        letters: The language's letters beyond ASCII.
        mixed: Whether ASCII letters stand beside them in a word.
    """
    good, beyond = 0.0, 0
    around = f" {text} "
    for place, character in enumerate(text):
        if character <= "\x7f":
            continue
        beyond += 1
        before, after = around[place], around[place + 2]
        inside = before.isalpha() and after.isalpha()
        if (rank := letters.find(character.lower())) >= 0:
            fits = mixed or not (_is_ascii_letter(before) or _is_ascii_letter(after))
            worth = _LETTER - _RARER * rank / len(letters)
            good += worth * (fits and (character in letters or not before.islower()))
        elif character in "–—" and inside:
            good += _LETTER
        elif character in _OPENING:
            good += not before.isalnum()
        elif character in _CLOSING:
            good += not after.isalpha()
        elif character in _ANYWHERE:
            good += character in "’·" or not inside
    return good / max(beyond, 1) * (_CONTROLLED if _CONTROL.search(text) else 1.0)


def _is_ascii_letter(character: str) -> bool:
    return character.isascii() and character.isalpha()


def _frequency(text: str, letters: str) -> float:
    """1 where the letters are as frequent as in the language, 0 where all are alike.

    Args:
        text: What was decoded.
        letters: Those of the language, the most frequent first: the mean place in them is about a
            quarter of their number in a text, and a half in a text that was read wrongly.
    """
    places = [letters.index(one) for one in text.lower() if one in letters]
    if not places:
        return 0.0
    gain = 0.5 - sum(places) / len(places) / len(letters)
    return max(0.0, min(1.0, gain / 0.22))


def _ideographs(text: str, charset: str, rows: range, frequent: str, share: float) -> float:
    """How much of a text are common characters of a language that has thousands of them."""
    beyond = [one for one in text if one > "\x7f"]
    common = [one for one in beyond if _row(one, charset) in rows]
    marks = sum("\u3000" <= one <= "\u303f" or "\uff01" <= one <= "\uff5e" for one in beyond)
    if not common:
        return 0.0
    usual = (len(common) + marks) / len(beyond)
    if not frequent:
        kana = sum("\u3041" <= one <= "\u30ff" for one in common)
        return usual * min(1.0, kana / len(common) / share)
    often = sum(one in frequent for one in common) / len(common)
    return usual * (0.6 + 0.4 * min(1.0, often / share))


def _row(character: str, charset: str) -> int:
    """The first byte of a character in a charset; 0 where it has none."""
    try:
        return character.encode(charset)[0]
    except UnicodeEncodeError:
        return 0


def _detected(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    return best.encoding.replace("_", "-") if best is not None else ""
