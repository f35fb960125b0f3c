"""What the end-to-end tests are made of, checked without a cluster."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from cluster_user import REPOSITORY, TINY, User, merged, progress_in, run_id
from tiny_agent import PATIENCE

from bertworks.spec import file as spec_file

RESOURCES = yaml.safe_load((REPOSITORY / "k8s/overlays/kind/resources.yaml").read_text())
# Every change of the tiny spec that a test makes.
CHANGES = [
    {},
    {"gates": {"minimum": 0.999}},
    {"finetune": {"epochs": 200, "patience": 200, "checkpoint_steps": 20}},
    {"resources": {"steps": {"finetune": {"gpu": 1}}}},
    {"resources": {"steps": {"finetune": {"retries": 3, "backoff_seconds": 2}}}},
    {"serve": {"deploy": {"enabled": True}}},
]


@pytest.fixture
def writer(tmp_path: Path) -> User:
    return User(tmp_path, SimpleNamespace(), RESOURCES, "abc123")


@pytest.mark.parametrize("changes", CHANGES, ids=json.dumps)
def test_specs_of_the_tests_are_valid(writer: User, changes: dict) -> None:
    loaded = spec_file.load(writer.spec("main", **changes)).spec
    assert loaded.name == "e2e-main-abc123"
    assert loaded.resources.default.memory == "3Gi"
    assert loaded.resources.of("finetune").cpu == "2"


def test_specs_compile_for_both_kinds_of_run(writer: User) -> None:
    from pipelines.cluster.kfp.submit import compiled

    spec = writer.spec("main", resources={"steps": {"finetune": {"gpu": 1, "retries": 3}}})
    loaded = spec_file.load(spec)
    for kind in ("agent", "retrain"):
        pipeline, platform = yaml.safe_load_all(compiled(loaded, kind).text)
        executors = pipeline["deploymentSpec"]["executors"]
        assert executors["exec-finetune"]["container"]["resources"]["accelerator"] == {
            "count": "1",
            "resourceCount": "1",
            "resourceType": "nvidia.com/gpu",
            "type": "nvidia.com/gpu",
        }
        # No real GPU on kind, so no image for one.
        images = {one["container"]["image"] for one in executors.values()}
        assert images == {"bertworks/pipeline:0.1.0"}
        assert platform["platforms"]["kubernetes"]


def test_merging_leaves_what_it_merges_alone() -> None:
    base = {"a": {"b": 1, "c": 2}, "d": [1]}
    assert merged(base, {"a": {"b": 3}, "d": [2]}) == {"a": {"b": 3, "c": 2}, "d": [2]}
    assert base == {"a": {"b": 1, "c": 2}, "d": [1]}


def test_progress_and_links_are_read_from_what_is_really_printed() -> None:
    code = (
        "from bertworks import progress\n"
        "with progress.stage('fine-tuning', total=6000, unit='steps', start=120) as stage:\n"
        "    stage.advance(1, note='loss 0.1')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={k: v for k, v in os.environ.items() if k != "BERTWORKS_EVENTS"}
        | {"BERTWORKS_STEP": "finetune"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert progress_in(done.stderr, "fine-tuning") == [120, 121, 121]
    assert progress_in(done.stderr, "other") == []
    one = "0c1d9f6e-8a57-4f0a-9d0f-3f6b8a4f9c11"
    assert run_id(f"run {one}\nhttp://localhost:8080/#/runs/details/{one}\n") == one


def _pytest(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """Runs the tests that need a cluster, by file: never this one, which would call itself."""
    files = sorted(str(file) for file in Path(__file__).parent.glob("test_cluster_*.py"))
    assert len(files) == 3
    free = {k: v for k, v in os.environ.items() if k not in ("KUBECONFIG", "KFP_HOST")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *files, *options],
        cwd=REPOSITORY,
        env=free | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_without_a_cluster_they_are_skipped_and_say_why() -> None:
    done = _pytest({}, "-m", "")
    assert done.returncode == 0, done.stdout
    (count,) = re.findall(
        r"^(\d+) end-to-end tests skipped: no cluster: KFP_HOST or", done.stdout, re.M
    )
    assert int(count) > 10
    assert f"{count} skipped" in done.stdout


def test_make_test_never_starts_them_on_a_cluster_that_happens_to_be_configured() -> None:
    done = _pytest({"KFP_HOST": "http://127.0.0.1:9"}, "-m", "not slow")
    assert done.returncode == 5, done.stdout  # nothing was chosen
    assert re.search(r"\d\d deselected", done.stdout)


@pytest.mark.slow
def test_tiny_agent_goes_the_whole_way_on_this_machine(tmp_path: Path) -> None:
    """What the tests submit does work: a failure on the cluster is the cluster's."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pipelines.cli",
            "run",
            str(TINY),
            "--root",
            str(tmp_path / "root"),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed every gate" in done.stdout
