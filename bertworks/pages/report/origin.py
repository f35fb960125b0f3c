"""The report's part on provenance: digests, versions, the spec."""

from __future__ import annotations

import json
import platform
from importlib import metadata

from markupsafe import Markup

import bertworks
from bertworks.contracts.runs import RunRecord
from bertworks.pages import html
from bertworks.storage.artifacts import Artifact

LIBRARIES = (
    "tensorflow", "keras", "apache-beam", "tensorflow-transform", "tensorflow-model-analysis",
    "tokenizers", "onnxruntime", "openvino", "nncf", "kfp", "numpy",
)  # fmt: skip


def section(run: RunRecord, opened: dict[str, Artifact]) -> Markup:
    """A row an artifact, the versions of the libraries, and the spec as it was run."""
    names = {one.digest: name for name, one in opened.items()}
    rows = [
        [
            name,
            one.producer,
            Markup("<code>{}</code>").format(one.digest[:16]),
            ", ".join(names.get(digest, digest[:8]) for digest in one.parents.values()),
        ]
        for name, one in opened.items()
    ]
    parts = []
    if rows:
        parts.append(html.table(["artifact", "made by", "sha256", "from"], rows))
    parts.append(Markup('<p class="soft">{}</p>').format(" · ".join(_versions())))
    if run.spec:
        lines = json.dumps(run.spec, indent=2, ensure_ascii=False).splitlines()
        shown = "\n".join(html.visible(line) for line in lines)
        parts.append(
            Markup("<details><summary>The spec</summary><pre>{}</pre></details>").format(shown)
        )
    return Markup("\n").join(parts)


def _versions() -> list[str]:
    found = [f"bertworks {bertworks.__version__}", f"Python {platform.python_version()}"]
    for library in LIBRARIES:
        try:
            found.append(f"{library} {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            continue
    return found
