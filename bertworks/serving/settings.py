"""What to serve, and how: what `bertworks serve` is told. Imports little: `predict` does so too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bertworks.serving.identity import BundleIdentity
from bertworks.spec.audit import Audit
from bertworks.spec.limits import Limits
from bertworks.spec.review import Review
from bertworks.storage.store import Store

if TYPE_CHECKING:
    from bertworks.serving.access.joining import Entrance
    from bertworks.serving.assembly import Serving

LOOPBACK = "127.0.0.1"

Join = Callable[["Serving"], None]
"""What a room does to take part in a server that is put together."""


@dataclass(frozen=True)
class Served:
    """A model to serve.

    Attributes:
        name: In the URLs.
        folder: Its bundle.
        identity: Which bundle it is, for the answers and the metrics; None: its digest alone.
        max_batch: Rows that one forward pass takes, at most.
        store: Where the bundle comes from; keeps a bucket's copy alive.
        others: What may be served in its place where it cannot be loaded, the best first.
    """

    name: str
    folder: Path
    identity: BundleIdentity | None = None
    max_batch: int = 32
    store: Store | None = None
    others: Sequence[Served] = ()


@dataclass(frozen=True)
class Settings:
    """How to serve.

    Attributes:
        host: Address to listen on: this machine's own by default; 0.0.0.0 for all.
        port: HTTP port.
        grpc_port: gRPC port; None: no gRPC.
        threads: CPU threads that compute; None: all that may be used.
        limits: What is taken before requests are refused.
        repository: Whether models may be unloaded and loaded, by anybody who can call.
        entrance: Who is let in; None: everybody who reaches the address, which must be this machine's.
        audit: What is kept of who asked what.
        review: What is looked at before an answer goes out.
        joins: What other rooms bring along.
    """

    host: str = LOOPBACK
    port: int = 8080
    grpc_port: int | None = None
    threads: int | None = None
    limits: Limits = field(default_factory=Limits)
    repository: bool = False
    entrance: Entrance | None = None
    audit: Audit = field(default_factory=Audit)
    review: Review = field(default_factory=Review)
    joins: Sequence[Join] = ()
