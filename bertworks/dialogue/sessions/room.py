"""Turns of dialogues that are kept: each is answered once, whoever asks again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bertworks.dialogue.acts import Heard
from bertworks.dialogue.agent import DialogueAgent
from bertworks.dialogue.sessions.store import SqliteStore
from bertworks.dialogue.state import State
from bertworks.errors import BertworksError


class Conflict(BertworksError):
    """The turn is not the dialogue's next one: somebody else talks under the same id."""

    kind = "conflict"


class Over(BertworksError):
    """The dialogue has ended: nothing more is said in it."""

    kind = "over"


class Forgotten(BertworksError):
    """There is no such dialogue (any more) to go on with."""

    kind = "forgotten"


class Trial(Protocol):
    """Another policy that is tried: `bertworks.serving.dialogues.trial.PolicyTrial`."""

    def arm(self, owner: str, dialogue: str) -> str:
        """Who has a dialogue that begins: see `State.arm`."""
        ...

    def look(self) -> object:
        """Takes in what is over by now; called after each turn, and after each outcome."""
        ...


@dataclass(frozen=True)
class Answered:
    """A turn that was answered.

    Attributes:
        turn: Its number, from 1.
        answer: The text.
        ended: The dialogue is over.
        trace: `Trace.to_json`.
        again: It had been answered before, and this is the same answer.
    """

    turn: int
    answer: str
    ended: bool
    trace: dict[str, Any]
    again: bool = False


ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
"""What a dialogue may be called, over HTTP and in the terminal."""


class Room:
    """An agent with a store: a turn is answered after it is on the disk.

    Args:
        agent: Answers.
        store: Keeps.
        trial: Of another policy; None: there is none.
    """

    def __init__(
        self, agent: DialogueAgent, store: SqliteStore, trial: Trial | None = None
    ) -> None:
        self.agent, self._store, self._trial = agent, store, trial

    def turn(
        self,
        owner: str,
        dialogue: str,
        said: str | Sequence[Heard],
        number: int | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> Answered:
        """Answers a turn of a dialogue, which begins with its first one.

        A request that comes again, as after a lost connection, has the same number and says the same:
        it gets the same answer, and nothing happens twice.

        Args:
            owner: Whose dialogue it is.
            dialogue: Its id.
            said: See `DialogueAgent.turn`.
            number: Which turn the user means, from 1; None: the next one.
            wanted: Asked once, before the turn is kept: whether somebody still waits for it.

        Raises:
            Conflict: The number is not the next one's, or somebody else was faster.
            Over: The dialogue has ended.
            Forgotten: There is none, and the number is not the first one's.
            Withdrawn: The turn is not wanted any more; the dialogue is as it was before.
        """
        before = self._store.load(owner, dialogue)
        if before is not None:
            state = State.from_json(before.state, f"dialogue {dialogue}")
        else:
            state = State(arm="" if self._trial is None else self._trial.arm(owner, dialogue))
        number = state.turn + 1 if number is None else number
        mark = _mark(said)
        if number <= state.turn and (known := self._again(owner, dialogue, number, mark, state)):
            return known
        if state.ended:
            raise Over(
                f"The dialogue {dialogue!r:.80} is over, after {state.turn} turns.",
                "Begin another one, under an id of its own.",
            )
        if number != state.turn + 1:
            raise _not_next(dialogue, number, None if before is None else state.turn)
        after, trace_ = self.agent.turn(state, said)
        trace = trace_.to_json()
        if not self._store.save(owner, dialogue, number, mark, after.to_json(), trace, wanted):
            present = self._store.load(owner, dialogue)
            if present is not None:  # The same request may have come twice at once.
                now = State.from_json(present.state, f"dialogue {dialogue}")
                if known := self._again(owner, dialogue, number, mark, now):
                    return known
            raise _not_next(dialogue, number, None if present is None else present.turn)
        if self._trial is not None:
            self._trial.look()
        return Answered(number, trace_.answer, after.ended, trace)

    def _again(
        self, owner: str, dialogue: str, number: int, mark: str, state: State
    ) -> Answered | None:
        """The answer that a turn has already, where the same was said in it."""
        earlier = self._store.turn(owner, dialogue, number)
        if earlier is None or earlier[0] != mark:
            return None
        trace = earlier[1]
        ended = state.ended and number == state.turn
        return Answered(number, trace["answer"], ended, trace, again=True)

    def history(self, owner: str, dialogue: str) -> list[dict[str, Any]]:
        """The traces of a dialogue's turns, in order; none where there is none."""
        known = self._store.load(owner, dialogue)
        return [] if known is None else self._store.turns(owner, dialogue)

    def judge(self, owner: str, dialogue: str, outcome: float) -> bool:
        """Keeps how well a dialogue ended for the user, 0 to 1; whether there is one."""
        there = self._store.judge(owner, dialogue, outcome)
        if there and self._trial is not None:
            self._trial.look()
        return there

    def forget(self, owner: str, dialogue: str) -> bool:
        """Forgets a dialogue now; whether there was one."""
        return self._store.delete(owner, dialogue)


def _not_next(dialogue: str, number: int, turns: int | None) -> Conflict | Forgotten:
    """Why a turn cannot be answered; `turns` that there are, None: there is no dialogue."""
    if turns is None:
        return Forgotten(
            f"There is no dialogue {dialogue!r:.80} (any more) to go on with in turn {number}.",
            "Begin another one, with turn 1; one that nobody goes on with is forgotten after a time.",
        )
    return Conflict(
        f"Turn {number} of the dialogue {dialogue!r:.80} is not the next one, which is {turns + 1}. "
        "Somebody else may be talking under the same id.",
        "Begin another dialogue under an id of its own, or go on with the turn that is next.",
    )


def _mark(said: str | Sequence[Heard]) -> str:
    """What tells one thing said from another."""
    plain = said if isinstance(said, str) else [one.to_json() for one in said]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()
