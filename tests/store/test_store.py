"""The model store: versions, the champion pointer, writers that collide or die."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bertworks.contracts.decision import Decision
from bertworks.errors import ArtifactError, EnvironmentFault, GateRefused
from bertworks.storage import artifacts, sealed
from bertworks.storage import places as store_places
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.storage.store import Store

PASSED = Decision(True, "accuracy", [], [])
REFUSED = replace(PASSED, passed=False, reasons=["accuracy is 0.5, the gate asks for 0.8"])


def make(folder: Path, text: str) -> tuple[Artifact, Artifact]:
    """A bundle that holds `text`, and its metrics."""
    with artifacts.write(folder / f"bundle-{text}", kind="bundle", producer="test") as inside:
        (inside / "model.onnx").write_text(text * 1000)
        (inside / "deep").mkdir()
        (inside / "deep" / "file.txt").write_text(text)
    bundle = open_artifact(folder / f"bundle-{text}")
    with artifacts.write(
        folder / f"metrics-{text}", kind="metrics", producer="test", parents={"agent": bundle}
    ) as inside:
        (inside / "metrics.json").write_text(
            json.dumps([{"name": "accuracy", "value": 0.9, "slice": "", "rows": 9}])
        )
    return bundle, open_artifact(folder / f"metrics-{text}")


@pytest.fixture(params=["disk", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "disk":
        return Store(tmp_path / "store")
    return Store(f"memory://store-{uuid.uuid4().hex}")


def test_versions_are_numbered_and_found_again(store: Store, tmp_path: Path) -> None:
    assert store.list("agent") == []
    assert store.champion("agent") is None
    first = store.add(*arguments(tmp_path, "a"))
    second = store.add(*arguments(tmp_path, "b"))
    assert (first.number, second.number) == (1, 2)
    assert [one.number for one in store.list("agent")] == [1, 2]
    assert store.names() == ["agent"]
    kept = store.fetch("agent", 2)
    assert (kept / "deep" / "file.txt").read_text() == "b"
    assert store.fetch("agent", 2, "metrics").kind == "metrics"
    assert store.show("agent", 1).record.metrics[0].value == 0.9


def arguments(folder: Path, text: str) -> tuple[Artifact, str, Decision, Artifact]:
    bundle, metrics = make(folder, text)
    return bundle, "agent", PASSED, metrics


def test_the_same_bundle_is_one_version(store: Store, tmp_path: Path) -> None:
    given = arguments(tmp_path, "a")
    assert store.add(*given).number == store.add(*given).number == 1
    assert len(store.list("agent")) == 1


def test_promote_and_roll_back(store: Store, tmp_path: Path) -> None:
    for text in "abc":
        store.add(*arguments(tmp_path, text))
    for number in (1, 3, 2):
        assert store.promote("agent", number).champion
    assert [one.number for one in store.list("agent") if one.champion] == [2]
    assert store.rollback("agent").number == 3
    assert store.rollback("agent").number == 1
    with pytest.raises(ArtifactError, match="no earlier champion"):
        store.rollback("agent")
    champion = store.champion("agent")
    assert champion is not None and champion.number == 1


def test_promoting_the_champion_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    store.add(*arguments(tmp_path, "a"))
    store.promote("agent", 1)
    store.promote("agent", 1)
    with pytest.raises(ArtifactError, match="no earlier champion"):
        store.rollback("agent")


def test_a_refused_bundle_is_kept_but_not_promoted(store: Store, tmp_path: Path) -> None:
    bundle, metrics = make(tmp_path, "a")
    with pytest.raises(GateRefused):
        store.add(bundle, "agent", REFUSED, metrics)
    kept = store.refuse(bundle, "agent", REFUSED, metrics)
    assert kept.state == "refused"
    assert kept.record.decision.reasons == REFUSED.reasons
    assert store.fetch("agent", 1).digest == bundle.digest
    with pytest.raises(GateRefused, match=r"0\.8"):
        store.promote("agent", 1)
    assert store.champion("agent") is None
    # The same bundle under gates that it meets.
    assert store.add(bundle, "agent", PASSED, metrics).state == "passed"
    assert store.promote("agent", 1).champion


def test_what_was_let_through_stays_so_under_stricter_gates(store: Store, tmp_path: Path) -> None:
    for text in "abc":
        store.add(*arguments(tmp_path, text))
    for number in (1, 2, 3):
        store.promote("agent", number)
    for text, number in (("c", 3), ("b", 2)):
        before = store.show("agent", number)
        bundle, metrics = make(tmp_path, text)
        kept = store.refuse(bundle, "agent", REFUSED, metrics)
        assert kept == before == store.show("agent", number)
        assert kept.state == "passed" and kept.record.decision == PASSED
    assert store.champion("agent").number == 3
    assert store.rollback("agent").number == 2
    assert store.promote("agent", 3).champion


def test_rollback_steps_over_what_is_marked_as_refused(tmp_path: Path) -> None:
    """As in a store where an earlier version overwrote the record of what it had let through."""
    store = Store(tmp_path / "store")
    for text in "abc":
        store.add(*arguments(tmp_path, text))
    for number in (1, 2, 3):
        store.promote("agent", number)
    file = tmp_path / "store/agent/versions/2/record.json"
    said = {**json.loads(file.read_text()), "state": "refused"}
    said.pop("seal")
    file.write_text(json.dumps(sealed.seal(said)))
    assert store.show("agent", 2).state == "refused"
    assert store.rollback("agent").number == 1


def test_a_missing_version_says_which_there_are(store: Store, tmp_path: Path) -> None:
    store.add(*arguments(tmp_path, "a"))
    with pytest.raises(ArtifactError, match="It has: 1"):
        store.show("agent", 7)
    with pytest.raises(ArtifactError, match="It has: 1"):
        store.promote("agent", 7)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"state": "passed"}'])
def test_a_damaged_record_is_an_error_and_is_listed(damage: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.add(*arguments(tmp_path, "a"))
    store.add(*arguments(tmp_path, "b"))
    (tmp_path / "store/agent/versions/1/record.json").write_text(damage)
    with pytest.raises(ArtifactError, match="damaged"):
        store.show("agent", 1)
    assert [one.state for one in store.list("agent")] == ["damaged", "passed"]
    with pytest.raises(ArtifactError, match="damaged"):
        store.promote("agent", 1)


def test_a_damaged_champion_pointer_is_an_error_until_promote_mends_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.add(*arguments(tmp_path, "a"))
    store.promote("agent", 1)
    (tmp_path / "store/agent/champion.json").write_text("not json")
    with pytest.raises(ArtifactError, match=r"champion\.json is damaged") as raised:
        store.champion("agent")
    assert "Delete the file" in raised.value.fix
    assert "`bertworks models promote agent N`" in raised.value.fix
    with pytest.raises(ArtifactError, match=r"champion\.json is damaged"):
        store.rollback("agent")
    assert [(one.state, one.champion) for one in store.list("agent")] == [("passed", False)]
    assert store.promote("agent", 1).champion
    assert store.champion("agent") == store.show("agent", 1)


def _damage(bundle: Path) -> None:
    (bundle / "model.onnx").write_text("x")


@pytest.mark.parametrize("harm", [_damage, shutil.rmtree])
def test_a_known_bundle_that_was_harmed_is_added_anew(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    given = arguments(tmp_path, "a")
    store.add(*given)
    harm(tmp_path / "store/agent/versions/1/bundle")
    assert store.add(*given).number == store.add(*given).number == 2
    assert store.fetch("agent", 2).digest == given[0].digest


def test_rollback_steps_over_versions_that_cannot_serve(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for number, text in enumerate("abcde", 1):
        store.add(*arguments(tmp_path, text))
        store.promote("agent", number)
    versions = tmp_path / "store/agent/versions"
    (versions / "2/record.json").write_text("{")
    shutil.rmtree(versions / "3")
    _damage(versions / "4/bundle")
    assert store.rollback("agent").number == 1


def test_a_number_that_was_taken_again_is_told_apart(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.add(*arguments(tmp_path, "a"))
    store.promote("agent", 1)
    shutil.rmtree(tmp_path / "store/agent/versions/1")
    assert store.add(*arguments(tmp_path, "b")).number == 1
    with pytest.raises(ArtifactError, match="but the store holds"):
        store.champion("agent")
    assert store.promote("agent", 1) == store.champion("agent")
    with pytest.raises(ArtifactError, match="no earlier champion"):
        store.rollback("agent")


@pytest.mark.parametrize("name", ["../../zzz", "", ".", "a/b", "-a", "A", "a\n", "a" * 54])
def test_what_is_no_agents_name_is_refused(name: str, store: Store, tmp_path: Path) -> None:
    bundle, metrics = make(tmp_path, "a")
    for act in (
        lambda: store.add(bundle, name, PASSED, metrics),
        lambda: store.refuse(bundle, name, REFUSED, metrics),
        lambda: store.promote(name, 1),
        lambda: store.rollback(name),
        lambda: store.champion(name),
        lambda: store.list(name),
        lambda: store.show(name, 1),
        lambda: store.fetch(name, 1),
    ):
        with pytest.raises(ArtifactError, match="is not an agent's name"):
            act()


def test_asking_for_an_unknown_agent_makes_no_folder(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for act in (lambda: store.promote("other", 1), lambda: store.rollback("other")):
        with pytest.raises(ArtifactError):
            act()
    assert store.list("other") == [] and store.champion("other") is None
    assert not (tmp_path / "store").exists()


def test_a_flipped_byte_in_a_bundle_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.add(*arguments(tmp_path, "a"))
    file = tmp_path / "store/agent/versions/1/bundle/model.onnx"
    file.write_bytes(b"b" + file.read_bytes()[1:])
    with pytest.raises(ArtifactError, match="damaged"):
        store.fetch("agent", 1)


def test_a_bundle_swapped_for_another_whole_one_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.add(*arguments(tmp_path, "a"))
    store.add(*arguments(tmp_path, "b"))
    versions = tmp_path / "store/agent/versions"
    (versions / "1/bundle").rename(tmp_path / "away")
    (versions / "2/bundle").rename(versions / "1/bundle")
    with pytest.raises(ArtifactError, match="not the bundle that was registered"):
        store.fetch("agent", 1)


def test_a_bucket_version_without_its_record_does_not_exist(tmp_path: Path) -> None:
    store = Store(f"memory://store-{uuid.uuid4().hex}")
    store.add(*arguments(tmp_path, "a"))
    # A writer that died after its claim and before its record.
    store._place.replace("agent/versions/2/claim", b"")
    store._place.replace("agent/versions/2/bundle/model.onnx", b"half")
    assert [one.number for one in store.list("agent")] == [1]
    assert store.add(*arguments(tmp_path, "b")).number == 3


def test_an_unwritable_store_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(EnvironmentFault, match="cannot be written"):
        Store(tmp_path / "file" / "store").add(*arguments(tmp_path, "a"))
    with pytest.raises(EnvironmentFault, match="cannot be opened"):
        Store("nosuchscheme://somewhere")


def _in_process(target: Callable[..., None], *args: Any) -> multiprocessing.Process:
    process = multiprocessing.get_context("fork").Process(target=target, args=args)
    process.start()
    return process


def _add_many(root: Path, work: Path, texts: str) -> None:
    for text in texts:
        Store(root).add(*arguments(work, text))


def test_two_processes_get_different_versions(tmp_path: Path) -> None:
    root = tmp_path / "store"
    writers = [
        _in_process(_add_many, root, tmp_path / str(n), texts)
        for n, texts in enumerate(("abcdef", "ghijkl"))
    ]
    for writer in writers:
        writer.join(30)
        assert writer.exitcode == 0
    found = Store(root).list("agent")
    assert [one.number for one in found] == list(range(1, 13))
    assert len({one.digest for one in found}) == 12
    assert all(Store(root).fetch("agent", one.number).digest == one.digest for one in found)


def test_a_number_is_not_taken_twice_without_the_lock(tmp_path: Path) -> None:
    """Two machines on one network disk may not see each other's locks."""
    place = store_places.Disk(tmp_path / "store")
    file = tmp_path / "record.json"
    file.write_text("{}")
    versions = tmp_path / "store/agent/versions"
    (versions / "1").mkdir(parents=True)
    (versions / "1" / "record.json").write_text("theirs")
    place.numbers = lambda name: []  # type: ignore[method-assign]
    assert place.publish("agent", {"record.json": file}) == 2
    assert (versions / "1" / "record.json").read_text() == "theirs"


