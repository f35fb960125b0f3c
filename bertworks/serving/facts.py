"""What a model store says of one version, as JSON: run in a pod that sees the volume.

python -m bertworks.serving.facts STORE NAME [VERSION]
"""

from __future__ import annotations

import json
import sys
from typing import TypedDict

from bertworks.errors import ArtifactError, BertworksError
from bertworks.serving.identity import in_store
from bertworks.storage.store import Store


class Facts(TypedDict):
    """Which version may serve."""

    name: str
    version: int
    digest: str


def facts(uri: str, name: str, number: int | None) -> Facts:
    """Name, version and digest of a version that may serve; its files are all checked.

    Args:
        uri: URI or path of the store.
        name: The agent.
        number: Its version; None: the champion.

    Raises:
        ArtifactError: There is no such version or no champion, or it is damaged.
        GateRefused: It did not pass its gates.
    """
    if number is None:
        champion = Store(uri).champion(name)
        if champion is None:
            raise ArtifactError(
                f"{name} has no champion in {uri}.",
                "Run its pipeline first, or name a version with --version.",
            )
        number = champion.number
    found = in_store(uri, name, number)
    return {"name": name, "version": number, "digest": found.identity.digest}


def main(arguments: list[str]) -> int:
    """Prints the facts, or what is wrong, as one line of JSON; returns the exit code."""
    uri, name, *rest = arguments
    try:
        print(json.dumps(facts(uri, name, int(rest[0]) if rest else None)))
    except BertworksError as error:
        told = {"error": error.message, "fix": error.fix, "code": error.exit_code}
        print(json.dumps(told))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
