"""What every place of a model store must do. A new one inherits the tests by one line:

class TestMine(PlaceConformance): uri = staticmethod(lambda folder: f"mine://{folder.name}")
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest

from bertworks.contracts.decision import Decision
from bertworks.errors import ArtifactError
from bertworks.storage import artifacts
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.storage.places import Place, place
from bertworks.storage.store import Store

PASSED = Decision(True, "accuracy", [], [])
REFUSED = Decision(False, "accuracy", [], ["accuracy is 0.5, the gate asks for 0.8"])


def folder_of(path: Path, **files: str) -> Path:
    """A folder with a file beside one that lies deeper."""
    for name, text in files.items():
        file = path / "deep" / name if name.startswith("d") else path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


def bundle_of(folder: Path, text: str) -> tuple[Artifact, Artifact]:
    """A bundle that holds `text`, and its metrics."""
    with artifacts.write(folder / f"bundle-{text}", kind="bundle", producer="test") as inside:
        folder_of(inside, model=text * 1000, deeper=text)
    bundle = open_artifact(folder / f"bundle-{text}")
    with artifacts.write(
        folder / f"metrics-{text}", kind="metrics", producer="test", parents={"agent": bundle}
    ) as inside:
        entry = {"name": "accuracy", "value": 0.9, "slice": "", "rows": 9}
        artifacts.write_json(inside / "metrics.json", [entry])
    return bundle, open_artifact(folder / f"metrics-{text}")


class PlaceConformance:
    """The suite; a subclass says where: `uri` makes a place of its own of a test's folder."""

    uri: ClassVar[Callable[[Path], str]]

    @pytest.fixture
    def root(self, tmp_path: Path) -> str:
        return type(self).uri(tmp_path / "root")

    @pytest.fixture
    def here(self, root: str) -> Place:
        return place(root)

    def published(self, here: Place, folder: Path, text: str, name: str = "agent") -> int:
        folder_of(folder / text, model=text, deeper=text)
        (folder / f"{text}.json").write_text(json.dumps({"text": text}))
        parts = {"bundle": folder / text, "record.json": folder / f"{text}.json"}
        return here.publish(name, parts)

    def test_a_file_is_there_whole_once_it_was_put(self, here: Place) -> None:
        assert here.read("agent/champion.json") is None
        here.replace("agent/champion.json", b"one")
        assert here.read("agent/champion.json") == b"one"
        here.replace("agent/champion.json", b"")
        assert here.read("agent/champion.json") == b""
        assert here.uri("agent/champion.json").endswith("agent/champion.json")

    def test_of_all_that_create_a_file_at_once_one_does(self, root: str, tmp_path: Path) -> None:
        def create(text: str) -> bool:
            return place(root).create("agent/decided/1.json", text.encode())

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(create, "abcdefgh"))
        (first,) = [text for text, ours in zip("abcdefgh", found, strict=True) if ours]
        assert place(root).read("agent/decided/1.json") == first.encode()
        assert place(root).files("agent/decided") == ["1.json"]
        assert not place(root).create("agent/decided/1.json", b"later")
        place(root).remove("agent/decided/1.json")
        assert place(root).create("agent/decided/1.json", b"anew")

    def test_what_one_puts_another_reads(self, root: str, here: Place) -> None:
        other = place(root)
        assert other.read("a/b") is None and other.names() == []
        here.replace("a/b", b"seen")
        assert other.read("a/b") == b"seen" and other.names() == ["a"]

    def test_versions_are_numbered_from_1(self, here: Place, tmp_path: Path) -> None:
        assert here.names() == [] and here.numbers("agent") == []
        assert [self.published(here, tmp_path, text) for text in "abc"] == [1, 2, 3]
        assert self.published(here, tmp_path, "d", "other") == 1
        assert here.names() == ["agent", "other"] and here.numbers("agent") == [1, 2, 3]
        copy = here.local("agent/versions/2/bundle")
        assert (copy / "model").read_text() == (copy / "deep" / "deeper").read_text() == "b"
        assert json.loads(here.read("agent/versions/2/record.json") or b"") == {"text": "b"}

    def test_writers_at_the_same_time_get_different_numbers(
        self, root: str, tmp_path: Path
    ) -> None:
        def publish(text: str) -> int:
            here = place(root)
            with here.turn("agent"):
                return self.published(here, tmp_path, text)

        with ThreadPoolExecutor(4) as pool:
            found = sorted(pool.map(publish, "abcd"))
        assert found == [1, 2, 3, 4] == place(root).numbers("agent")

    def test_a_folder_that_is_attached_replaces_what_is_there(
        self, here: Place, tmp_path: Path
    ) -> None:
        self.published(here, tmp_path, "a")
        first, second = tmp_path / "first", tmp_path / "second"
        here.attach("agent/versions/1/more", folder_of(first, gone="1", same="1", deep="1"))
        here.attach("agent/versions/1/more", folder_of(second, same="2"))
        copy = here.local("agent/versions/1/more")
        found = {file.name: file.read_text() for file in copy.rglob("*") if file.is_file()}
        assert found == {"same": "2"}

    def test_files_are_listed_and_removed(self, here: Place, tmp_path: Path) -> None:
        assert here.files("agent/outcomes") == []
        for name in ("b.json", "a.json"):
            here.replace(f"agent/outcomes/{name}", b"{}")
        here.replace("agent/outcomes/deep/c.json", b"{}")
        assert here.files("agent/outcomes") == ["a.json", "b.json"]
        here.remove("agent/outcomes/a.json")
        here.remove("agent/outcomes/a.json")
        assert here.files("agent/outcomes") == ["b.json"]
        here.remove("agent/outcomes")
        assert here.files("agent/outcomes") == [] and here.read("agent/outcomes/b.json") is None

    def test_a_stamp_changes_with_what_is_in_a_folder(
        self, root: str, here: Place, tmp_path: Path
    ) -> None:
        bundle = "agent/versions/1/bundle"
        assert here.stamp(bundle) == ""
        self.published(here, tmp_path, "a")
        first = here.stamp(bundle)
        assert first and first == here.stamp(bundle) == place(root).stamp(bundle)
        # Another one writes: what was listed before must not be remembered.
        place(root).replace(f"{bundle}/model", b"longer")
        second = here.stamp(bundle)
        place(root).replace(f"{bundle}/deep/more", b"")
        third = here.stamp(bundle)
        assert len({first, second, third}) == 3
        copy = here.local(bundle)
        assert (copy / "model").read_text() == "longer" and (copy / "deep" / "more").exists()
        here.remove(f"{bundle}/deep/more")
        assert here.stamp(bundle) == second

    def test_a_folder_that_is_missing_is_an_error(self, root: str, tmp_path: Path) -> None:
        store = Store(root)
        bundle, metrics = bundle_of(tmp_path, "a")
        store.add(bundle, "agent", PASSED, metrics)
        place(root).remove("agent/versions/1/bundle")
        with pytest.raises(ArtifactError):
            store.fetch("agent", 1)

    def test_a_store_lives_there(self, root: str, tmp_path: Path) -> None:
        store = Store(root)
        assert store.champion("agent") is None and store.list("agent") == []
        for text, keep in (("a", store.add), ("b", store.add), ("c", store.refuse)):
            bundle, metrics = bundle_of(tmp_path, text)
            keep(bundle, "agent", REFUSED if text == "c" else PASSED, metrics)
        again = store.add(*_again(tmp_path, "a"))
        assert again.number == 1 and [one.number for one in store.list("agent")] == [1, 2, 3]
        store.promote("agent", 1)
        store.promote("agent", 2)
        seen = Store(root)
        champion = seen.champion("agent")
        assert champion is not None and champion.number == 2 and seen.names() == ["agent"]
        assert (seen.fetch("agent", 2) / "deep" / "deeper").read_text() == "b"
        assert seen.fetch("agent", 2, "metrics").json("metrics.json")[0]["value"] == 0.9
        assert seen.rollback("agent").number == 1


def _again(folder: Path, text: str) -> tuple[Artifact, str, dict[str, object], Artifact]:
    bundle, metrics = (open_artifact(folder / f"{kind}-{text}") for kind in ("bundle", "metrics"))
    return bundle, "agent", PASSED, metrics
