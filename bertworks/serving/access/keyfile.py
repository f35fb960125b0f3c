"""The keys of a server: a file, or a folder of files as Kubernetes mounts a Secret.

The file is looked at whenever a key is asked for: a call of the system each time, and what was revoked
is refused by the next request. A file that is being mended and cannot be read leaves the keys as they
were, and says so; one that is gone leaves none.
"""

from __future__ import annotations

import contextlib
import json
import stat
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bertworks.errors import BertworksError, EnvironmentFault
from bertworks.serving.access import keys
from bertworks.serving.access.keys import Key
from bertworks.storage.locks import lock
from bertworks.storage.replacing import named_place_fault, replacing

FORMAT = 1
LOCK_SECONDS = 10.0
_FIX = "Make it with `bertworks keys create`, or mend it; keys are told from the rest by their id."

Seen = tuple[tuple[str, int, int, int], ...]


class KeyFile:
    """Keys that are read again when their file changes.

    Args:
        path: A file, or a folder all of whose files ending in .json are read.
        tell: Is told, once for each change, that the file cannot be read.

    Raises:
        EnvironmentFault: It is not there, or is no file of keys.
    """

    def __init__(self, path: Path, tell: Callable[[str], None] = lambda message: None) -> None:
        self.path, self._tell = path, tell
        self._seen = _look(path)
        if not self._seen and not path.is_dir():
            raise EnvironmentFault(
                f"{path} is not there, where the keys are to be.",
                f"Make a key with `bertworks keys create NAME --file {path}`.",
            )
        self._keys = read(path)

    def __len__(self) -> int:
        return len(self.all())

    def all(self) -> Mapping[str, Key]:
        """The keys by their id, as they are now."""
        seen = _look(self.path)
        if seen != self._seen:
            self._seen = seen
            try:
                self._keys = read(self.path) if seen else {}
            except (BertworksError, OSError) as error:
                said = error.message if isinstance(error, BertworksError) else str(error)
                self._tell(f"{said} The {len(self._keys)} keys from before stay.")
        return self._keys

    def find(self, token: str, now: datetime) -> Key | None:
        """The key that a token is, if it is one and good at that time."""
        parsed = keys.parse(token)
        found = self.all().get(parsed[0]) if parsed else None
        return found if parsed and found and found.fits(parsed[1], now) else None


def read(path: Path) -> dict[str, Key]:
    """The keys of a file or folder by their id.

    Raises:
        EnvironmentFault: A file is no file of keys, may be written by anybody, or repeats an id.
    """
    found: dict[str, Key] = {}
    for file in _files(path):
        if file.stat().st_mode & 0o002:
            raise EnvironmentFault(
                f"{file} can be written by everybody on this machine, who could add keys.",
                f"chmod 600 {file}",
            )
        for record in _records(file):
            try:
                key = Key.from_json(record)
            except (ValueError, TypeError) as error:
                raise EnvironmentFault(f"{file}: {error}.", _FIX) from None
            if key.id in found:
                raise EnvironmentFault(f"{file}: the key {key.id} is there twice.", _FIX)
            found[key.id] = key
    return found


@contextlib.contextmanager
def changing(path: Path) -> Iterator[dict[str, Key]]:
    """The keys of a file to change; they are written when the block ends well. Others wait meanwhile.

    Args:
        path: The file; it and its folder are made when needed, for the owner alone (0600).

    Raises:
        EnvironmentFault: It cannot be read or written, or another holds it for too long.
    """
    if path.is_dir():
        raise EnvironmentFault(
            f"{path} is a folder: keys are changed in a file.",
            f"Name the file, such as {path / 'keys.json'}; a Secret is made anew from it.",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock(path.with_name(f".{path.name}.lock"), LOCK_SECONDS):
            found = read(path) if path.exists() else {}
            yield found
            with replacing(path, durable=True, fault=named_place_fault) as beside:
                text = json.dumps(
                    {"format": FORMAT, "keys": [key.to_json() for key in found.values()]}, indent=1
                )
                beside.touch(mode=0o600)
                beside.write_text(f"{text}\n", encoding="utf-8")
    except TimeoutError:
        raise EnvironmentFault(
            f"Another program has been changing {path} for {LOCK_SECONDS:g} s.", "Try again later."
        ) from None
    except OSError as error:
        raise named_place_fault(error, path) from error


def now() -> datetime:
    """The time, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if path.exists() else []
    # Kubernetes' own entries begin with two dots; what is shown are links through them.
    return sorted(file for file in path.glob("*.json") if not file.name.startswith("."))


def _look(path: Path) -> Seen:
    """What tells whether the files have changed; links are followed. One call for a lone file."""
    try:
        state = path.stat()
    except OSError:
        return ()
    if not stat.S_ISDIR(state.st_mode):
        return ((path.name, state.st_ino, state.st_mtime_ns, state.st_size),)
    seen: list[tuple[str, int, int, int]] = []
    with contextlib.suppress(OSError):
        for file in _files(path):
            with contextlib.suppress(OSError):
                state = file.stat()
                seen.append((file.name, state.st_ino, state.st_mtime_ns, state.st_size))
    return tuple(seen)


def _records(file: Path) -> list[Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise EnvironmentFault(f"{file} is no JSON: {error}.", _FIX) from None
    except OSError as error:
        raise EnvironmentFault(f"{file} cannot be read: {error.strerror}.", _FIX) from None
    records = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        raise EnvironmentFault(f'{file} must be {{"format": 1, "keys": [...]}}.', _FIX)
    if value.get("format") != FORMAT:
        raise EnvironmentFault(
            f"{file} has the format {value.get('format')!r}; this version reads {FORMAT}.",
            "Read it with the version of bertworks that wrote it.",
        )
    return records
