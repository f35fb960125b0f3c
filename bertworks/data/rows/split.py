"""Content ids, and the split that a content belongs to for ever."""

from __future__ import annotations

import hashlib

SPLITS = ("train", "validation", "test")


def content_id(*parts: str) -> str:
    """16 hex digits: BLAKE2b of the cleaned content (texts without NUL, in order)."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()


def split_of(identity: str, salt: str, validation: float, test: float) -> str:
    """The split of a content: a function of its id alone, so that more data moves no row.

    Args:
        identity: The content id.
        salt: Another salt is another assignment.
        validation: Share of validation, 0..1.
        test: Share of test, 0..1.
    """
    digest = hashlib.blake2b(f"{salt}\n{identity}".encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "big") / 2**64
    if place < test:
        return "test"
    return "validation" if place < test + validation else "train"
