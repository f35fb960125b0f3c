"""Dialogues that are kept: they survive, are forgotten, and no two users share one."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bertworks.dialogue.agent import DialogueAgent
from bertworks.dialogue.policies import Rules
from bertworks.dialogue.sessions import Conflict, Forgotten, Over, Room, SqliteStore, Withdrawn
from bertworks.dialogue.understanding import Keywords
from bertworks.errors import EnvironmentFault
from tests.dialogue.helpers import ANSWERS, DOMAIN, Still
from tests.fixes.taking import taken

ROOT = Path(__file__).parents[2]


def agent() -> DialogueAgent:
    return DialogueAgent(DOMAIN, Still(), Keywords(DOMAIN), Rules(), ANSWERS)


def room(folder: Path, clock: Callable[[], float] = lambda: 1000.0) -> Room:
    return Room(agent(), SqliteStore(folder / "sessions.db", 100.0, clock))


def test_a_dialogue_goes_on_after_a_restart(tmp_path: Path) -> None:
    assert room(tmp_path).turn("", "a", "cheap chinese").turn == 1
    found = room(tmp_path).turn("", "a", "north")
    assert found.turn == 2 and "Golden Lantern" in found.answer
    assert [one["turn"] for one in room(tmp_path).history("", "a")] == [1, 2]


def test_two_owners_with_one_id_have_two_dialogues(tmp_path: Path) -> None:
    here = room(tmp_path)
    here.turn("ann", "1", "cheap chinese")
    here.turn("bob", "1", "indian")
    assert "Golden Lantern" in here.turn("ann", "1", "north").answer
    assert "Spice Harbour" in here.turn("bob", "1", "north").answer


def test_two_users_of_one_id_are_told(tmp_path: Path) -> None:
    here = room(tmp_path)
    here.turn("", "1", "cheap chinese", 1)
    with pytest.raises(Conflict, match="Turn 1 .* is not the next one, which is 2.*same id"):
        here.turn("", "1", "indian", 1)
    assert here.turn("", "1", "north", 2).turn == 2
    with pytest.raises(Conflict, match="Turn 7"):
        here.turn("", "1", "north", 7)


def test_the_same_request_again_gets_the_same_answer_once(tmp_path: Path) -> None:
    here = room(tmp_path)
    first = here.turn("", "1", "cheap chinese", 1)
    again = room(tmp_path).turn("", "1", "cheap chinese", 1)
    assert again.again and not first.again
    assert (again.answer, again.trace) == (first.answer, first.trace)
    assert len(here.history("", "1")) == 1


def test_a_dialogue_that_is_over_is_not_gone_on_with(tmp_path: Path) -> None:
    here = room(tmp_path)
    assert here.turn("", "1", "bye").ended
    with pytest.raises(Over, match="is over, after 1 turns"):
        here.turn("", "1", "hello")
    assert here.turn("", "1", "bye", 1).ended


def test_old_dialogues_are_forgotten_and_wiped(tmp_path: Path) -> None:
    now = 1000.0
    here = room(tmp_path, lambda: now)
    here.turn("", "old", "my secret wish is chinese")
    now = 1090.0
    here.turn("", "young", "indian")
    now = 1150.0
    assert here.history("", "old") == [] and here.history("", "young")
    assert not here.judge("", "old", 1.0)
    with pytest.raises(Forgotten, match="no dialogue 'old' .any more. to go on with in turn 2"):
        here.turn("", "old", "north", 2)
    assert here.turn("", "old", "indian").turn == 1  # a new one
    now = 1300.0
    assert SqliteStore(tmp_path / "sessions.db", 100.0, lambda: now).load("", "young") is None
    with sqlite3.connect(tmp_path / "sessions.db") as base:
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert base.execute("SELECT count(*) FROM turns").fetchone() == (0,)
    assert b"secret wish" not in (tmp_path / "sessions.db").read_bytes()


def test_a_turn_that_nobody_waits_for_leaves_the_dialogue_as_it_was(tmp_path: Path) -> None:
    here, asked = room(tmp_path), []

    def never() -> bool:
        asked.append(len(here.history("", "1")))
        return False

    for turns, text in enumerate(("cheap chinese", "north")):
        before = [one["answer"] for one in here.history("", "1")]
        with pytest.raises(Withdrawn):
            here.turn("", "1", text, turns + 1, never)
        assert [one["answer"] for one in room(tmp_path).history("", "1")] == before
        assert here.turn("", "1", text, turns + 1).turn == turns + 1
    assert asked == [0, 1]


def test_a_dialogue_can_be_forgotten_at_once(tmp_path: Path) -> None:
    here = room(tmp_path)
    here.turn("", "1", "chinese")
    assert here.forget("", "1") and not here.forget("", "1")
    assert here.turn("", "1", "chinese").turn == 1


def test_of_many_at_once_one_is_answered(tmp_path: Path) -> None:
    here, found = room(tmp_path), []

    def ask(text: str) -> None:
        try:
            found.append(here.turn("", "1", text, 1).answer)
        except Conflict as conflict:
            found.append(conflict)

    threads = [
        threading.Thread(target=ask, args=(text,)) for text in ("chinese", "indian", "italian")
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sum(isinstance(one, str) for one in found) == 1, found
    assert len(here.history("", "1")) == 1


TALK = """
import os, signal, sys
from pathlib import Path
from tests.dialogue.test_sessions import room
class Dies:
    def __init__(self, policy): self._policy = policy
    def __getattr__(self, name): return getattr(self._policy, name)
    def choose(self, situation):
        if situation.state.turn == 2: os.kill(os.getpid(), signal.SIGKILL)
        return self._policy.choose(situation)
