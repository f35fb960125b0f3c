"""Which bundle `bertworks serve` takes: a folder, a version of a store, or the local champion."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bertworks.errors import ArtifactError, SpecError
from bertworks.serving.identity import Located, in_folder, in_store
from bertworks.spec_limits import Limits


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


def limits_of(bundle: Mapping[str, Any] | None, given: Sequence[str]) -> Limits:
    """The server's limits: those of the command line, else the bundle's, else the defaults.

    Args:
        bundle: What the bundle's agent.json says.
        given: NAME=VALUE.

    Raises:
        SpecError: There is no such limit, or it is out of range.
    """
    values = {**(bundle or {}), **dict(one.partition("=")[::2] for one in given)}
    try:
        return Limits.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        name = ".".join(map(str, found["loc"]))
        raise SpecError(
            f"The limit {name} cannot be {found['input']!r:.40}: {found['msg']}.",
            f"Give --limit NAME=VALUE with one of {', '.join(Limits.model_fields)}.",
        ) from None
