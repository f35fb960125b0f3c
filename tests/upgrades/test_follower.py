"""Following a store: what is taken up, what is refused, and what goes on answering meanwhile.

The test looks at the store itself, whenever it likes; no thread, no clock.
"""

import asyncio
import gc
import json
import shutil
import uuid
import weakref

import fsspec
import pytest
from made_versions import CLASSIFICATION

from bertworks.contracts.known import KNOWN
from bertworks.serving.engine.batcher import Batcher
from bertworks.serving.identity import in_store
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.upgrades.admission import BundleRefused, admit
from bertworks.serving.upgrades.follower import PATIENCE, Follower
from bertworks.serving.upgrades.pointers import StoreSource
from bertworks.serving.upgrades.versions import Versions
from bertworks.spec.upgrades import Follow
from bertworks.storage.challengers import Challengers

TEXTS = ["good film", "bad story .", "so so", "the very good plot"]


@pytest.fixture(scope="module")
def batcher():
    made = Batcher(1)
    yield made
    made.close()


class Followed:
    """A follower of a store, and all that it told."""

    def __init__(self, uri, batcher, rules=None, available=lambda: None):
        self.uri, self.batcher, self.loads, self.events, self.trials = uri, batcher, 0, [], []
        self.rules, self.available, self.now = rules or Follow(), available, 0.0
        self.versions = Versions(self.load(in_store(uri, "mood", 1)))
        self.loads = 0
        self.follower = Follower(
            StoreSource(uri, "mood"), self.versions, self.admit, "mood",
            told=self.events.append, trial=self.trials.append, clock=lambda: self.now,
        )  # fmt: skip

    def load(self, located):
        self.loads += 1
        bundle = LoadedBundle.load(located.folder, self.batcher, "mood", located.identity)
        bundle.held = located.store
        return bundle

    def admit(self, located):
        champion = self.versions.state.champion.agent.info
        return admit(located, champion, self.load, self.rules, lambda: self.available())

    def look(self):
        """Looks, and gives what was told since."""
        self.events.clear()
        self.follower.look()
        return [(event.outcome, event.version, event.reason) for event in self.events]

    @property
    def serves(self):
        return self.versions.state.champion.identity.version


@pytest.fixture(params=["disk", "bucket"])
def uri(request, tmp_path):
    return str(tmp_path / "s") if request.param == "disk" else f"memory://f-{uuid.uuid4().hex}"


def answers(bundle):
    async def ask():
        return await bundle.work(TEXTS).future

    return asyncio.run(ask())


def test_what_is_made_the_champion_serves_and_what_was_goes_back_at_once(uri, versions, batcher):
    store = versions.store(uri, versions.bundle(0), versions.bundle(1))
    followed = Followed(uri, batcher)
    before = followed.versions.choose(None)
    said = answers(before)
    assert followed.look() == []
    store.promote("mood", 2)
    assert followed.look() == [("swapped", 2, "")]
    assert (followed.serves, followed.loads) == (2, 1)
    # One that was chosen before goes on to be answered by what was chosen.
    assert answers(before) == said != answers(followed.versions.choose(None))
    store.rollback("mood")
    assert followed.look() == [("back", 1, "")]
    assert (followed.serves, followed.loads) == (1, 1)
    assert followed.versions.choose(None) is before
    assert followed.look() == []


def test_the_one_before_the_one_before_is_freed(uri, versions, batcher):
    store = versions.store(uri, *map(versions.bundle, range(3)))
    followed = Followed(uri, batcher)
    lanes = len(batcher._lanes)
    first = weakref.ref(followed.versions.state.champion.agent)
    for number in (2, 3):
        store.promote("mood", number)
        followed.look()
    gc.collect()
    assert first() is None
    assert len(batcher._lanes) <= lanes + 1
    state = followed.versions.state
    assert [one.identity.version for one in state.loaded] == [3, 2]


def not_loadable(folder):
    (folder / "model.onnx").write_bytes(b"no graph")


