"""Which version of the model store a bundle became."""

from __future__ import annotations

from dataclasses import dataclass

from bertworks.contracts.decision import Verdict
from bertworks.contracts.files import File


@dataclass(frozen=True)
class Registered:
    """registered.json; the artifact's metadata are the same.

    Attributes:
        name: The agent.
        version: Its number.
        uri: Where the bundle lies.
        digest: Of the bundle.
        outcome: "promoted"; in a retraining also "kept" or "refused".
    """

    name: str
    version: int
    uri: str
    digest: str
    outcome: Verdict = "promoted"


REGISTERED: File[Registered] = File("registered.json", Registered)
