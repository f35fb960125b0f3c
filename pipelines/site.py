"""Where a DAG runs: all in which this machine and a cluster differ.

On this machine the steps run here and now: all that they read beside their inputs (the content of
files, the champion, the code) is looked at beforehand and stands in their sections, so that a cache
which is keyed by these is right. On a cluster only the pods see the store and the volume, and the
images' tag tells the code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bertworks.spec import AgentSpec
from bertworks.spec.file import SpecFile

if TYPE_CHECKING:
    from pipelines.box import Box
    from pipelines.dag import AnyDag

REPOSITORY = Path(__file__).resolve().parent.parent
CODE_ENDINGS = (".py", ".j2", ".css")
"""Endings of what a step's result depends on: modules, and the templates and styles of its page."""


@dataclass(frozen=True)
class Site:
    """What boxes ask of the place where they run.

    Attributes:
        store: URI or path of the model store, as the steps see it.
        fingerprints: Of each source's content, from `bertworks.data.sources`: new data breaks the cache.
        folder: What relative paths of the spec start from, as the steps see it.
        baseline: The statistics that `validate.baseline: auto` stands for.
        champion: The digest of the version that serves, as far as it can be known beforehand: a gate
            that compares with it must not reuse an old answer.
        foreseen: Whether all that steps read beside their inputs is in their sections.
        deploys: Whether an agent is deployed where the spec says so.
    """

    store: str = ""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    folder: str = "."
    baseline: str = "none"
    champion: str | None = None
    foreseen: ClassVar[bool]
    deploys: ClassVar[bool]

    def seen(self, path: str) -> str:
        """A path of the spec as the steps see it."""
        raise NotImplementedError

    def stamp(self, box: Box) -> dict[str, str]:
        """What tells the code that the box will run, beyond the package's version."""
        raise NotImplementedError

    def equip(self, task: Any, box: Box, dag: AnyDag) -> None:
        """Gives the KFP task of a box what its process needs there."""
        raise NotImplementedError


class Laptop(Site):
    """This machine."""

    foreseen = True
    deploys = False

    @classmethod
    def of(
        cls,
        loaded: SpecFile,
        store: str,
        fingerprints: Mapping[str, str] | None = None,
        baseline: str = "none",
    ) -> Laptop:
        """This machine, for a spec that was read here."""
        champion = _champion(store, loaded.spec) if loaded.spec.gates.beat_champion else None
        return cls(store, fingerprints or {}, str(loaded.folder), baseline, champion)

    def seen(self, path: str) -> str:
        """As it is, from the spec's folder on."""
        return str(Path(self.folder) / path)

    def stamp(self, box: Box) -> dict[str, str]:
        """A fingerprint of the code, as it may change between two runs."""
        return {"code": code_fingerprint(box.step)}

    def equip(self, task: Any, box: Box, dag: AnyDag) -> None:
        """Nothing: pods' settings mean nothing here. A retry would only repeat a failure, and change
        the cache's key."""


class Kubeflow(Site):
    """Pods, which alone see the store and the volume."""

    foreseen = False
    deploys = True

    def seen(self, path: str) -> str:
        """As it is: only paths that pods see are let through."""
        return path

    def stamp(self, box: Box) -> dict[str, str]:
        """Nothing: the image's tag tells it."""
        return {}

    def equip(self, task: Any, box: Box, dag: AnyDag) -> None:
        """Image, resources, nodes, retries, environment, volumes and labels."""
        from pipelines.resources import apply_resources

        apply_resources(task, box, dag)


class InDialogue(Kubeflow):
    """Pods of an agent that is made for a dialogue: with that it is served, and not by itself."""

    deploys = False


def _champion(store: str, spec: AgentSpec) -> str | None:
    from bertworks.storage.store import Store

    champion = Store(store).champion(spec.name)
    return None if champion is None else champion.digest


def code_fingerprint(step: str) -> str:
    """Of the library and of one step, with what they are run with."""
    steps = REPOSITORY / "components"
    total = hashlib.sha256()
    for place in (
        REPOSITORY / "bertworks",
        steps / step,
        steps / "launch.py",
        steps / "shown.py",
        REPOSITORY / "requirements/runtime.txt",
    ):
        total.update(code_of(place).encode())
    return total.hexdigest()[:32]


@cache
def code_of(place: Path) -> str:
    """The hash of a folder's code, or of one file; of nothing where it was not installed."""
    if not place.is_dir():
        return hashlib.sha256(place.read_bytes()).hexdigest() if place.exists() else ""
    folder, total = place, hashlib.sha256()
    for file in sorted(one for one in folder.rglob("*") if one.suffix in CODE_ENDINGS):
        total.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()
