"""The folder of an audit log: numbered files, and beside each finished one its head."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from bertworks.errors import ArtifactError
from bertworks.serving.audit import chain
from bertworks.serving.audit.chain import Broken, Verified
from bertworks.storage.replacing import replacing

_NAME = re.compile(r"audit-(\d{6})\.jsonl")
LOCK = "audit.lock"


@dataclass(frozen=True)
class Checked:
    """A log that is whole.

    Attributes:
        files: How many were verified.
        first: Number of the first; those before it are not here.
        found: What is in them.
    """

    files: int
    first: int
    found: Verified


def path_of(folder: Path, number: int) -> Path:
    """The file of that number, from 1."""
    return folder / f"audit-{number:06d}.jsonl"


def head_of(file: Path) -> Path:
    """Where the head of a finished file is kept."""
    return file.with_suffix(".head")


def numbers(folder: Path) -> list[int]:
    """The files that there are, in order."""
    found = (_NAME.fullmatch(file.name) for file in folder.iterdir())
    return sorted(int(one[1]) for one in found if one)


def finish(file: Path, head: str) -> None:
    """Keeps the head of a file to which nothing will be added."""
    with replacing(head_of(file), durable=True) as beside:
        beside.write_text(json.dumps({"bytes": file.stat().st_size, "head": head}) + "\n")


def verify(path: Path, head: str | None = None) -> Checked:
    """Checks a log: a folder of files, or one file of it.

    Args:
        path: Where it is.
        head: A head that was told before; it must be the hash of a line.

    Raises:
        ArtifactError: A line does not fit: names the first, its file and the rule. Or a file is missing,
            or the head is of no line.
    """
    folder = path if path.is_dir() else path.parent
    present = numbers(folder) if folder.is_dir() else []
    wanted = present if path.is_dir() else [one for one in present if path_of(folder, one) == path]
    if not wanted:
        raise ArtifactError(
            f"{path} is no audit log: there is no file audit-NUMBER.jsonl.",
            "Name the folder that the server was given with --audit, or one of its files.",
        )
    total = Verified(chain.NONE)
    before = chain.NONE if wanted[0] == 1 else None
    heads: set[str] = set()
    for place, number in enumerate(wanted):
        if number != wanted[0] + place:
            raise ArtifactError(
                f"{path_of(folder, wanted[0] + place)} is missing: the files around it are there.",
                "Get it from a backup; without it nobody can tell what it said.",
            )
        file = path_of(folder, number)
        found = _verify_file(file, before, heads if head else None)
        _check_head(file, found, heads)
        before = found.head
        total = Verified(
            found.head, total.lines + found.lines, total.torn + found.torn,
            total.answers + found.answers,
        )  # fmt: skip
    if head and head not in heads:
        raise ArtifactError(
            f"{path}: no line has the SHA-256 {head[:12]}…: lines are missing at the end, or the log "
            "was written anew.",
            "Get it from a backup.",
        )
    return Checked(len(wanted), wanted[0], total)


def _verify_file(file: Path, before: str | None, heads: set[str] | None) -> Verified:
    try:
        with file.open("rb") as opened:
            if heads is None:
                return chain.verify(opened, before)
            lines = list(opened)
            heads.update(chain.digest(line.removesuffix(b"\n")) for line in lines)
            return chain.verify(lines, before)
    except Broken as error:
        raise ArtifactError(
            f"{file}, line {error.line}: {error.rule}.",
            "All up to two lines before it is as it was written; get the rest from a backup, or start "
            "the server once where the last line alone is torn.",
        ) from None
    except OSError as error:
        raise ArtifactError(f"{file} cannot be read: {error.strerror}.", "Mend that.") from None


def _check_head(file: Path, found: Verified, heads: set[str]) -> None:
    kept = head_of(file)
    if not kept.exists():
        return
    try:
        told = json.loads(kept.read_text())["head"]
    except (OSError, ValueError, TypeError, KeyError):
        told = None
    if told != found.head:
        raise ArtifactError(
            f"{file} does not end as {kept.name} says: lines were taken from its end, or added.",
            "Get both from a backup.",
        )
