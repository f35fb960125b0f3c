"""What a pipeline was made of: the spec, the data, the code. Labels of pods, runs and versions.

The same spec, data and code have the same provenance on every machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import bertworks
from bertworks.spec import AgentSpec
from bertworks.spec.dialogue import DialogueSpec

DIGITS = 16


@dataclass(frozen=True)
class Provenance:
    """What determines a run's result.

    Attributes:
        agent: The agent's name.
        spec_hash: Of what the spec says beyond the defaults, which belong to the code.
        data_fingerprint: Of the sources' content, from `bertworks.data.sources.fingerprints`.
        code_version: The package's version, which is also the images' tag.
    """

    agent: str
    spec_hash: str
    data_fingerprint: str
    code_version: str

    def labels(self) -> dict[str, str]:
        """As Kubernetes labels; every value has at most 63 characters."""
        return {
            "bertworks/agent": self.agent,
            "bertworks/spec-hash": self.spec_hash,
            "bertworks/data-fingerprint": self.data_fingerprint,
            "bertworks/code-version": self.code_version,
        }


def provenance_of(spec: AgentSpec | DialogueSpec, fingerprints: Mapping[str, str]) -> Provenance:
    """The provenance of a run of a spec on data with these fingerprints."""
    said = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return Provenance(
        agent=spec.name,
        spec_hash=_digest(said),
        data_fingerprint=_digest(dict(fingerprints)),
        code_version=bertworks.__version__,
    )


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
