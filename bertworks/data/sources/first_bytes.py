"""What a file is, by its first bytes: a wrong name or encoding is told before a row is read."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from bertworks.data.sources.archives import room_for, too_large
from bertworks.errors import DataError
from bertworks.shortened import listed

PACKED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}

_HEAD = 4096
_BLOCK = 1 << 16
_NUL_SHARE = 0.2  # of UTF-16 text in Latin letters every second byte is NUL
_NULS = 2  # NUL bytes that text in UTF-8 does not have
_NO_TEXT = ("Cc", "Cn", "Co", "Cs")  # control characters, and what stands for none

_SHORT = 64  # characters, of which a few that control something prove little
# Those that neither end lines, nor shift an encoding, nor part columns (Hive's are 1 to 3).
_CONTROLS = re.compile(r"[\x00\x04-\x08\x0e-\x1a\x7f]")

ARROW_FILE = b"ARROW1"
ARROW_STREAM = b"\xff\xff\xff\xff"
"""Ahead of each message since Arrow 0.15; no text begins so."""
_TABLES = {b"PAR1": "parquet", ARROW_FILE: "arrow", ARROW_STREAM: "arrow"}

_UNPACK = "Unpack it first, or name the ending that it has."
# First bytes, what they are, the ending that is read as such, what to do.
_SIGNATURES: list[tuple[bytes, str, str, str]] = [
    (b"\x1f\x8b", "gzip", ".gz", ""),
    (b"BZh", "bzip2", ".bz2", ""),
    (b"\xfd7zXZ\0", "xz", ".xz", ""),
    (b"\x28\xb5\x2f\xfd", "zstd", "", "Unpack it: zstd -d FILE"),
    (b"\x1f\x9d", "compress (.Z)", "", "Unpack it: uncompress FILE"),
    (b"PK\x03\x04", "zip", "", ""),
    (b"PK\x05\x06", "an empty zip archive", "", "Give an archive with files."),
    (b"PAR1", "Parquet", "", "Set the source's `format: parquet`."),
    (b"\x00\x05\x16\x07", "AppleDouble", "", "It holds what macOS keeps beside a file: take the "
     "file of the same name without `._`, and leave `._*` out of globs and archives."),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (.xls, .doc)", "",
     "Save its table as csv (UTF-8)."),
    (b"%PDF", "PDF", "", "Give its text as csv, jsonl or lines."),
    (b"7z\xbc\xaf\x27\x1c", "7z", "", _UNPACK),
    (b"Rar!", "rar", "", _UNPACK),
    (b"SQLite format 3\0", "an SQLite database", "", "Write the table out as csv or Parquet."),
    (ARROW_FILE, "Arrow", "", "Set the source's `format: arrow`."),
    (ARROW_STREAM, "an Arrow stream", "", "Set the source's `format: arrow`."),
    (b"FEA1", "a Feather file", "", "Write it as Parquet."),
    (b"ORC", "ORC", "", "Write it as Parquet."),
    (b"Obj\x01", "Avro", "", "Write it as Parquet or jsonl."),
    (b"\x89HDF", "HDF5", "", "Write it as Parquet or csv."),
    (b"\x93NUMPY", "a NumPy array", "", "Write it as Parquet or csv."),
    (b"\x80\x03", "a Python pickle", "", "It could run any code: write it as Parquet or jsonl."),
    (b"\x80\x04\x95", "a Python pickle", "", "It could run any code: write it as Parquet or jsonl."),
    (b"\x80\x05\x95", "a Python pickle", "", "It could run any code: write it as Parquet or jsonl."),
    (b"\x89PNG", "a PNG picture", "", "Give text."),
    (b"\xff\xd8\xff", "a JPEG picture", "", "Give text."),
    (b"version https://git-lfs", "a Git LFS pointer, not the file", "", "Fetch it: git lfs pull"),
]  # fmt: skip
# UTF-32's mark begins with UTF-16's.
_MARKS = [
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
]  # fmt: skip
_HTML = re.compile(rb"^\s*(?:<!doctype html|<html)", re.IGNORECASE)


class _Bounded(io.RawIOBase):
    """What comes out of a packed file, up to what its size explains."""

    def __init__(self, inner: IO[bytes], raw: IO[bytes], path: Path, name: str) -> None:
        self._inner, self._raw, self._path, self._name = inner, raw, path, name
        self._room = room_for(path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._inner.read(len(buffer))
        self._room -= len(block)
        if self._room < 0:
            raise too_large(self._path, self._name)
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._inner.close()
        self._raw.close()
        super().close()


def unpacked_name(name: str) -> str:
    """A file's name without the ending that says how it is packed: "rows.csv" for "rows.csv.gz"."""
    path = Path(name)
    return str(path.with_suffix("")) if path.suffix.lower() in PACKED else name


