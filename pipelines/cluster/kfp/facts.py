"""What a version or a run was made of: its description says it, to people and to `runs list`."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

import yaml


def documents(text: str) -> list[dict[str, Any]]:
    """The pipeline, and the platform's settings, of a compiled file; by libyaml, ten times faster."""
    return list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


@dataclass(frozen=True)
class Facts:
    """The origin of a pipeline's version.

    Attributes:
        agent: The agent's name.
        kind: "agent" or "retrain".
        spec: Hash of the spec.
        data: Fingerprint of the data.
        code: Version of the code, which is the images' tag.
    """

    agent: str = ""
    kind: str = ""
    spec: str = ""
    data: str = ""
    code: str = ""

    @classmethod
    def of_pipeline(cls, text: str, agent: str, kind: str) -> Facts:
        """Read from the labels that the compiled pipeline gives its pods."""
        labels: dict[str, str] = {}
        for document in documents(text):
            kubernetes = document.get("platforms", {}).get("kubernetes", {})
            for executor in kubernetes.get("deploymentSpec", {}).get("executors", {}).values():
                labels |= executor.get("podMetadata", {}).get("labels", {})
        return cls(
            agent=agent,
            kind=kind,
            spec=labels.get("bertworks/spec-hash", ""),
            data=labels.get("bertworks/data-fingerprint", ""),
            code=labels.get("bertworks/code-version", ""),
        )

    @classmethod
    def from_text(cls, description: str | None) -> Facts:
        """Read from a description; empty where it is not one of ours."""
        found = re.search(r"bertworks (\{.*\})\s*$", description or "", re.S)
        try:
            said = json.loads(found.group(1)) if found else {}
        except ValueError:
            said = {}
        return cls(**{one.name: str(said.get(one.name, "")) for one in fields(cls)})

    def as_text(self, mark: str = "") -> str:
        """The description; short, since KFP's older tables hold 255 characters of it.

        Args:
            mark: Tells runs of the same facts apart.
        """
        said = {**asdict(self), **({"mark": mark} if mark else {})}
        return f"bertworks {json.dumps(said, separators=(',', ':'))}"
