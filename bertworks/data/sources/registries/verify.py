"""Whether a download is what its registry announced, and which versions are near a missing one."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from bertworks.errors import SourceError

_BLOCK = 1 << 20
_STRONG = ("sha512", "sha384", "sha256", "sha3_256", "blake2b", "sha224", "sha1", "md5")


def check(what: str, file: Path, hashes: Mapping[str, str]) -> None:
    """Compares a file with the strongest of the hashes that its registry told.

    Args:
        what: For the message.
        file: The download; deleted when it is another file.
        hashes: Algorithm to hex digest; unknown algorithms are passed over.

    Raises:
        SourceError: It is not the announced file.
    """
    algorithm = next((name for name in _STRONG if name in hashes), None)
    if algorithm is None:
        return
    expected, actual = hashes[algorithm].lower(), hashlib.new(algorithm, usedforsecurity=False)
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            actual.update(block)
    if actual.hexdigest() == expected:
        return
    size = file.stat().st_size
    file.unlink()
    raise SourceError(
        f"{what} is not the file that its index announces (truncated, or changed on the way): "
        f"expected {algorithm} {expected}, got {actual.hexdigest()} ({size} bytes).",
        "The download was deleted: run again. If it comes again, a mirror or proxy changes files.",
    )


def integrity_hashes(integrity: str) -> dict[str, str]:
    """npm's integrity ("sha512-BASE64 sha1-BASE64?options") as algorithm to hex digest."""
    found = re.findall(r"(sha\d+)-([A-Za-z0-9+/]+=*)", integrity)
    return {algorithm: base64.b64decode(digest).hex() for algorithm, digest in found}


def nearest(version: str, known: Collection[str], count: int = 4) -> list[str]:
    """The versions beside a missing one in their order, and the newest."""
    ordered = sorted(known, key=_order)
    place = sum(_order(one) < _order(version) for one in ordered)
    start = max(0, min(place - count // 2, len(ordered) - count))
    near = ordered[start : start + count]
    return near if not ordered or ordered[-1] in near else [*near, ordered[-1]]


def _order(version: str) -> tuple[tuple[int, int, str], ...]:
    """Numbers by value and above words: 1.10 is above 1.9, and 1.0 above 1.0rc1."""
    parts = re.findall(r"\d+|[A-Za-z]+", version)
    words = [(1, int(one), "") if one.isdigit() else (-1, 0, one) for one in parts]
    return (*words, (0, 0, ""))