def open_bytes(
    path: Path, name: str, follow: Callable[[IO[bytes], int], None] | None = None
) -> IO[bytes]:
    """Opens a file, unpacked where its name ends in .gz, .bz2 or .xz.

    Args:
        path: The file.
        name: Its name in messages.
        follow: Is given the stream of the file as it lies on the disk, and its size in bytes.

    Raises:
        DataError: It is not packed in the way that its name says.
        SourceError: While it is read: more comes out of it than its size explains.
    """
    ending = Path(name.removesuffix("?***")).suffix.lower()
    raw = path.open("rb")
    if follow is not None:
        follow(raw, path.stat().st_size)
    if ending not in PACKED:
        return raw
    head = raw.read(8)
    raw.seek(0)
    said = next(kind for _, kind, end, _ in _SIGNATURES if end == ending)
    if not head.startswith(next(mark for mark, _, end, _ in _SIGNATURES if end == ending)):
        raw.close()
        found = _signature(head)
        raise DataError(
            f"{name} is no {said} file, although its name says so"
            + (f": its first bytes are those of {found[1]}." if found else "."),
            f"Name it without {ending} if it is not packed, or fetch it again.",
        )
    return io.BufferedReader(_Bounded(PACKED[ending](raw, "rb"), raw, path, name), _BLOCK)


def check_text(path: Path, name: str, encoding: str) -> None:
    """Looks at the first bytes of what is to be read as text in an encoding.

    Raises:
        DataError: They are those of another kind of file, or of another encoding.
    """
    with open_bytes(path, name) as stream:
        try:
            head = stream.read(_HEAD)
        except (OSError, EOFError):
            return  # a damaged packed file says so itself when it is read
    if (found := _signature(head)) is not None:
        raise _other_kind(path, name, found)
    if codecs.lookup(encoding).name not in ("utf-8", "utf-8-sig", "ascii"):
        _refuse_narrow(name, head, encoding)
    elif (likely := wide(head)) is not None:
        raise DataError(
            f"{name} is not UTF-8: its first bytes are those of {likely.upper()} "
            "(the names hold NUL bytes when it is read as UTF-8).",
            f"Set the source's encoding: {likely}.",
        )
    _refuse_binary(name, head, encoding)


def _refuse_binary(name: str, head: bytes, encoding: str) -> None:
    """Refuses what has control characters all over, as no text has.

    Raises:
        DataError: Says how many.
    """
    if _is_utf8(head) and b"\0" not in head:
        return  # Nothing but text is UTF-8 by chance, whatever it controls.
    try:
        text = head.decode(encoding, "replace")
    except UnicodeError:
        return  # a codec that replaces nothing; it says so itself when it is read
    controls = len(_CONTROLS.findall(text))
    long = len(text) > _SHORT
    if (long or "\0" in text) and controls > (0.05 if long else 0.1) * len(text):
        raise DataError(
            f"{name} is a binary file, no text: {controls} of its first {len(text):,} characters are "
            f"control characters. Its first bytes: {head[:12].hex(' ')}",
            "Give a csv, tsv, jsonl, parquet, arrow, conll or text file.",
        )


