"""Files inside archives, copied out in blocks. Member names are never used as paths on disk."""

from __future__ import annotations

import fnmatch
import lzma
import posixpath
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bertworks.errors import SourceError

_BLOCK = 1 << 20
_LONGEST_LINK = 4096  # characters of a path
_LONGEST_CHAIN = 8  # links to links
RATIO = 100
"""How much larger than its archive what is taken out of it may be: text shrinks to a tenth or so."""
LEAST = 64_000_000
"""Bytes that may be taken out of any archive, however small."""


class MissingMember(SourceError):
    """The archive or folder holds no such file."""


def extract(archive: Path, pattern: str, into: Path, shown: str) -> list[tuple[str, Path]]:
    """Copies the members that match `pattern` into numbered files under `into`.

    Args:
        archive: A zip (wheel) or a tar, compressed or not.
        pattern: A member's path, or a glob. The archive's single top folder (as in source archives
            and npm packages) may be left out.
        into: A folder to write to.
        shown: The archive's name in messages.

    Returns:
        (member name, file) in the order of names.

    Raises:
        MissingMember: Nothing matches; names the nearest members.
        SourceError: The file is no archive, is damaged, locked or packed in an unknown way, or unfolds
            to more than its size explains.
    """
    room = room_for(archive)
    into.mkdir(parents=True, exist_ok=True)
    try:
        with _opened(archive, shown) as (names, links, read):
            members = _members(names, links, pattern, shown)
            found = []
            for number, member in enumerate(members):
                target = into / f"{number:05d}{Path(member).suffix[:12]}"
                with read(links.get(member, member)) as stream, target.open("wb") as out:
                    while block := stream.read(_BLOCK):
                        room -= len(block)
                        if room < 0:
                            raise too_large(archive, shown)
                        out.write(block)
                found.append((member, target))
            return found
    except NotImplementedError as error:
        raise SourceError(
            f"{shown} is packed in a way that Python does not read: {error}.",
            "Unpack it with the program that made it and name the files, or pack it as an ordinary zip.",
        ) from None
    except RuntimeError as error:  # how zipfile says that it wants a password
        raise SourceError(
            f"{shown} is locked: {error}.",
            "Unpack it with its password, and name the files instead.",
        ) from None
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, not the archive's
        raise SourceError(
            f"{shown} is a damaged archive: {error}.", "Fetch it again and compare its sha256."
        ) from None


_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, struct.error, OSError,
    ValueError,
)  # fmt: skip


def room_for(packed: Path) -> int:
    """Bytes that may be taken out of a packed file."""
    return max(LEAST, RATIO * packed.stat().st_size)


def too_large(packed: Path, shown: str) -> SourceError:
    """The error for a packed file that unfolds to more than its size explains."""
    return SourceError(
        f"{shown} has {packed.stat().st_size:,} bytes, and more than {room_for(packed):,} come out of "
        "it: that is no text, or made to fill the disk.",
        "If it is meant to, unpack it yourself and name the files instead.",
    )


@contextmanager
def _opened(archive: Path, shown: str) -> Iterator[tuple[list[str], dict[str, str], Any]]:
    """Yields the names of the regular files, links to what they point to, and how to open a file."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            items = [item for item in bundle.infolist() if not item.is_dir()]
            links = {
                item.filename: _beside(item.filename, bundle.read(item).decode("utf-8", "replace"))
                for item in items
                if stat.S_ISLNK(item.external_attr >> 16) and item.file_size <= _LONGEST_LINK
            }
            names = [item.filename for item in items if item.filename not in links]
            yield names, _followed(links, names), bundle.open
        return
    if not tarfile.is_tarfile(archive):
        raise SourceError(
            f"{shown} is neither a zip nor a tar archive, or is damaged.",
            "Use `!/` and inner paths only behind archives.",
        )
    with tarfile.open(archive) as tar:
        everything = list(tar)
        members = {item.name: item for item in everything if item.isfile()}
        links = {
            item.name: _beside(item.name, item.linkname) if item.issym() else item.linkname
            for item in everything
            if item.issym() or item.islnk()
        }

        def read(name: str) -> IO[bytes]:
            stream = tar.extractfile(members[name])
            assert stream is not None  # only regular files are listed
            return stream

        yield list(members), _followed(links, list(members)), read
        # gzip's checksum stands behind all the members: only who reads to the end notices damage.
        while tar.fileobj is not None and tar.fileobj.read(_BLOCK):
            pass


def _beside(name: str, target: str) -> str:
    """Where a symbolic link points to, from the archive's root."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target))


def _followed(links: dict[str, str], names: list[str]) -> dict[str, str]:
    """Links to the files behind links."""
    found = {}
    for name, target in links.items():
        for _ in range(_LONGEST_CHAIN):
            if target in names or target not in links:
                break
            target = links[target]
        found[name] = target
    return found


def _members(names: list[str], links: dict[str, str], pattern: str, shown: str) -> list[str]:
    """The files that match, and links to files of the archive that do not match themselves.

    Raises:
        MissingMember: Nothing matches.
        SourceError: A link that points to nothing in the archive.
    """
    whole = [name for name, target in links.items() if target in names]
    found = _matching([*names, *whole], pattern)
    if double := next((name for name in found if names.count(name) > 1), None):
        raise SourceError(
            f"{shown} holds {names.count(double)} files of the name {double}; only one can be read.",
            "Pack it again with a file of each name.",
        )
    if found:
        return [name for name in found if links.get(name) not in found]
    if broken := _matching(list(links), pattern):
        first = broken[0]
        raise SourceError(
            f"{shown} holds {first} only as a link to {links[first]!r}, which is no file in it.",
            "Pack what links point to (tar -h, zip without -y), or name the file itself.",
        )
    raise MissingMember(f"{shown} holds no file {pattern!r}.", _nearest(names, pattern, shown))


def _matching(names: list[str], pattern: str) -> list[str]:
    tops = {name.removeprefix("./").partition("/")[0] for name in names}
    top = f"{next(iter(tops))}/" if len(tops) == 1 else ""
    for wanted in (pattern, top + pattern, f"./{pattern}"):
        if wanted in names:
            return [wanted]
    # What macOS keeps beside a file is hidden, as such files are from a shell's globs.
    shown = [name for name in names if not posixpath.basename(name).startswith("._")]
    for glob in (pattern, pattern.replace("[", "[[]")):  # a bracket may belong to a name
        found = sorted(
            name for name in (names if posixpath.basename(pattern).startswith("._") else shown)
            if fnmatch.fnmatchcase(name, glob) or fnmatch.fnmatchcase(name, top + glob)
        )  # fmt: skip
        if found:
            return found
    return []


def _nearest(names: list[str], pattern: str, shown: str) -> str:
    import difflib

    if not names:
        return f"{shown} holds no files at all: pack it again."
    last = pattern.rsplit("/", 1)[-1]
    near = [name for name in names if name.endswith("/" + last)][:3]
    near = near or difflib.get_close_matches(pattern, names, n=3, cutoff=0.3) or sorted(names)[:3]
    return f"Take one of the files that are there, for example: {', '.join(near)}."
