"""Makes the helpers beside the tests importable; without kubectl nothing can be rendered."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def kubectl() -> str:
    from rendering import KUBECTL

    if KUBECTL is None:
        pytest.skip("kubectl is not installed: `kubectl kustomize` renders the manifests")
    return KUBECTL