def wrong_answers(folder):
    found = json.loads((folder / KNOWN.name).read_text())
    found["rows"][0]["logits"][0] += 5
    (folder / KNOWN.name).write_text(json.dumps(found))


def no_agent(folder):
    (folder / "agent.json").write_text("{}")


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ({"damage": not_loadable}, "load"),
        ({"damage": wrong_answers}, "answers"),
        ({"damage": no_agent}, "damaged"),
        ({"labels": ["bad", "good", "so"]}, "labels"),
        ({"task": {"type": "tagging"}, "labels": ["O", "B-X"]}, "task"),
        ({"task": CLASSIFICATION | {"pair": True}}, "task"),
    ],
)
def test_a_bad_bundle_never_replaces_a_good_one(tmp_path, versions, batcher, made, reason):
    uri = str(tmp_path / "s")
    store = versions.store(uri, versions.bundle(0), versions.bundle(1, **made), versions.bundle(2))
    followed = Followed(uri, batcher)
    lanes = len(batcher._lanes)
    store.promote("mood", 2)
    assert followed.look() == [("refused", 2, reason)]
    assert "version 2 is refused as champion" in followed.events[0].text
    assert followed.serves == 1
    loads = followed.loads
    assert followed.look() == followed.look() == []  # told once, and not loaded again
    assert followed.loads == loads
    assert "champion" in followed.follower.refused
    assert len(batcher._lanes) <= lanes
    store.promote("mood", 3)
    assert followed.look() == [("swapped", 3, "")]
    assert followed.follower.refused == {}


def test_other_labels_are_taken_where_that_is_allowed(tmp_path, versions, batcher):
    store = versions.store(
        tmp_path / "s", versions.bundle(0), versions.bundle(1, labels=["bad", "good", "so"])
    )
    followed = Followed(str(tmp_path / "s"), batcher, Follow(other_labels=True))
    store.promote("mood", 2)
    assert followed.look() == [("swapped", 2, "")]


def test_a_damaged_file_is_refused_until_it_is_mended(tmp_path, versions, batcher):
    store = versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    followed = Followed(str(tmp_path / "s"), batcher)
    graph = tmp_path / "s" / "mood" / "versions" / "2" / "bundle" / "model.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1] + b"x")
    store.promote("mood", 2)
    assert followed.look() == [("refused", 2, "damaged")]
    assert followed.look() == []
    graph.write_bytes(whole)
    assert followed.look() == [("swapped", 2, "")]


