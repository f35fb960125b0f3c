"""The engine, the images and one run of the tiny agent's DAG in containers, for all tests here."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny_agent import PATIENCE, REPOSITORY, SPEC, made_up_rows, write_rows

from bertworks import __version__

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(REPOSITORY / "tests/helpers"))

from confined import CONFINED, IMAGES, readable, user


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

    def run(
        spec: str,
        rows: list[tuple[str, str]] | None = None,
        network: str = "none",
        files: Mapping[str, str] | None = None,
    ) -> Ran:
        folder = tmp_path_factory.mktemp("containers")
        root, volume = folder / "root", folder / "volume"
        for place in (root, volume, volume / "data"):
            place.mkdir()
            place.chmod(0o777)  # the containers' user is another one
        if rows is not None:
            write_rows(volume / "data/rows.csv", rows)
        for name, text in (files or {}).items():
            (volume / "data" / name).write_text(text, encoding="utf-8")
        for name in ("rows.csv", *(files or ())):
            spec = spec.replace(f"uri: {name}", f"uri: /bertworks/data/{name}")
        (folder / "spec.yaml").write_text(spec, encoding="utf-8")
        compiled = subprocess.run(
            [sys.executable, "-m", "pipelines.cli", "compile", "spec.yaml", "-o", "pipeline.yaml"],
            cwd=folder, env=environment(), capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert compiled.returncode == 0, compiled.stdout + compiled.stderr
        helper = Path(__file__).with_name("run_dag.py")
        done = subprocess.run(
            [sys.executable, helper, folder / "pipeline.yaml", root, volume, network],
            cwd=folder, env=environment(),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE,
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
    return readable(bundle_of(make_model(folder / "model", {}, ["bad", "good"]), folder / "bundle"))


@pytest.fixture(scope="module")
def start(engine, image) -> Iterator[Callable]:
    """Starts the server; its containers are removed at the end.

    What it is given: folders by the places where the container sees them, and the command's arguments.
    """
    from docker.types import Mount

    started = []

    def run(places: Mapping[str, Path], *arguments: str, **options):
        container = engine.containers.run(
            image("serving"), [*arguments, "--open"], detach=True, user=user(),
            mounts=[
                Mount(place, str(folder), type="bind", read_only=True)
                for place, folder in places.items()
            ],
            ports={"8080/tcp": ("127.0.0.1", None)}, **CONFINED, **options,
        )  # fmt: skip
        started.append(container)
        return container

    yield run
    for container in started:
        container.remove(force=True)


@pytest.fixture(scope="session")
def dag(run_in_containers) -> Ran:
    """The whole DAG of the tiny agent."""
    return run_in_containers(SPEC, made_up_rows(400))
