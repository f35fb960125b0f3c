"""What differs between object stores and file systems behind fsspec."""

from __future__ import annotations

import uuid
from typing import Any

# Here an object is put whole or not at all, there are no folders, and making one makes the bucket.
OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "memory"}


def is_object_store(files: Any) -> bool:
    """Whether a file system of fsspec is an object store."""
    protocols = (files.protocol,) if isinstance(files.protocol, str) else files.protocol
    return not OBJECT_STORES.isdisjoint(protocols)


def make_folder(files: Any, path: str) -> None:
    """Makes a folder and those above it, where there are folders."""
    if not is_object_store(files):
        files.makedirs(path, exist_ok=True)


def put_whole(files: Any, path: str, value: bytes) -> None:
    """Puts a small file into place: readers see all of the old one or all of the new one.

    By hand, since `replacing` knows paths alone; fsspec's transactions rename only where it is a disk.
    """
    if is_object_store(files):
        files.pipe_file(path, value)
        return
    folder, _, name = path.rpartition("/")
    beside = f"{folder}/.{name}.{uuid.uuid4().hex[:8]}.partial"
    files.pipe_file(beside, value)
    files.mv(beside, path)
