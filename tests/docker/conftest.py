"""The engine, the images and one run of the tiny agent's DAG in containers, for all tests here."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny_agent import REPOSITORY, SPEC, made_up_rows, write_rows

from bertworks import __version__

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(REPOSITORY / "tests/helpers"))

from confined import IMAGES


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what asks for an image of a kind that is not tested: no image, no test, no skip."""
    left = [item for item in items if "NOTSET" in item.name]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)


@pytest.fixture(scope="session")
def engine():
    """The Docker engine that DOCKER_HOST or the usual socket leads to."""
    docker = pytest.importorskip("docker")
    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(engine) -> Callable[[str], str]:
    """The full name of an image; skips where it was not built, or is not to be tested."""
    import docker

    def named(name: str) -> str:
        full = f"bertworks/{name}:{__version__}"
        if name not in IMAGES:
            pytest.skip(f"{name} is not among the images that are tested: {' '.join(IMAGES)}")
        try:
            engine.images.get(full)
        except docker.errors.ImageNotFound:
            pytest.skip(f'{full} is not here: make images IMAGES="{name}"')
        return full

    return named


@dataclass(frozen=True)
class Ran:
    """What became of a pipeline: its output and the folders that it wrote to."""

    returncode: int
    output: str
    root: Path
    volume: Path

    def artifact(self, step: str, name: str) -> Path:
        """The one folder that a step wrote as output `name`."""
        (found,) = self.root.glob(f"*/{step}/{name}")
        return found


@pytest.fixture(scope="session")
def run_in_containers(image, tmp_path_factory) -> Callable[..., Ran]:
    """Compiles a spec as a user would and runs the file that came out, each step in a container."""
    image("pipeline")

    def run(spec: str, rows: list[tuple[str, str]], network: str = "none") -> Ran:
        folder = tmp_path_factory.mktemp("containers")
        root, volume = folder / "root", folder / "volume"
        for place in (root, volume, volume / "data"):
            place.mkdir()
            place.chmod(0o777)  # the containers' user is another one
        write_rows(volume / "data/rows.csv", rows)
        on_volume = spec.replace("uri: rows.csv", "uri: /bertworks/data/rows.csv")
        (folder / "spec.yaml").write_text(on_volume, encoding="utf-8")
        compiled = subprocess.run(
            [sys.executable, "-m", "pipelines.cli", "compile", "spec.yaml", "-o", "pipeline.yaml"],
            cwd=folder, env=environment(), capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert compiled.returncode == 0, compiled.stdout + compiled.stderr
        helper = Path(__file__).with_name("run_dag.py")
        done = subprocess.run(
            [sys.executable, helper, folder / "pipeline.yaml", root, volume, network],
            cwd=folder, env=environment(),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1500,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, root, volume)

    return run


def environment() -> dict[str, str]:
    """This process's, with the repository to import from."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory) -> Path:
    """A bundle with random weights that any user may read."""
    from tiny_model import bundle_of, make_model

    folder = tmp_path_factory.mktemp("tiny")
    bundle = bundle_of(make_model(folder / "model", {}, ["bad", "good"]), folder / "bundle")
    for place in (bundle, *bundle.rglob("*")):
        place.chmod(0o755 if place.is_dir() else 0o644)
    return bundle


@pytest.fixture(scope="session")
def dag(run_in_containers) -> Ran:
    """The whole DAG of the tiny agent."""
    return run_in_containers(SPEC, made_up_rows(400))
