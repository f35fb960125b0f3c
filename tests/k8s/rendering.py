"""Kubernetes manifests of the repository, as `kubectl kustomize` renders them."""

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
K8S = REPOSITORY / "k8s"
KUBERNETES = "1.36"


def _applied() -> list[str]:
    """Every folder that can be applied: those with a kustomization that is no component."""
    found = []
    for file in sorted(K8S.rglob("kustomization.yaml")):
        if yaml.safe_load(file.read_text())["kind"] == "Kustomization":
            found.append(str(file.parent.relative_to(K8S)))
    return found


SETS = _applied()
KUBECTL = shutil.which("kubectl", path="/usr/bin:/usr/local/bin") or shutil.which("kubectl")


@functools.cache
def render(folder: Path) -> str:
    """One folder with a kustomization, as one YAML stream."""
    assert KUBECTL is not None
    done = subprocess.run(
        [KUBECTL, "kustomize", str(folder)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"kubectl kustomize {folder}:\n{done.stderr}"
    assert "deprecated" not in done.stderr, done.stderr
    return done.stdout


def objects(folder: Path) -> list[dict[str, Any]]:
    """The objects of one folder with a kustomization."""
    return parsed(render(folder))


def parsed(text: str) -> list[dict[str, Any]]:
    """The objects of a YAML stream."""
    return [item for item in yaml.safe_load_all(text) if item]
