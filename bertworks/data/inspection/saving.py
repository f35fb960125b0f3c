"""Writes the spec of an inspection, once it was read and checked as any other spec is."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from bertworks.data.inspection.content import Composed
from bertworks.data.inspection.writing import heading, to_yaml
from bertworks.errors import DataError, EnvironmentFault, SpecError
from bertworks.spec import file as spec_file
from bertworks.storage import temporary


def refuse_existing(out: Path) -> None:
    """Refuses to write where something is.

    Raises:
        SpecError: There is a file.
    """
    if os.path.lexists(out):
        raise SpecError(
            f"{out} is there already, and is never overwritten.",
            f"Name another file: -o {_free(out)}",
        )


def _free(out: Path) -> Path:
    """A name beside it that is free."""
    number = 2
    while os.path.lexists(free := out.with_name(f"{out.stem}-{number}{out.suffix or '.yaml'}")):
        number += 1
    return free


def was_written_by(command: str, out: Path) -> bool:
    """Whether `save` wrote this spec for the same command, whatever was changed below its heading."""
    expected = heading(_head(command, out)[:1])
    try:
        with out.open(encoding="utf-8") as stream:
            return [line.rstrip("\r\n") for line in islice(stream, len(expected))] == expected
    except (OSError, UnicodeDecodeError):
        return False


def _head(command: str, out: Path) -> tuple[str, str]:
    return (
        f"Written by `{command}`. Each value has its reason above it.",
        f"Run it: bertworks run {out.name}. All other settings: bertworks spec explain {out.name}",
    )


def save(found: Composed, out: Path, command: str) -> str:
    """Writes the spec; returns its text.

    Args:
        found: What was found out.
        out: A file that is not there.
        command: How it came to be, for its first line.

    Raises:
        SpecError: It is no spec that loads, or the file is there.
        DataError: A name in it is no text.
        EnvironmentFault: The file cannot be written.
    """
    shown = out.name
    text = to_yaml(found.content, found.decisions, _head(command, out))
    try:
        written = text.encode("utf-8")
    except UnicodeEncodeError:
        raise DataError(
            "The name of a file or of a column is not UTF-8, which a spec must be.",
            "Rename it.",
        ) from None
    with temporary.scratch() as folder:
        (folder / shown).write_bytes(written)
        spec_file.load(folder / shown)
    try:
        with out.open("xb") as stream:
            stream.write(written)
    except FileExistsError:
        refuse_existing(out)
        raise
    except OSError as error:
        raise EnvironmentFault(
            f"{out} cannot be written: {error.strerror}.", "Name a file in a folder that is yours."
        ) from None
    return text
