"""What a version is kept with: whole, once on the disk, added later, and missing in old versions."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from bertworks.contracts.versions import Made
from bertworks.errors import ArtifactError
from bertworks.storage.artifacts import Artifact
from bertworks.storage.store import Store
from tests.helpers.retrain_rows import PASSED, keep_version, small_artifact


@pytest.fixture(params=["disk", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "disk":
        return Store(tmp_path / "store")
    return Store(f"memory://parts-{uuid.uuid4().hex}")


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Artifact]:
    return {
        kind: small_artifact(tmp_path / kind, kind, {"a.json": kind, "b.json": [1]})
        for kind in ("model", "examples")
    }


def bundle(folder: Path, number: int) -> tuple[Artifact, Artifact]:
    kept = small_artifact(folder / f"b{number}", "bundle", {"agent.json": number})
    return kept, small_artifact(folder / f"m{number}", "metrics", {"metrics.json": []})


def test_parts_are_kept_and_found_again(store: Store, parts, tmp_path: Path) -> None:
    keep_version(store, tmp_path / "v", 1, parts, Made(recipe="r"))
    version = store.show("tiny", 1)
    assert version.has("model") and version.has("examples") and version.made == Made(recipe="r")
    for kind, part in parts.items():
        assert store.fetch("tiny", 1, kind).digest == part.digest


def test_versions_of_before_have_no_parts_and_say_so(store: Store, tmp_path: Path) -> None:
    keep_version(store, tmp_path / "v", 1, {})
    assert not store.show("tiny", 1).has("model")
    with pytest.raises(ArtifactError, match="kept without its examples") as caught:
        store.fetch("tiny", 1, "examples")
    assert "bertworks run" in caught.value.fix


def test_a_record_of_before_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    keep_version(store, tmp_path / "v", 1, {})
    file = tmp_path / "store/tiny/versions/1/record.json"
    record = json.loads(file.read_text())
    for new in ("parts", "facts", "seal"):
        del record[new]
    file.write_text(json.dumps(record | {"format": 1}))
    champion = store.champion("tiny")
    assert champion is not None and champion.made == Made() and not champion.has("model")


def test_the_same_bundle_registered_again_gets_what_is_missing(
    store: Store, parts, tmp_path: Path
) -> None:
    kept, metrics = bundle(tmp_path, 1)
    store.add(kept, "tiny", PASSED, metrics)
    again = store.add(kept, "tiny", PASSED, metrics, parts, Made(recipe="r"))
    assert again.number == 1 and again.has("model") and again.made == Made(recipe="r")
    assert store.fetch("tiny", 1, "examples").digest == parts["examples"].digest
    # A writer that knows of no parts takes none away.
    assert store.add(kept, "tiny", PASSED, metrics).has("model")


def test_equal_parts_are_on_the_disk_once(parts, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for number in (1, 2):
        keep_version(store, tmp_path / "v", number, parts)
    files = [tmp_path / f"store/tiny/versions/{n}/examples/a.json" for n in (1, 2)]
    assert files[0].stat().st_ino == files[1].stat().st_ino
    # One that was harmed since is not handed on.
    files[0].unlink()
    files[0].write_text('"changed"\n')
    files[1].unlink()
    files[1].write_text('"changed"\n')
    keep_version(store, tmp_path / "v", 3, parts)
    assert store.fetch("tiny", 3, "examples").digest == parts["examples"].digest


def test_a_copy_that_was_cut_off_is_replaced(parts, tmp_path: Path) -> None:
    """A writer that was killed while it added a part: the record does not name it yet."""
    store = Store(tmp_path / "store")
    kept, metrics = bundle(tmp_path, 1)
    store.add(kept, "tiny", PASSED, metrics)
    half = tmp_path / "store/tiny/versions/1/model"
    half.mkdir()
    (half / "a.json").write_text("ha")
    assert not store.show("tiny", 1).has("model")
    store.add(kept, "tiny", PASSED, metrics, parts)
    assert store.fetch("tiny", 1, "model").digest == parts["model"].digest


def test_a_part_of_another_run_in_its_place_is_found_out(parts, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    keep_version(store, tmp_path / "v", 1, parts)
    other = small_artifact(tmp_path / "other", "examples", {"a.json": "other"})
    place = tmp_path / "store/tiny/versions/1/examples"
    for file in place.iterdir():
        file.unlink()
    for file in other.path.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ArtifactError, match="not the examples that was registered"):
        store.fetch("tiny", 1, "examples")