here = room(Path(sys.argv[1]))
print(here.turn("", "1", "cheap chinese", 1).answer, flush=True)
here.agent._policy = Dies(here.agent._policy)
here.turn("", "1", "north", 2)
"""


def test_of_one_request_many_times_at_once_all_get_the_same_answer(tmp_path: Path) -> None:
    """As from a client that asks again before its time is over."""
    here, found = room(tmp_path), []
    together = threading.Barrier(8)

    def ask() -> None:
        together.wait(60)
        found.append(here.turn("", "1", "cheap chinese", 1))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 8 and len({one.answer for one in found}) == 1
    assert sum(not one.again for one in found) == 1 and len(here.history("", "1")) == 1


def test_a_process_that_is_killed_in_a_turn_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TALK, str(tmp_path)], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout.strip() == "Which area would you like?"
    found = room(tmp_path).turn("", "1", "north", 2)
    assert found.turn == 2 and "Golden Lantern" in found.answer and not found.again


def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sessions.db").write_text("not a database, but long enough to be looked at" * 50)
    with pytest.raises(EnvironmentFault, match="cannot be used: file is not a database"):
        room(tmp_path)
    assert (tmp_path / "sessions.db").read_text().startswith("not a database")
    with pytest.raises(EnvironmentFault, match="unable to open database file"):
        SqliteStore(tmp_path, 1.0)


def test_sessions_are_for_their_users_eyes(tmp_path: Path) -> None:
    room(tmp_path)
    assert (tmp_path / "sessions.db").stat().st_mode & 0o077 == 0


def test_a_place_that_cannot_be_written_is_told_with_the_option_that_names_another(
    tmp_path: Path,
) -> None:
    (tmp_path / "root").write_text("a file where a folder should be")

    def opened(file: Path = tmp_path / "root/sessions.db") -> SqliteStore:
        return SqliteStore(file, 100.0)

    def by(fix: str) -> tuple[Path]:
        assert fix.endswith(" --sessions FILE.")
        return (tmp_path / "kept.db",)

    store = taken("bertworks/dialogue/sessions/store.py", "you may write: --sessions", opened, by)
    assert not list(store.all())


def test_two_dialogues_in_one_file_have_talks_of_their_own(tmp_path: Path) -> None:
    def room_of(name: str) -> Room:
        store = SqliteStore(tmp_path / "sessions.db", 100.0, lambda: 1000.0, dialogue=name)
        return Room(agent(), store)

    town, inn = room_of("town"), room_of("inn")
    town.turn("", "1", "cheap chinese")
    assert inn.history("", "1") == [] and not inn.judge("", "1", 1.0)
    assert inn.turn("", "1", "indian").turn == 1
    assert town.turn("", "1", "north").turn == 2
    kept = SqliteStore(tmp_path / "sessions.db", 100.0, lambda: 1000.0, dialogue="town")
    ((stored, traces),) = kept.all()
    assert stored.turn == len(traces) == 2
    assert inn.forget("", "1") and len(town.history("", "1")) == 2
