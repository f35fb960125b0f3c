"""Which bundle a server answers from, and where that bundle is found.

A server on a cluster names its bundle by store, agent, version and digest. All four are checked before
it loads: a version that was refused, damaged, or replaced under the same number does not serve.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bertworks.contracts.decision import Decision
from bertworks.errors import ArtifactError, GateRefused
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.storage.store import PASSED, REFUSED, Store, Version


@dataclass(frozen=True)
class Kept:
    """A model store, and what it calls an agent."""

    store: Store
    name: str


@dataclass(frozen=True)
class BundleIdentity:
    """What a server says about its bundle.

    Attributes:
        digest: Of the bundle artifact.
        version: Number in the model store; None where the bundle is a lone folder.
        created: When the version was registered, seconds since 1970; None where that is unknown.
        kept: Where its version is kept; None: nowhere that is known.
        latency_limit: What the gates allowed one row at p95, in seconds; None: no such gate.
    """

    digest: str
    version: int | None = None
    created: float | None = None
    latency_limit: float | None = None
    kept: Kept | None = field(default=None, compare=False, repr=False)

    @property
    def served(self) -> str:
        """The version in the V2 protocol's words: its number, or the digest's beginning."""
        return self.digest[:12] if self.version is None else str(self.version)


@dataclass(frozen=True)
class Located:
    """A bundle on this machine. `store` keeps a bucket's copy alive."""

    folder: Path
    identity: BundleIdentity
    store: Store | None = None


def in_folder(folder: Path, digest: str | None = None) -> Located:
    """A bundle in a folder, such as /mnt/models.

    Args:
        folder: The bundle artifact.
        digest: What its digest must be; None: any.

    Raises:
        ArtifactError: Not a bundle, damaged, or another one than `digest` says.
    """
    bundle = open_artifact(folder, "bundle")
    _check_digest(bundle, digest)
    return Located(folder, BundleIdentity(bundle.digest))


def in_store(uri: str, name: str, number: int, digest: str | None = None) -> Located:
    """A version in a model store; a bucket's is copied to this machine.

    Args:
        uri: URI or path of the store.
        name: The agent.
        number: Its version.
        digest: What the bundle's digest must be; None: what the store's record says.

    Raises:
        GateRefused: The version did not pass its gates.
        ArtifactError: There is no such version, it is damaged, or it is another one.
    """
    store = Store(uri)
    version = store.show(name, number)
    if version.state == REFUSED:
        raise GateRefused(
            f"{name} version {number} was refused by its gates: {version.reasons}.",
            "Deploy a version that passed; `bertworks models list` shows which did.",
        )
    if version.state != PASSED:
        raise ArtifactError(
            f"{name} version {number} in {uri} is {version.state}.",
            "Deploy a version that passed; `bertworks models list` shows which did.",
        )
    return in_version(store, version, digest)


def in_version(store: Store, version: Version, digest: str | None = None) -> Located:
    """A version of a store, whether or not it passed its gates.

    Args:
        store: The store.
        version: One of its versions.
        digest: What the bundle's digest must be; None: what the store's record says.

    Raises:
        ArtifactError: It is damaged, or another one.
    """
    version.check_answers_rows()
    bundle = store.fetch(version.name, version.number)
    _check_digest(bundle, digest)
    identity = BundleIdentity(
        digest=bundle.digest,
        version=version.number,
        created=_timestamp(version.created),
        latency_limit=_latency_limit(version.record.decision) if version.record else None,
        kept=Kept(store, version.name),
    )
    return Located(bundle.path, identity, store)


def _check_digest(bundle: Artifact, wanted: str | None) -> None:
    if wanted is not None and bundle.digest != wanted:
        raise ArtifactError(
            f"{bundle.path} is not the bundle that is to serve: its digest is "
            f"{bundle.digest[:12]}…, asked for was {wanted[:12]}….",
            "Deploy again: `bertworks deploy` takes the version's present digest.",
        )


def _latency_limit(decision: Decision) -> float | None:
    limits = (rule.limit for rule in decision.rules if rule.name == "max_latency_ms")
    limit = next(limits, None)
    return None if limit is None else limit / 1000


def _timestamp(created: str) -> float | None:
    try:
        return datetime.fromisoformat(created).timestamp()
    except ValueError:
        return None
