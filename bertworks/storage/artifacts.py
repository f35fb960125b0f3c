"""Artifacts: folders that a step writes once and nobody changes.

A folder is written beside its final place and renamed into it, so that a reader sees all of it or
none of it. `manifest.json` lists every file with its size and sha256, the step that made it, and the
digests of the artifacts that it was made from; its own seal covers all that it says.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bertworks
from bertworks.errors import ArtifactError
from bertworks.storage import sealed
from bertworks.storage.replacing import named_place_fault, replacing

MANIFEST = "manifest.json"
_SHAPE = {
    "kind": str,
    "producer": str,
    "digest": str,
    "files": dict,
    "parents": dict,
    "metadata": dict,
}


@dataclass(frozen=True)
class Artifact:
    """An opened artifact.

    Attributes:
        path: The folder.
        kind: One of the kinds in docs/artifacts.md, for example "examples" or "bundle".
        producer: The step that wrote it.
        digest: sha256 over the sorted (file, sha256) table, without files of timings: equal content,
            equal digest.
        parents: Name to digest of the artifacts that it was made from.
        metadata: Small JSON facts that the producer noted.
    """

    path: Path
    kind: str
    producer: str
    digest: str
    parents: Mapping[str, str]
    metadata: Mapping[str, Any]

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def json(self, name: str) -> Any:
        """Reads a JSON file of the artifact."""
        return json.loads((self.path / name).read_text(encoding="utf-8"))


@contextlib.contextmanager
def write(
    path: str | os.PathLike[str],
    *,
    kind: str,
    producer: str,
    parents: Mapping[str, Artifact] | None = None,
    metadata: Mapping[str, object] | None = None,
    measured: Collection[str] = (),
) -> Iterator[Path]:
    """Yields a temporary folder beside `path`; seals it and renames it into place on success.

    The mapping given as `metadata` is read when the block ends, so a step may fill it as it goes. On any
    exception the temporary folder is removed and `path` is left as it was.

    Files named in `measured`, in whatever folder, hold what a clock said (how long, how fast). The
    manifest lists and guards them as it does the others, but the digest leaves them out: equal inputs
    give equal digests.

    Raises:
        EnvironmentFault: The disk is full or the folder cannot be written.
    """
    with replacing(path) as beside:
        beside.mkdir()
        yield beside
        _seal(beside, kind, producer, parents or {}, metadata or {}, measured)


def open_artifact(
    path: str | os.PathLike[str], kind: str | None = None, *, verify: bool = True
) -> Artifact:
    """Opens an artifact and checks that it is whole.

    Args:
        path: The folder.
        kind: The kind that the caller needs; any kind when None.
        verify: Also compare every file's sha256 with the manifest.

    Raises:
        ArtifactError: Missing, incomplete, of another kind, or changed since it was written.
    """
    folder = Path(path)
    again = f"Delete {folder} and run the spec again: the step that makes it is run anew."
    try:
        raw = (folder / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(f"{folder} is not an artifact: it has no {MANIFEST}.", again) from None
    except OSError as error:
        raise ArtifactError(f"{folder / MANIFEST} cannot be read: {error}.", again) from None
    manifest = sealed.read(raw, str(folder / MANIFEST), _SHAPE, again)
    files, found = manifest["files"], manifest["kind"]
    if kind is not None and found != kind:
        raise ArtifactError(
            f"{folder} holds an artifact of kind {found!r}, where {kind!r} is needed.",
            f"Give the path of the {kind} artifact.",
        )
    if not all(map(_is_entry, files, files.values())) or digest_of(files) != manifest["digest"]:
        raise ArtifactError(f"{folder / MANIFEST} was changed after it was written.", again)
    for name, entry in files.items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != entry["bytes"]:
            size = f"{file.stat().st_size} bytes" if file.is_file() else "no file"
            raise ArtifactError(
                f"{file} is damaged: the manifest says {entry['bytes']} bytes, found {size}.", again
            )
        if verify and (actual := sha256_of(file)) != entry["sha256"]:
            raise ArtifactError(
                f"{file} is damaged: the manifest says sha256 {entry['sha256'][:12]}…, "
                f"found {actual[:12]}….",
                again,
            )
    return Artifact(
        path=folder,
        kind=found,
        producer=manifest["producer"],
        digest=manifest["digest"],
        parents=manifest["parents"],
        metadata=manifest["metadata"],
    )


def copy_artifact(artifact: Artifact, path: str | os.PathLike[str]) -> None:
    """Copies an artifact's folder to a path that the user named, in one piece, over what is there.

    Raises:
        EnvironmentFault: The disk is full or the folder cannot be written.
    """
    with replacing(path, fault=named_place_fault) as beside:
        shutil.copytree(artifact.path, beside)


def sha256_of(file: str | os.PathLike[str]) -> str:
    """The sha256 of a file, as 64 hex digits, read in 1 MiB blocks."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of(files: Mapping[str, Mapping[str, Any]]) -> str:
    """The digest of a manifest's table of files: independent of where and when it was written."""
    table = sorted(
        (name, entry["sha256"]) for name, entry in files.items() if not entry.get("measured")
    )
    return hashlib.sha256(json.dumps(table).encode()).hexdigest()


def write_json(file: str | os.PathLike[str], value: Any) -> None:
    """Writes JSON beside `file` and renames it into place, with sorted keys and a final newline."""
    with replacing(file) as beside:
        beside.write_bytes(json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """JSON as this project's files have it: sorted keys, indented, a final newline, UTF-8."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _seal(
    folder: Path,
    kind: str,
    producer: str,
    parents: Mapping[str, Artifact],
    metadata: Mapping[str, object],
    measured: Collection[str],
) -> None:
    found = {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}
    files = {name: _entry(file, file.name in measured) for name, file in sorted(found.items())}
    manifest = {
        "bertworks": bertworks.__version__,
        "kind": kind,
        "producer": producer,
        "parents": {name: parent.digest for name, parent in parents.items()},
        # As it will be read again: JSON knows no tuples and no keys but texts.
        "metadata": json.loads(json.dumps(dict(metadata))),
        "digest": digest_of(files),
        "files": files,
    }
    write_json(folder / MANIFEST, sealed.seal(manifest))


def _entry(file: Path, measured: bool) -> dict[str, int | str | bool]:
    """A file's line in the table of files."""
    size, digest = file.stat().st_size, sha256_of(file)
    return {"bytes": size, "sha256": digest, **({"measured": True} if measured else {})}


def _is_entry(name: str, entry: Any) -> bool:
    """Whether a line of the table of files is one, and stays within the folder."""
    inside = not Path(name).is_absolute() and ".." not in Path(name).parts
    kinds = isinstance(entry, dict) and isinstance(entry.get("bytes"), int)
    return inside and kinds and isinstance(entry.get("sha256"), str)
