"""A policy is tried on a share of new dialogues, until how they end tells which one is to talk.

Who has a dialogue is settled by its id before its first turn. How it ended for its user is told by them,
by a button or in words, or guessed (`bertworks.dialogue.logs.Kept`), and counts once it is over. The
evidence is that of agents' canaries, and may be looked at after each dialogue
(`bertworks.serving.upgrades`). It lies in the sessions' file: a restart goes on from it, and servers on
one file decide as one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bertworks.contracts.upgrades import Figure
from bertworks.dialogue.logs import GOING_ON_SECONDS, Kept
from bertworks.dialogue.policies import CHALLENGER
from bertworks.dialogue.sessions import SqliteStore
from bertworks.dialogue.trace import Trace
from bertworks.errors import DataError, EnvironmentFault
from bertworks.serving.upgrades.comparison import Limit
from bertworks.serving.upgrades.matching import Arm, Blocks, difference
from bertworks.spec.dialogue import PolicyCanary

CHAMPION: Final = "champion"
LOOK_SECONDS = 5.0
"""Between two looks at what is over."""
BUTTON_SECONDS = 600.0
"""For so long a user may still say how a dialogue went that has ended."""
_LOG = logging.getLogger("bertworks.serving.dialogues")


@dataclass(frozen=True)
class Verdict:
    """What became of the challenger.

    Attributes:
        promoted: Whether it talks from now on; else it was put back.
        reason: Why, in one sentence.
    """

    promoted: bool
    reason: str


@dataclass(frozen=True)
class Standing:
    """How a trial stands.

    Attributes:
        dialogues: That are over, by arm.
        success: Mean of how they ended, 0 to 1, by arm; None: there are none.
        gain: How much higher the challenger's is, with an interval that may be looked at at any time.
        verdict: None: it is not clear yet.
    """

    dialogues: Mapping[str, int]
    success: Mapping[str, float | None]
    gain: Figure
    verdict: Verdict | None


class PolicyTrial:
    """Decides who has a dialogue, and when it is clear.

    Any number of threads may use it, and any number of processes with the same file.

    Args:
        store: Where dialogues are kept.
        names: The champion's and the challenger's: another pair is another trial.
        rules: The spec's.
        phrases: See `logs.Kept`.
        promoted: Called once when the challenger was promoted by this process.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        store: SqliteStore,
        names: tuple[str, str],
        rules: PolicyCanary,
        phrases: Mapping[str, Sequence[str]],
        promoted: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._rules, self._phrases = store, rules, phrases
        self._promoted, self._clock = promoted, clock
        said = json.dumps([*names, rules.model_dump(mode="json")], sort_keys=True)
        self.name = hashlib.sha256(said.encode()).hexdigest()[:16]
        self._idle = min(GOING_ON_SECONDS, store.seconds / 2)
        self._better = Limit("better", -rules.gain)
        self._worse = Limit("worse", rules.worse)
        self._blocks = Blocks()
        self._seen: dict[str, list[float]] = {CHAMPION: [], CHALLENGER: []}
        self._last_row, self._looked = 0, 0.0
        self._lock = threading.Lock()
        with store.base() as base:
            base.execute(
                "INSERT OR IGNORE INTO trials (name, began) VALUES (?, ?)", (self.name, clock())
            )
            row = base.execute("SELECT began FROM trials WHERE name = ?", (self.name,)).fetchone()
        self._since = float(row[0])
        self._verdict = self._decided()

    @property
    def verdict(self) -> Verdict | None:
        """What was decided; None: nothing yet."""
        return self._verdict

    def may_talk(self) -> bool:
        """Whether the challenger still has its dialogues."""
        return self._verdict is None or self._verdict.promoted

    def arm(self, owner: str, dialogue: str) -> str:
        """Who has a dialogue that begins."""
        if self._verdict is not None:
            return CHALLENGER if self._verdict.promoted else CHAMPION
        text = json.dumps([self.name, owner, dialogue])
        lot = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
        return CHALLENGER if lot < self._rules.share else CHAMPION

    def look(self) -> Verdict | None:
        """Takes in what is over by now, at most every few seconds, and decides where it is clear.

        What cannot be read or written is logged and tried again: it must cost no user an answer.
        """
        if self._clock() - self._looked < LOOK_SECONDS or not self._lock.acquire(blocking=False):
            return self._verdict
        try:
            self._looked = self._clock()
            if self._verdict is None:
                self._count()
                self._take()
                self._decide()
        except EnvironmentFault as fault:
            _LOG.warning("a policy's trial cannot be looked at now: %s", fault)
        finally:
            self._lock.release()
        return self._verdict

    def standing(self) -> Standing:
        """How it stands, for a person."""
        self._take()
        figure = self._better.figure()
        low, high = -figure.high, -figure.low
        value = None if figure.value is None else -figure.value
        gain = Figure("gain", self._rules.gain, value, low, high, figure.compared, 0.0, 0.0)
        means = {arm: sum(seen) / len(seen) if seen else None for arm, seen in self._seen.items()}
        return Standing(
            {arm: len(seen) for arm, seen in self._seen.items()}, means, gain, self._verdict
        )

    def _count(self) -> None:
        """Writes down how dialogues ended that are over."""
        now = self._clock()
        over = self._store.over(
            self.name, self._since, told=now, ended=now - BUTTON_SECONDS, idle=now - self._idle
        )
        rows = []
        for mark, stored, traces in over:
            arm = stored.state.get("arm")
            if arm not in self._seen:
                continue  # It began before the trial did.
            try:
                read = [Trace.from_json(one) for one in traces]
            except DataError:
                continue  # of another version
            success = Kept(read, stored.outcome, self._phrases).success
            rows.append((self.name, mark, int(arm == CHALLENGER), success))
        with self._store.base() as base:
            base.executemany("INSERT OR IGNORE INTO trial_outcomes VALUES (?, ?, ?, ?)", rows)
        self._since = max(self._since, now - self._idle)  # All before are over, and counted.

    def _take(self) -> None:
        """Adds what was written down, by whichever process, to the evidence."""
        with self._store.base() as base:
            rows = base.execute(
                "SELECT rowid, challenger, success FROM trial_outcomes "
                "WHERE trial = ? AND rowid > ? ORDER BY rowid",
                (self.name, self._last_row),
            ).fetchall()
        for row, tried, success in rows:
            self._last_row = int(row)
            arm: Arm = CHALLENGER if tried else CHAMPION
            self._seen[arm].append(float(success))
            block = self._blocks.add(arm, float(success))
            if block is not None:
                lost = -difference(*block)
                self._better.add(lost)
                self._worse.add(lost)

    def _decide(self) -> None:
        verdict = self._judged()
        if verdict is None:
            self._verdict = self._decided()  # another process may have been first
            return
        with self._store.base() as base:
            first = base.execute(
                "UPDATE trials SET decided = ?, promoted = ?, reason = ? "
                "WHERE name = ? AND decided IS NULL",
                (self._clock(), int(verdict.promoted), verdict.reason, self.name),
            ).rowcount
        self._verdict = self._decided()
        if not first:
            return
        what = "promoted" if verdict.promoted else "put back"
        _LOG.warning("the challenger's policy was %s: %s", what, verdict.reason)
        if verdict.promoted and self._promoted is not None:
            self._promoted()

    def _judged(self) -> Verdict | None:
        rules, tried = self._rules, len(self._seen[CHALLENGER])
        level = rules.level
        counts = f"{tried:,} of its dialogues against {len(self._seen[CHAMPION]):,}"
        if self._worse.broken.rejects(level):
            return Verdict(False, f"It is worse by more than {rules.worse:g}: {counts}.")
        if tried >= rules.least and self._better.kept.rejects(level):
            return Verdict(True, f"It is better by more than {rules.gain:g}: {counts}.")
        if tried >= rules.most:
            return Verdict(False, f"It was not clear after {counts}.")
        return None

    def _decided(self) -> Verdict | None:
        with self._store.base() as base:
            row = base.execute(
                "SELECT promoted, reason FROM trials WHERE name = ? AND decided IS NOT NULL",
                (self.name,),
            ).fetchone()
        return None if row is None else Verdict(bool(row[0]), str(row[1]))
