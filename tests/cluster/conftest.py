"""A KFP to talk to: the `kfp` fixture."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_kfp import FakeKfp


@pytest.fixture
def kfp(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKfp]:
    """A single-user KFP at kfp.url, which KFP_HOST names; retries do not wait."""
    from pipelines.cluster import transport

    monkeypatch.setattr(transport, "BACKOFF", (0.01, 0.01, 0.01))
    with FakeKfp() as server:
        monkeypatch.setenv("KFP_HOST", server.url)
        yield server


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting, kubeconfig or home folder of the machine takes part."""
    for name in ("HOST", "NAMESPACE", "TOKEN", "TOKEN_FILE", "USERNAME", "PASSWORD", "CA_FILE",
                 "INSECURE"):  # fmt: skip
        monkeypatch.delenv(f"KFP_{name}", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    monkeypatch.setenv("HOME", str(tmp_path))