def _two_versions(tmp_path: Path) -> Path:
    store = Store(tmp_path / "store")
    for text in "ab":
        store.promote("agent", store.add(*arguments(tmp_path, text)).number)
    return tmp_path / "store/agent"


@pytest.mark.parametrize("name", ["versions/1/record.json", "champion.json"])
def test_no_flipped_bit_of_a_record_changes_what_is_believed(tmp_path: Path, name: str) -> None:
    file = _two_versions(tmp_path) / name
    store, written = Store(tmp_path / "store"), file.read_bytes()
    whole = store.show("agent", 1), store.champion("agent")
    for position in range(len(written)):
        damaged = bytearray(written)
        damaged[position] ^= 1 << position % 7
        file.write_bytes(damaged)
        try:  # What passes may only be other white space.
            assert (store.show("agent", 1), store.champion("agent")) == whole
        except ArtifactError as error:
            assert str(file) in error.message and error.fix


@pytest.mark.parametrize(
    "edit",
    [{"version": "1/../1"}, {"version": 0}, {"version": True}, {"history": None}, {"history": [1]}],
)
def test_a_pointer_that_names_no_version_is_refused(tmp_path: Path, edit: dict[str, Any]) -> None:
    file = _two_versions(tmp_path) / "champion.json"
    old = {key: value for key, value in json.loads(file.read_text()).items() if key != "seal"}
    for form in (old | {"format": 1} | edit, sealed.seal(old | edit)):
        file.write_text(json.dumps(form))
        for call in (Store(tmp_path / "store").champion, Store(tmp_path / "store").rollback):
            with pytest.raises(ArtifactError, match=r"champion\.json is damaged"):
                call("agent")
    Store(tmp_path / "store").promote("agent", 1)  # the way out