def test_a_bundle_that_is_still_being_written_is_waited_for(versions, batcher):
    name = f"f-{uuid.uuid4().hex}"
    store = versions.store(f"memory://{name}", versions.bundle(0), versions.bundle(1))
    followed = Followed(f"memory://{name}", batcher)
    files = fsspec.filesystem("memory")
    folder = f"/{name}/mood/versions/2/bundle"
    late = {file: files.cat_file(f"{folder}/{file}") for file in ("model.onnx", "manifest.json")}
    for file in late:
        files.rm(f"{folder}/{file}")
    store.promote("mood", 2)
    for file, content in late.items():
        assert followed.look() == [("refused", 2, "damaged")]
        assert followed.serves == 1
        files.pipe_file(f"{folder}/{file}", content[: len(content) // 2])
        assert followed.look() == [("refused", 2, "damaged")]
        files.pipe_file(f"{folder}/{file}", content)
    assert followed.look() == [("swapped", 2, "")]


def test_a_pointer_that_is_half_written_is_waited_for(tmp_path, versions, batcher):
    store = versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    followed = Followed(str(tmp_path / "s"), batcher)
    store.promote("mood", 2)
    pointer = tmp_path / "s" / "mood" / "champion.json"
    whole = pointer.read_bytes()
    pointer.write_bytes(whole[: len(whole) // 2])
    assert followed.look() == [("refused", 0, "pointer")]
    assert followed.look() == []
    assert followed.serves == 1
    pointer.unlink()
    assert followed.look() == []
    pointer.write_bytes(whole)
    assert followed.look() == [("swapped", 2, "")]


def test_a_store_that_cannot_be_reached_is_asked_less_often(
    tmp_path, versions, batcher, monkeypatch
):
    store = versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    followed = Followed(str(tmp_path / "s"), batcher)
    usual = followed.follower.wait(5)
    store.promote("mood", 2)

    def gone(self):
        raise TimeoutError("no route")

    with monkeypatch.context() as patched:
        patched.setattr(StoreSource, "wanted", gone)
        assert followed.look() == [("unreachable", 0, "")]
        for _ in range(6):
            assert followed.look() == []
        assert followed.follower.failures == 7
        assert 4 <= usual <= 6 < 48 <= followed.follower.wait(5) <= 72
    assert answers(followed.versions.choose(None))
    assert followed.look() == [("swapped", 2, "")]
    assert followed.follower.failures == 0


def test_a_store_that_goes_away_while_a_bundle_is_fetched(tmp_path, versions, batcher, monkeypatch):
    store = versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    followed = Followed(str(tmp_path / "s"), batcher)
    store.promote("mood", 2)

    def gone(self, version):
        raise ConnectionError("reset")

    with monkeypatch.context() as patched:
        patched.setattr(StoreSource, "fetch", gone)
        assert followed.look() == [("unreachable", 0, "")]
    assert followed.look() == [("swapped", 2, "")]


def test_without_room_what_is_kept_goes_first_and_then_the_new_one_waits(
    tmp_path, versions, batcher
):
    store = versions.store(tmp_path / "s", *map(versions.bundle, range(3)))
    free = [None]
    followed = Followed(str(tmp_path / "s"), batcher, available=lambda: free[-1])
    store.promote("mood", 2)
    followed.look()
    free[-1] = 1 << 20
    store.promote("mood", 3)
    assert followed.look() == [("refused", 3, "memory")]
    assert "1 MiB are free" in followed.events[0].text
    assert followed.versions.state.previous is None
    free[-1] = 1 << 40
    assert followed.look() == []
    followed.now += PATIENCE
    assert followed.look() == [("swapped", 3, "")]


def test_memory_that_runs_out_while_loading_is_a_refusal(tmp_path, versions):
    versions.store(tmp_path / "s", versions.bundle(0))
    located = in_store(str(tmp_path / "s"), "mood", 1)
    from bertworks.contracts.agent import AGENT

    def load(located):
        raise MemoryError

    with pytest.raises(BundleRefused, match="no memory") as caught:
        admit(located, AGENT.read(located.folder), load, Follow(), lambda: None)
    assert caught.value.passing


def test_a_challenger_is_loaded_beside_and_ends_with_its_pointer(uri, versions, batcher):
    versions.store(uri, versions.bundle(0), versions.bundle(1), versions.bundle(2))
    followed = Followed(uri, batcher)
    trials = Challengers(uri, "mood")
    trials.challenge(2)
    assert followed.look() == [("tried", 2, "")]
    assert followed.trials[-1].identity.version == 2
    assert followed.serves == 1
    trials.withdraw()
    followed.look()
    assert followed.trials[-1] is None


def test_a_bad_challenger_is_not_tried(tmp_path, versions, batcher):
    uri = str(tmp_path / "s")
    versions.store(uri, versions.bundle(0), versions.bundle(1, damage=wrong_answers))
    followed = Followed(uri, batcher)
    Challengers(uri, "mood").challenge(2)
    assert followed.look() == [("refused", 2, "answers")]
    assert followed.look() == []
    assert set(followed.trials) == {None}


def test_a_version_that_is_deleted_is_refused_and_the_old_one_serves(tmp_path, versions, batcher):
    store = versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    followed = Followed(str(tmp_path / "s"), batcher)
    store.promote("mood", 2)
    shutil.rmtree(tmp_path / "s" / "mood" / "versions" / "2")
    assert followed.look() == [("refused", 2, "damaged")]
    assert answers(followed.versions.choose(None))
