"""A new bundle is loaded beside the old one, and must prove itself before it may answer anybody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from bertworks import memory
from bertworks.contracts.agent import AGENT, AgentRecord
from bertworks.errors import ArtifactError
from bertworks.runtime import known
from bertworks.serving.identity import Located
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.spec.upgrades import Follow

Reason = Literal["gates", "damaged", "task", "labels", "memory", "load", "answers"]
WORKING = 4
"""Times a bundle's files that it takes while it loads: the graph read, rewritten and packed, and a
second time for rows side by side. A float32 bundle of 86 MiB kept 195 and took 455 at its peak."""
OVERHEAD = 48 * 2**20
"""Bytes beside that, for the engine's own and the first passes."""
Load = Callable[[Located], LoadedBundle]


class BundleRefused(Exception):
    """A bundle that does not answer.

    Attributes:
        reason: One word, for the log and the meters.
        passing: Whether it may be taken another time as it is: what refused it is the machine's.
    """

    def __init__(self, reason: Reason, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.reason, self.passing = reason, passing


def admit(
    located: Located,
    champion: AgentRecord,
    load: Load,
    rules: Follow,
    available: Callable[[], int | None] = memory.available_bytes,
) -> LoadedBundle:
    """Loads a bundle beside the champion, warms it, and tries it.

    Args:
        located: The bundle on this machine; every file's sha256 was checked.
        champion: What the one that serves says of itself.
        load: Loads and warms it; raises ArtifactError where it cannot be.
        rules: The spec's.
        available: Bytes that may be taken.

    Raises:
        BundleRefused: It must not replace the champion, nor be tried beside it.
    """
    try:
        info = AGENT.read(located.folder)
    except ArtifactError as error:
        raise BundleRefused("damaged", error.message) from None
    _check_kind(info, champion, rules)
    _check_room(located.folder, rules, available)
    try:
        bundle = load(located)
    except ArtifactError as error:
        raise BundleRefused("load", error.message) from None
    except MemoryError:
        raise BundleRefused("memory", "There was no memory to load it.", passing=True) from None
    try:
        known.check(bundle.agent, located.folder)
    except ArtifactError as error:
        bundle.close()
        raise BundleRefused("answers", error.message) from None
    return bundle


def _check_kind(info: AgentRecord, champion: AgentRecord, rules: Follow) -> None:
    if rules.other_labels:
        return
    allow = "serve.follow.other_labels allows that"
    if not info.task.like(champion.task):
        raise BundleRefused(
            "task",
            f"It does another task ({_task(info)}) than the champion ({_task(champion)}); {allow}.",
        )
    if set(info.labels) != set(champion.labels):
        gone = sorted(set(champion.labels) - set(info.labels))
        new = sorted(set(info.labels) - set(champion.labels))
        raise BundleRefused(
            "labels",
            f"Its labels are not the champion's: it lacks {_some(gone)}, and has {_some(new)} "
            f"besides; {allow}.",
        )


def _check_room(folder: Path, rules: Follow, available: Callable[[], int | None]) -> None:
    free = available()
    if free is None:
        return
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    needed = WORKING * size + OVERHEAD + int(rules.spare_mb * 2**20)
    if free < needed:
        raise BundleRefused(
            "memory",
            f"It needs {needed >> 20} MiB to be loaded beside the champion, {free >> 20} MiB are free.",
            passing=True,
        )


def _task(info: AgentRecord) -> str:
    return f"{info.task.kind.name} of rows as {info.task.form}"


def _some(labels: list[str]) -> str:
    if not labels:
        return "none"
    more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
    return ", ".join(f"{label[:40]!r}" for label in labels[:3]) + more
