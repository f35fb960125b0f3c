"""Which bundle `bertworks serve` takes: a folder, a version of a store, or the local champion."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from bertworks.errors import ArtifactError
from bertworks.serving.identity import Located, in_folder, in_store


def locate(
    agent: str | None, store: str | None, digest: str | None, local: Callable[[], Path]
) -> Located:
    """The bundle to serve.

    Args:
        agent: A bundle's folder, NAME/VERSION, or what `local` makes of it.
        store: URI or path of a model store; then `agent` must be NAME/VERSION.
        digest: What the bundle's digest must be; None: any.
        local: Finds `agent` among this machine's own models.

    Raises:
        ArtifactError: There is no such bundle, or it is damaged or another one.
        GateRefused: The version did not pass its gates.
    """
    if store is not None:
        parts = re.fullmatch(r"([^/]+)/([1-9][0-9]*)", agent or "")
        if parts is None:
            raise ArtifactError(
                f"With --store, --agent must be NAME/VERSION. Received: {agent!r}",
                "For example: --store /bertworks/models --agent sentiment/3",
            )
        return in_store(store, parts[1], int(parts[2]), digest)
    if agent and Path(agent).is_absolute():  # No name: say what is wrong with the folder.
        return in_folder(Path(agent), digest)
    return in_folder(local(), digest)
