"""The report's part on provenance: digests, versions, the spec."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from importlib import metadata

import bertworks
from bertworks.contracts.runs import RunRecord
from bertworks.pages.parts import Code, Table
from bertworks.pages.text import visible_lines
from bertworks.pages.views import View
from bertworks.storage.artifacts import Artifact

LIBRARIES = (
    "tensorflow", "keras", "apache-beam", "tensorflow-transform", "tensorflow-model-analysis",
    "tokenizers", "onnxruntime", "openvino", "nncf", "kfp", "numpy",
)  # fmt: skip


@dataclass(frozen=True)
class OriginPart(View):
    """Artifacts (None where there are none), versions, the spec, and what prints the model card.

    Spec and command are "" where they are not known.
    """

    template = "report/origin.html.j2"

    artifacts: Table | None
    versions: str
    spec: str
    card: str


def section(run: RunRecord, opened: dict[str, Artifact]) -> View:
    """A row an artifact, the versions of the libraries, and the spec as it was run."""
    names = {one.digest: name for name, one in opened.items()}
    rows = [
        [
            name,
            one.producer,
            Code(one.digest[:16]),
            ", ".join(names.get(digest, digest[:8]) for digest in one.parents.values()),
        ]
        for name, one in opened.items()
    ]
    spec = json.dumps(run.spec, indent=2, ensure_ascii=False) if run.spec else ""
    return OriginPart(
        artifacts=Table(["artifact", "made by", "sha256", "from"], rows) if rows else None,
        versions=" · ".join(_versions()),
        spec=visible_lines(spec),
        card=_card(opened),
    )


def _card(opened: dict[str, Artifact]) -> str:
    """The command that prints the model card of the version that came of the run."""
    noted = opened["registered"].metadata if "registered" in opened else None
    return f"bertworks models card {noted['name']}/{noted['version']}" if noted else ""


def _versions() -> list[str]:
    found = [f"bertworks {bertworks.__version__}", f"Python {platform.python_version()}"]
    for library in LIBRARIES:
        try:
            found.append(f"{library} {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            continue
    return found