def test_records_of_before_there_were_seals_are_read_and_sealed(tmp_path: Path) -> None:
    folder = _two_versions(tmp_path)
    for file in (folder / "champion.json", *folder.glob("versions/*/record.json")):
        old = {key: value for key, value in json.loads(file.read_text()).items() if key != "seal"}
        file.write_text(json.dumps(old | {"format": 1}))
    store = Store(tmp_path / "store")
    assert store.rollback("agent").number == 1
    assert "seal" in json.loads((folder / "champion.json").read_text())


def _hang_while_copying(root: Path, work: Path) -> None:
    def slow(source: Path, target: Path) -> None:
        target.mkdir()
        (target / "half").write_text("half")
        time.sleep(600)

    store_places.shutil.copytree = slow  # type: ignore[assignment]
    Store(root).add(*arguments(work, "z"))


def test_a_killed_writer_leaves_nothing_half_written(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = Store(root)
    store.add(*arguments(tmp_path, "a"))
    store.promote("agent", 1)
    writer = _in_process(_hang_while_copying, root, tmp_path / "work")
    deadline = time.monotonic() + 300
    while not list(root.glob("agent/versions/.*/bundle/half")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    assert [one.number for one in store.list("agent")] == [1]
    champion = store.champion("agent")
    assert champion is not None and champion.number == 1
    # The lock went with its holder, and the next writer goes on.
    assert store.add(*arguments(tmp_path, "b")).number == 2
    left = next(root.glob("agent/versions/.*.partial"))
    os.utime(left, (0, 0))
    store.add(*arguments(tmp_path, "c"))
    assert not left.exists()


def _promote_in_turn(root: Path, numbers: list[int]) -> None:
    for number in numbers * 20:
        Store(root).promote("agent", number)


def test_readers_never_see_half_a_pointer(tmp_path: Path) -> None:
    root = tmp_path / "store"
    for text in "ab":
        Store(root).add(*arguments(tmp_path, text))
    Store(root).promote("agent", 1)
    writer = _in_process(_promote_in_turn, root, [1, 2])
    seen = set()
    while writer.is_alive():
        champion = Store(root).champion("agent")
        assert champion is not None
        seen.add(champion.number)
    writer.join()
    assert writer.exitcode == 0
    assert seen <= {1, 2}
