"""The scripts of the kind cluster, against tools that only note how they are called."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rendering import K8S, REPOSITORY

import bertworks

SCRIPTS = sorted((K8S / "kind").glob("*.sh"))
TOOLS = ("docker", "kind", "kubectl", "make", "git")
FAKE = Path(__file__).parent / "fake_cluster_tool.py"


class Kind:
    """A copy of the scripts, and the fake tools they find on their path."""

    def __init__(self, folder: Path) -> None:
        self.root, self.state, self.bin = folder / "repo", folder / "state", folder / "bin"
        for place in (self.root, self.state, self.bin):
            place.mkdir()
        shutil.copytree(K8S, self.root / "k8s")
        (self.root / "bertworks").mkdir()
        shutil.copy(REPOSITORY / "bertworks/__init__.py", self.root / "bertworks")
        for tool in TOOLS:
            self.add(tool)
        for tool in (
            "bash",
            "sed",
            "grep",
            "awk",
            "mkdir",
            "chmod",
            "sleep",
            "tr",
            "head",
            "rm",
            "id",
        ):
            found = shutil.which(tool)
            assert found is not None, tool
            (self.bin / tool).symlink_to(found)
        (self.bin / "dirname").symlink_to(str(shutil.which("dirname")))

    def add(self, tool: str) -> None:
        file = self.bin / tool
        file.write_text(FAKE.read_text().replace("/usr/bin/env python3", sys.executable))
        file.chmod(0o755)

    def run(
        self, script: str, *arguments: str, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.bin / "bash"), str(self.root / "k8s/kind" / script), *arguments],
            env={
                "PATH": str(self.bin),
                "FAKE_STATE": str(self.state),
                "KIND_POLL": "0",
                **settings,
            },
            capture_output=True,
            text=True,
            timeout=300,
        )

    def calls(self) -> list[str]:
        """The calls since the last look."""
        file = self.state / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    @property
    def kubeconfig(self) -> Path:
        return self.root / ".bertworks/kind/kubeconfig"


@pytest.fixture
def kind(tmp_path: Path) -> Kind:
    return Kind(tmp_path)


def _order(calls: list[str], *wanted: str) -> list[int]:
    """Where each of the wanted calls is, the first time; all must be there, in this order."""
    places = []
    for text in wanted:
        (place, *_) = [i for i, call in enumerate(calls) if text in call] or [-1]
        assert place >= 0, f"no call has {text!r}:\n" + "\n".join(calls)
        places.append(place)
    assert places == sorted(places), list(zip(places, wanted, strict=True))
    return places


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)
def test_scripts_parse(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = script.read_text()
    if script.name != "common.sh":
        assert os.access(script, os.X_OK)
        assert "set -euo pipefail" in text


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_scripts_pass_shellcheck() -> None:
    done = subprocess.run(
        ["shellcheck", "-x", "-P", str(REPOSITORY), *map(str, SCRIPTS)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_up_does_all_steps_in_order(kind: Kind) -> None:
    (kind.state / "not-ready").write_text("2")
    done = kind.run("up.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    version = bertworks.__version__
    _order(
        kind.calls(),
        "docker info",
        "kind get clusters",
        "kind create cluster --name bertworks --config",
        "make -C",
        f"docker image inspect bertworks/pipeline:{version}",
        f"kind load docker-image bertworks/pipeline:{version} --name bertworks",
        f"kind load docker-image bertworks/serving:{version} --name bertworks",
        "kubectl apply --server-side --force-conflicts -k github.com/kubeflow/pipelines/manifests/"
        "kustomize/cluster-scoped-resources?ref=2.17.0",
        "kubectl wait --for condition=established",
        "kubectl apply -k github.com/kubeflow/pipelines/manifests/kustomize/env/platform-agnostic?"
        "ref=2.17.0",
        "get deployments",
        "patch configmap workflow-controller-configmap --patch-file",
        "rollout restart deployment workflow-controller",
        "delete job bertworks-volume-folders --ignore-not-found",
        "k8s/overlays/kind",
        "wait --for=condition=complete job/bertworks-volume-folders",
        "kubectl patch node bertworks-control-plane --subresource=status --type=json",
        "kubectl label node bertworks-control-plane --overwrite nvidia.com/gpu.present=true",
        "kubectl get node bertworks-control-plane",
    )
    assert "waiting for mysql 0/1" in done.stdout
    assert f"export KUBECONFIG={kind.kubeconfig}" in done.stdout
    assert kind.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_up_again_changes_nothing_that_is_there(kind: Kind) -> None:
    assert kind.run("up.sh").returncode == 0
    kind.calls()
    done = kind.run("up.sh")
    assert done.returncode == 0, done.stderr
    calls = kind.calls()
    assert not [call for call in calls if "create cluster" in call or "rollout restart" in call]
    _order(calls, "kind export kubeconfig", "kind load", "kubectl apply", "kubectl patch node")


def test_up_takes_manifests_from_a_folder_and_images_as_they_are(
    kind: Kind, tmp_path: Path
) -> None:
    (kind.bin / "git").unlink()
    done = kind.run("up.sh", KFP_MANIFESTS=str(tmp_path), KIND_BUILD="no", KIND_IMAGES="pipeline")
    assert done.returncode == 0, done.stderr
    calls = kind.calls()
    assert f"kubectl apply -k {tmp_path}/env/platform-agnostic" in calls
    assert not [call for call in calls if call.startswith("make") or "bertworks/serving" in call]


def test_fake_gpus_are_written_with_a_json_pointer(kind: Kind) -> None:
    assert kind.run("fake-gpu.sh", FAKE_GPUS="3").returncode == 0
    (patch,) = [call for call in kind.calls() if "patch node" in call]
    assert "--subresource=status" in patch
    found = yaml.safe_load(patch.partition("--patch ")[2])
    assert [(one["op"], one["path"], one["value"]) for one in found] == [
        ("add", "/status/capacity/nvidia.com~1gpu", "3"),
        ("add", "/status/allocatable/nvidia.com~1gpu", "3"),
    ]


def test_what_is_not_ready_in_time_is_explained(kind: Kind) -> None:
    (kind.state / "not-ready").write_text("1000")
    done = kind.run("up.sh", KIND_TIMEOUT="0")
    assert done.returncode == 1
    assert "--- mysql-1" in done.stderr and "pull of mysql refused" in done.stderr
    assert "--- ml-pipeline-1" not in done.stderr and "--- job-1" not in done.stderr
    assert "error: Kubeflow Pipelines is not ready" in done.stderr and "fix: " in done.stderr
    assert not [call for call in kind.calls() if "overlays/kind" in call]


def test_a_volume_that_cannot_be_made_ready_is_explained(kind: Kind) -> None:
    (kind.state / "fail").write_text("condition=complete")
    done = kind.run("up.sh")
    assert done.returncode == 1
    assert "error: the volume could not be made ready" in done.stderr


@pytest.mark.parametrize("step", ["create cluster", "kind load", "--server-side", "overlays/kind"])
def test_a_failing_step_ends_it(kind: Kind, step: str) -> None:
    (kind.state / "fail").write_text(step)
    done = kind.run("up.sh")
    assert done.returncode != 0
    assert step in kind.calls()[-1]
    assert "ready. For this shell" not in done.stdout


@pytest.mark.parametrize("tool", ["docker", "kind", "kubectl", "git"])
def test_a_missing_tool_is_named_with_how_to_get_it(kind: Kind, tool: str) -> None:
    (kind.bin / tool).unlink()
    done = kind.run("up.sh")
    assert done.returncode == 1
    assert f"error: {tool} is not installed" in done.stderr and "fix: " in done.stderr


def test_a_silent_docker_is_named(kind: Kind) -> None:
    (kind.state / "fail").write_text("docker info")
    assert "error: docker does not answer" in kind.run("up.sh").stderr


def test_a_missing_image_is_named(kind: Kind) -> None:
    (kind.state / "fail").write_text("image inspect bertworks/serving")
    done = kind.run("up.sh")
    assert done.returncode == 1
    assert "make images IMAGES=serving" in done.stderr


def test_down_deletes_once(kind: Kind) -> None:
    assert kind.run("up.sh").returncode == 0
    kind.calls()
    assert kind.run("down.sh").returncode == 0
    assert any("kind delete cluster --name bertworks" in call for call in kind.calls())
    assert not kind.kubeconfig.exists()
    again = kind.run("down.sh")
    assert again.returncode == 0 and "there is no cluster bertworks" in again.stdout


def test_tests_run_against_this_cluster_and_no_other(kind: Kind) -> None:
    without = kind.run("test.sh")
    assert without.returncode == 1 and "make kind-up" in without.stderr
    assert kind.run("up.sh").returncode == 0
    python = kind.root / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"; echo "KUBECONFIG=$KUBECONFIG KFP_HOST=$KFP_HOST"\n')
    python.chmod(0o755)
    done = kind.run("test.sh", "-k", "cancel", KFP_HOST="https://production.example")
    assert "-m pytest tests/e2e" in done.stdout and "-k cancel" in done.stdout
    assert f"KUBECONFIG={kind.kubeconfig} KFP_HOST=\n" in done.stdout


def test_the_cluster_is_pinned_to_the_version_the_manifests_are_checked_for() -> None:
    from rendering import KUBERNETES

    config = yaml.safe_load((K8S / "kind/cluster.yaml").read_text())
    (node,) = config["nodes"]
    assert node["image"].startswith(f"kindest/node:v{KUBERNETES}.")
    assert len(node["image"].partition("@sha256:")[2]) == 64
    assert config["name"] == "bertworks"