def _is_utf8(head: bytes) -> bool:
    """Whether bytes are UTF-8, the last character perhaps cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _refuse_narrow(name: str, head: bytes, encoding: str) -> None:
    """Refuses UTF-8 where two or four bytes a character are wanted.

    Raises:
        DataError: Names the encoding.
    """
    if (
        not codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
        or b"\0" in head
        or not head
    ):
        return
    if not _is_utf8(head):
        return
    raise DataError(
        f"{name} is not {encoding.upper()}: its first bytes are those of UTF-8.",
        "Set the source's encoding: utf-8.",
    )


def table_format(path: Path) -> str:
    """The format of a table by its first bytes: parquet, arrow; "" for any other file."""
    with path.open("rb") as stream:
        found = _signature(stream.read(_HEAD))
    return "" if found is None else _TABLES.get(found[0], "")


def check_table(path: Path, name: str, format_: str) -> None:
    """Refuses a file that is of another kind than the table's, by its first bytes.

    Args:
        path: The file.
        name: Its name in messages.
        format_: parquet or arrow.

    Raises:
        DataError: Names the kind.
    """
    with path.open("rb") as stream:
        found = _signature(stream.read(_HEAD))
    if found is not None and _TABLES.get(found[0]) != format_:
        error = _other_kind(path, name, found)
        if found[2]:  # another name would not help: what is packed cannot be read from all over it
            error.fix = f"Unpack it first: {format_} is packed inside, not as a whole."
        raise error


def refuse_packed(path: Path, name: str) -> None:
    """Refuses a file whose ending says nothing, where its first bytes say what it is.

    Raises:
        DataError: Names the kind, and what to do with it.
    """
    with path.open("rb") as stream:
        found = _signature(stream.read(_HEAD))
    if found is not None:
        raise _other_kind(path, name, found)


def zip_error(path: Path, name: str) -> DataError:
    """The error for a zip archive where a file with rows is needed: names what to take of it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [item.filename for item in archive.infolist() if not item.is_dir()]
    except (zipfile.BadZipFile, OSError):
        return DataError(f"{name} is a damaged zip archive.", "Fetch it again.")
    if "[Content_Types].xml" in names:
        kind = "an Excel workbook" if any(one.startswith("xl/") for one in names) else "a document"
        return DataError(f"{name} is {kind}, no text.", "Save the table as csv (UTF-8).")
    own = [one for one in names if not Path(one).name.startswith("._")] or names or ["FILE"]
    return DataError(
        f"{name} is a zip archive. It holds: {listed(own, 5)}.",
        f"Name the file in it: uri: {name}!/{own[0]}",
    )


def _signature(head: bytes) -> tuple[bytes, str, str, str] | None:
    if _HTML.match(head):
        fix = "Give the address of the file itself; a page that asks for a login looks so too."
        return b"", "a web page (HTML)", "", fix
    for entry in _SIGNATURES:
        if not head.startswith(entry[0]):
            continue
        # A text may begin with the letters ORC; in a binary file other bytes follow.
        letters = entry[0].isascii() and entry[0].isalnum()
        if not letters or any(byte < 9 for byte in head):
            return entry
    return None


def _other_kind(path: Path, name: str, found: tuple[bytes, str, str, str]) -> DataError:
    _, kind, ending, fix = found
    if kind == "zip":
        return zip_error(path, name)
    article = "an" if kind[0] in "AEIO" else "a"
    said = (
        f"{name} is {kind}"
        if kind.startswith(("a ", "an "))
        else f"{name} is {article} {kind} file"
    )
    shown = Path(name.removesuffix("?***")).name
    error = DataError(
        f"{said}, no text, by its first bytes.",
        f"Unpack it, or name it so that its ending says so: {shown}{ending}",
    )
    error.fix = fix or error.fix
    return error


def wide(head: bytes) -> str | None:
    """The encoding of two or four bytes a character that the first bytes speak for.

    Without a mark it is told by NUL bytes, which stand in one place of two or four: every character of
    Latin text has one, and in other scripts commas, digits and newlines do.
    """
    if (mark := next((kind for mark, kind in _MARKS if head.startswith(mark)), None)) is not None:
        return mark
    if head.count(0) < _NULS:
        return None
    for encoding, width in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        try:
            text = head[: len(head) // width * width].decode(encoding)
        except UnicodeDecodeError as error:
            if error.start < len(head) - 2 * width:  # else a character that the end cuts
                continue
            text = head[: error.start].decode(encoding)
        # Of a text in UTF-8 with a stray NUL, ideographs would come, and no line would end.
        ends = "\n" in text or "\r" in text or head.count(0) > _NUL_SHARE * len(head)
        if ends and all(_is_of_text(character) for character in text):
            return encoding
    return None


def _is_of_text(character: str) -> bool:
    return character in "\t\r\n" or unicodedata.category(character) not in _NO_TEXT
