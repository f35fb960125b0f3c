"""A KFP to talk to: the `kfp` fixture."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_kfp import FakeKfp
from fake_pods import FakePods

from bertworks.spec.file import DialogueFile, SpecFile

if TYPE_CHECKING:
    from pipelines.box import Kind
    from pipelines.cluster.kfp import submit


@pytest.fixture
def kfp(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKfp]:
    """A single-user KFP at kfp.url, which KFP_HOST names; retries do not wait."""
    from pipelines.cluster.kfp import transport

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
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none")
    )
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def pods(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakePods]:
    """A Kubernetes API with pods, which KUBECONFIG names."""
    with FakePods() as cluster:
        monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig(tmp_path))
        # Read when kubernetes.config is imported, which may have been before this test.
        monkeypatch.setattr(
            "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION",
            cluster.kubeconfig(tmp_path),
        )
        yield cluster


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def bertworks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Runs the command line in this process: bertworks("runs", "list")."""
    from pipelines.cli import main as cli

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        monkeypatch.setattr("sys.argv", ["bertworks", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return Ended(int(ended.value.code or 0), captured.out, captured.err)

    return run


COMPILED: dict[tuple[str, str, str], Any] = {}


@pytest.fixture(autouse=True)
def compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling the same thing again gives the same, which one test looks at: once will do."""
    from pipelines.cluster.kfp import submit

    compile_ = submit.compiled

    def remembering(loaded: SpecFile | DialogueFile, kind: Kind) -> submit.Compiled:
        if isinstance(loaded, DialogueFile):
            return compile_(loaded, kind)
        local = any("://" not in one.uri and one.uri[:1] != "/" for one in loaded.spec.data.sources)
        folder = str(loaded.folder) if local else ""  # of sources whose content is looked at
        key = (loaded.spec.model_dump_json(), kind, folder)
        if key not in COMPILED:
            COMPILED[key] = compile_(loaded, kind)
        return COMPILED[key]

    monkeypatch.setattr(submit, "compiled", remembering)


@pytest.fixture
def quick_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watching that hardly waits."""
    from pipelines.cluster.runs import watch

    monkeypatch.setattr(watch, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(watch, "LOOK_AT_PODS_SECONDS", 0.0)
