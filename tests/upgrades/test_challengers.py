"""The pointer to the challenger, and the records of what trials came to."""

import uuid
from dataclasses import replace

import pytest
from made_versions import record

from bertworks.errors import ArtifactError, GateRefused
from bertworks.storage.challengers import Challengers
from bertworks.storage.store import Store


@pytest.fixture(params=["disk", "bucket"])
def uri(request, tmp_path):
    return str(tmp_path / "s") if request.param == "disk" else f"memory://c-{uuid.uuid4().hex}"


@pytest.fixture
def store(uri, versions):
    return versions.store(uri, versions.bundle(0), versions.bundle(1))


def test_a_challenger_is_named_and_withdrawn(uri, store):
    trials = Challengers(uri, "mood")
    assert trials.present() is None
    assert trials.challenge(2).number == 2
    assert (trials.present().version, trials.present().digest) == (2, store.show("mood", 2).digest)
    assert trials.withdraw()
    assert not trials.withdraw()
    assert trials.present() is None


def test_one_that_is_the_champion_by_now_is_no_challenger(uri, store):
    trials = Challengers(uri, "mood")
    trials.challenge(2)
    store.promote("mood", 2)
    assert trials.present() is None
    store.rollback("mood")
    assert trials.present().version == 2


def test_what_cannot_challenge_is_refused(uri, store, versions):
    trials = Challengers(uri, "mood")
    with pytest.raises(ArtifactError, match="version 1 is the champion"):
        trials.challenge(1)
    with pytest.raises(ArtifactError, match="no version 9"):
        trials.challenge(9)
    versions.store(uri, versions.bundle(0), champion=None, name="other")
    with pytest.raises(ArtifactError, match="no champion to challenge"):
        Challengers(uri, "other").challenge(1)
    with pytest.raises(ArtifactError, match="not an agent's name"):
        Challengers(uri, "../x")


def test_one_that_its_gates_refused_is_not_tried(tmp_path, versions):
    from made_versions import PASSED

    from bertworks.storage.artifacts import open_artifact

    store = versions.store(tmp_path / "s", versions.bundle(0))
    number = versions.add(store, versions.bundle(1))
    assert number == 2
    bundle = open_artifact(versions.bundle(2))
    metrics = open_artifact(versions.root / f"metrics-{store.show('mood', 1).digest[:12]}")
    store.refuse(bundle, "mood", replace(PASSED, passed=False, reasons=["too slow"]), metrics)
    with pytest.raises(GateRefused, match="was refused: too slow"):
        Challengers(str(tmp_path / "s"), "mood").challenge(3)


def test_a_damaged_pointer_is_told_with_what_to_do(tmp_path, versions):
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    trials = Challengers(str(tmp_path / "s"), "mood")
    trials.challenge(2)
    file = tmp_path / "s" / "mood" / "challenger.json"
    file.write_text(file.read_text().replace('"version": 2', '"version": 1'))
    with pytest.raises(ArtifactError, match="its seal does not fit.*\n.*bertworks canary start"):
        trials.present()
    trials.challenge(2)
    assert trials.present().version == 2


@pytest.mark.parametrize(("outcome", "champion"), [("promoted", 2), ("put back", 1)])
def test_a_decision_is_carried_out_and_kept(uri, store, outcome, champion):
    trials = Challengers(uri, "mood")
    trials.challenge(2)
    made = record(store, outcome)
    assert trials.decide(made)
    assert Store(uri).champion("mood").number == champion
    assert trials.read() is None
    assert trials.every() == [made]
    assert not trials.decide(made)  # another server came to the same: nothing is left to decide
    assert len(trials.every()) == 1


def test_a_decision_about_what_is_past_changes_nothing(uri, store, versions):
    trials = Challengers(uri, "mood")
    trials.challenge(2)
    late = record(store)
    versions.add(store, versions.bundle(3))
    store.promote("mood", 3)
    assert not trials.decide(late)
    assert store.champion("mood").number == 3
    assert trials.every() == []


def test_a_record_that_is_damaged_is_left_out(tmp_path, versions):
    store = versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    trials = Challengers(str(tmp_path / "s"), "mood")
    trials.challenge(2)
    trials.decide(record(store, "put back"))
    (tmp_path / "s" / "mood" / "canaries" / "20990101T000000Z-3.json").write_text("{")
    assert [one.outcome for one in trials.every()] == ["put back"]


def differing(store):
    """Two servers' decisions about one challenger."""
    return (
        replace(record(store, "put back"), server="a", ended="2026-01-02T05:04:05Z"),
        replace(record(store, "promoted"), server="b", ended="2026-01-02T05:04:06Z"),
    )


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_that_decide_otherwise_at_once_one_decides(uri, store, first, monkeypatch):
    """The second one has looked already when the first one decides, and does so then."""
    Challengers(uri, "mood").challenge(2)
    decisions = differing(store)
    winner, loser = decisions[first], decisions[1 - first]
    trials = Challengers(uri, "mood")
    create = trials._place.create

    def late(path, value):
        monkeypatch.setattr(trials._place, "create", create)
        assert Challengers(uri, "mood").decide(winner)
        return create(path, value)

    monkeypatch.setattr(trials._place, "create", late)
    assert not trials.decide(loser)
    assert trials.every() == [winner] and trials.read() is None
    assert Store(uri).champion("mood").number == (2 if winner.outcome == "promoted" else 1)
    assert trials._place.files("mood/decided") == []


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("died", ["promote", "note", "remove"])
def test_what_a_killed_server_decided_is_carried_out_by_another(
    uri, store, first, died, monkeypatch
):
    Challengers(uri, "mood").challenge(2)
    decisions = differing(store)
    killed, other = decisions[first], decisions[1 - first]
    trials = Challengers(uri, "mood")

    class Killed(BaseException):
        pass

    def die(*given):
        raise Killed

    target = {"promote": trials._store, "note": trials, "remove": trials._place}[died]
    monkeypatch.setattr(target, died, die)
    if died == "promote" and killed.outcome != "promoted":
        assert trials.decide(killed)
    else:
        with pytest.raises(Killed):
            trials.decide(killed)
    again = Challengers(uri, "mood")
    again.decide(other)
    assert again.every() == [killed] and again.read() is None
    assert Store(uri).champion("mood").number == (2 if killed.outcome == "promoted" else 1)
    assert again._place.files("mood/decided") == []


def test_a_decision_that_was_lost_with_the_power_is_made_again(tmp_path, versions):
    store = versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    trials = Challengers(str(tmp_path / "s"), "mood")
    trials.challenge(2)
    trials._place.replace(trials._decided(trials.read()), b"")
    with pytest.raises(ArtifactError, match="cannot be read"):
        trials.decide(record(store))
    assert trials.decide(record(store)) and store.champion("mood").number == 2
