"""Dialogues in SQLite: one row a dialogue, one row a turn, each turn written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertworks.errors import BertworksError, EnvironmentFault

_TABLES = """
CREATE TABLE IF NOT EXISTS dialogues (
    owner TEXT NOT NULL, id TEXT NOT NULL, turn INTEGER NOT NULL, state TEXT NOT NULL,
    changed REAL NOT NULL, outcome REAL, PRIMARY KEY (owner, id)
);
CREATE INDEX IF NOT EXISTS dialogues_changed ON dialogues (changed);
CREATE TABLE IF NOT EXISTS turns (
    owner TEXT NOT NULL, id TEXT NOT NULL, turn INTEGER NOT NULL, said TEXT NOT NULL,
    trace TEXT NOT NULL, PRIMARY KEY (owner, id, turn),
    FOREIGN KEY (owner, id) REFERENCES dialogues (owner, id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS trials (
    name TEXT PRIMARY KEY, began REAL NOT NULL, decided REAL, promoted INTEGER, reason TEXT
);
CREATE TABLE IF NOT EXISTS trial_outcomes (
    trial TEXT NOT NULL, dialogue TEXT NOT NULL, challenger INTEGER NOT NULL, success REAL NOT NULL,
    PRIMARY KEY (trial, dialogue)
);
"""
_WAIT_SECONDS = 10.0
_SWEEP_SECONDS = 60.0


class Withdrawn(BertworksError):
    """Nobody waits for the turn any more: nothing of it was kept."""


@dataclass(frozen=True)
class Stored:
    """A dialogue as it was after its last turn.

    Attributes:
        turn: How many turns it has.
        state: `State.to_json`.
        changed: When, in seconds since 1970.
        outcome: How well it ended, 0 to 1; None: nobody said.
    """

    turn: int
    state: dict[str, Any]
    changed: float
    outcome: float | None = None


class SqliteStore:
    """Dialogues in a file.

    A turn is on the disk before `save` returns: it outlives a crash of the process and of the machine.
    Any number of threads and processes may use one file.

    Args:
        file: It is made when needed, for its user's eyes alone.
        seconds: A dialogue that nobody went on with for so long is forgotten, and wiped from the file.
        clock: Seconds since 1970.
        dialogue: Whose dialogues these are, by the spec's name: one file may keep those of several, and
            an id of one says nothing of another's.

    Attributes:
        seconds: As given.

    Raises:
        EnvironmentFault: The file cannot be opened, or is none of ours.
    """

    def __init__(
        self,
        file: Path,
        seconds: float,
        clock: Callable[[], float] = time.time,
        dialogue: str = "",
    ) -> None:
        self._file, self.seconds, self._clock = file, seconds, clock
        self._begins = f"{dialogue}\n" if dialogue else ""
        self._local = threading.local()
        self._swept = 0.0
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
        except OSError as error:
            raise EnvironmentFault(
                f"The sessions {file} cannot be written: {error.strerror}.",
                "Name a file that you may write: --sessions FILE.",
            ) from None
        with self.base() as base:
            base.executescript(_TABLES)
        self.forget()

    def load(self, owner: str, dialogue: str) -> Stored | None:
        """A dialogue; None where there is none, or it was forgotten.

        Args:
            owner: Whose it is: an id of one owner says nothing of another's.
            dialogue: Its id.
        """
        with self.base() as base:
            found = base.execute(
                "SELECT turn, state, changed, outcome FROM dialogues WHERE owner = ? AND id = ?",
                (self._begins + owner, dialogue),
            ).fetchone()
        if found is None or found[2] < self._clock() - self.seconds:
            return None
        return Stored(int(found[0]), json.loads(found[1]), float(found[2]), found[3])

    def turn(self, owner: str, dialogue: str, turn: int) -> tuple[str, dict[str, Any]] | None:
        """What was said in a turn, as `save` was told, and its trace; None without it."""
        with self.base() as base:
            found = base.execute(
                "SELECT said, trace FROM turns WHERE owner = ? AND id = ? AND turn = ?",
                (self._begins + owner, dialogue, turn),
            ).fetchone()
        return None if found is None else (str(found[0]), json.loads(found[1]))

    def turns(self, owner: str, dialogue: str) -> list[dict[str, Any]]:
        """The traces of a dialogue, in order."""
        with self.base() as base:
            rows = base.execute(
                "SELECT trace FROM turns WHERE owner = ? AND id = ? ORDER BY turn",
                (self._begins + owner, dialogue),
            ).fetchall()
        return [json.loads(row[0]) for row in rows]

    def all(self) -> Iterator[tuple[Stored, list[dict[str, Any]]]]:
        """Every dialogue with its traces, the oldest first."""
        with self.base() as base:
            rows = base.execute(
                "SELECT owner, id, turn, state, changed, outcome FROM dialogues "
                "WHERE substr(owner, 1, ?) = ? ORDER BY changed",
                (len(self._begins), self._begins),
            ).fetchall()
        for owner, name, turn, state, changed, outcome in rows:
            own = owner[len(self._begins) :]
            yield Stored(turn, json.loads(state), changed, outcome), self.turns(own, name)

    def over(
        self, trial: str, since: float, told: float, ended: float, idle: float
    ) -> Iterator[tuple[str, Stored, list[dict[str, Any]]]]:
        """Dialogues that are over and that a trial has not counted, the oldest first.

        Args:
            trial: Its name.
            since: Dialogues that nobody went on with since then were before it.
            told: Over are those whose outcome was told, and nobody went on with since then,
            ended: likewise those that ended,
            idle: and all others.

        Yields:
            A mark that tells the dialogue from others and says nothing of it, the dialogue, its traces.
        """
        with self.base() as base:
            rows = base.execute(
                "SELECT owner, id, turn, state, changed, outcome FROM dialogues "
                "WHERE changed >= ? AND changed <= ? AND substr(owner, 1, ?) = ? ORDER BY changed, id",
                (since, max(told, ended, idle), len(self._begins), self._begins),
            ).fetchall()
            known = base.execute("SELECT dialogue FROM trial_outcomes WHERE trial = ?", (trial,))
            counted = {row[0] for row in known.fetchall()}
        for owner, name, turn, text, changed, outcome in rows:
            mark = hashlib.sha256(json.dumps([owner, name]).encode()).hexdigest()
            if mark in counted:
                continue
            state = json.loads(text)
            until = told if outcome is not None else ended if state["ended"] else idle
            if changed <= until:
                own = owner[len(self._begins) :]
                yield mark, Stored(turn, state, changed, outcome), self.turns(own, name)

    def judge(self, owner: str, dialogue: str, outcome: float) -> bool:
        """Keeps how well a dialogue ended, 0 to 1; whether there is one, and it was not forgotten."""
        with self.base() as base:
            found = base.execute(
                "UPDATE dialogues SET outcome = ? WHERE owner = ? AND id = ? AND changed >= ?",
                (outcome, self._begins + owner, dialogue, self._clock() - self.seconds),
            )
            return found.rowcount > 0

    def save(
        self,
        owner: str,
        dialogue: str,
        turn: int,
        said: str,
        state: dict[str, Any],
        trace: dict[str, Any],
        wanted: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Writes a turn, where it is the next one.

        Args:
            owner: Whose dialogue it is.
            dialogue: Its id.
            turn: Its number, from 1.
            said: What the user said, for telling a repeated request from another one.
            state: After the turn.
            trace: `Trace.to_json`.
            wanted: Asked last of all: whether the turn is to be kept.

        Returns:
            False where somebody else wrote this turn meanwhile: nothing was changed.

        Raises:
            Withdrawn: It is not wanted any more: likewise.
        """
        now, owner = self._clock(), self._begins + owner
        with self.base() as base:
            base.execute("BEGIN IMMEDIATE")
            found = base.execute(
                "SELECT turn, changed FROM dialogues WHERE owner = ? AND id = ?", (owner, dialogue)
            ).fetchone()
            if found is not None and found[1] < now - self.seconds:
                base.execute("DELETE FROM dialogues WHERE owner = ? AND id = ?", (owner, dialogue))
                found = None
            if (0 if found is None else int(found[0])) != turn - 1:
                base.execute("ROLLBACK")
                return False
            base.execute(
                "INSERT INTO dialogues VALUES (?, ?, ?, ?, ?, NULL) ON CONFLICT (owner, id) DO UPDATE "
                "SET turn = excluded.turn, state = excluded.state, changed = excluded.changed",
                (owner, dialogue, turn, json.dumps(state), now),
            )
            base.execute(
                "INSERT INTO turns VALUES (?, ?, ?, ?, ?)",
                (owner, dialogue, turn, said, json.dumps(trace)),
            )
            if not wanted():
                raise Withdrawn(
                    f"Turn {turn} of the dialogue {dialogue!r:.80} was not kept: nobody waits for it."
                )
            base.execute("COMMIT")
        if now - self._swept > _SWEEP_SECONDS:
            self.forget()
        return True

    def delete(self, owner: str, dialogue: str) -> bool:
        """Forgets a dialogue now; whether there was one, and it was not forgotten before."""
        there = self.load(owner, dialogue) is not None
        with self.base() as base:
            found = base.execute(
                "DELETE FROM dialogues WHERE owner = ? AND id = ?", (self._begins + owner, dialogue)
            )
            return there and found.rowcount > 0

    def forget(self) -> int:
        """Forgets what is too old; how many dialogues."""
        self._swept = self._clock()
        with self.base() as base:
            found = base.execute(
                "DELETE FROM dialogues WHERE changed < ?", (self._swept - self.seconds,)
            )
            if found.rowcount:  # Else what was wiped would still stand in the write-ahead log.
                base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return found.rowcount

    def close(self) -> None:
        """Closes what this thread has open."""
        if (base := getattr(self._local, "base", None)) is not None:
            base.close()
            del self._local.base

    @contextmanager
    def base(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection; a transaction that failed is undone."""
        base: sqlite3.Connection | None = getattr(self._local, "base", None)
        try:
            if base is None:
                base = sqlite3.connect(self._file, timeout=_WAIT_SECONDS, isolation_level=None)
                base.executescript(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                    "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;"
                )
                self._local.base = base
            yield base
        except sqlite3.Error as error:
            raise EnvironmentFault(
                f"The sessions {self._file} cannot be used: {error}.",
                "Check the disk, and that the file is one that bertworks made; or name another.",
            ) from error
        finally:
            if base is not None and base.in_transaction:
                base.execute("ROLLBACK")
