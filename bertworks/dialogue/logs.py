"""Dialogues that were kept, as turns that a policy can be judged by and learn from."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bertworks.dialogue.actions import Situation, names_of
from bertworks.dialogue.knowledge import Knowledge
from bertworks.dialogue.matching import QUOTE
from bertworks.dialogue.satisfaction import ENGLISH, repeats, said_so
from bertworks.dialogue.sessions import SqliteStore
from bertworks.dialogue.simulation.episode import SUCCESS, TURN
from bertworks.dialogue.trace import Trace
from bertworks.dialogue.turns import Turn, Turns
from bertworks.errors import DataError
from bertworks.notices import Notice

REPEATED = -1.0
"""Reward of a turn after which the user said the same again: it was of no use to them."""


@dataclass(frozen=True)
class Kept:
    """A dialogue that is over.

    Attributes:
        traces: Its turns, in order.
        outcome: How well it ended for the user, 0 to 1; None: nobody said.
        phrases: What praises or complains, see `satisfaction.ENGLISH`.
    """

    traces: Sequence[Trace]
    outcome: float | None = None
    phrases: Mapping[str, Sequence[str]] = field(default_factory=lambda: ENGLISH)

    @property
    def told(self) -> float | None:
        """How well it ended as the user told, by a button or in words; None: they did not."""
        return said_so(self.traces, self.phrases) if self.outcome is None else self.outcome

    @property
    def success(self) -> float:
        """What was told; else 1 for a goodbye with an offer and no open question, and 0 without.

        The latter is a guess: a user may say goodbye because nothing helped.
        """
        if (told := self.told) is not None:
            return told
        last = self.traces[-1].state
        return float(last.closing and bool(last.offered) and not last.requested)


GOING_ON_SECONDS = 3600.0
"""A dialogue that has not ended may still go on for so long after its last turn."""


def kept_in(
    store: SqliteStore, phrases: Mapping[str, Sequence[str]] | None = None
) -> tuple[list[Kept], int]:
    """The dialogues of a store that are over, and how many may still go on.

    Args:
        store: It.
        phrases: See `Kept`.
    """
    over, going_on = [], 0
    for stored, traces in store.all():
        open_ = not stored.state["ended"] and stored.outcome is None
        if open_ and stored.changed > time.time() - GOING_ON_SECONDS:
            going_on += 1
        else:
            read = [Trace.from_json(one) for one in traces]
            over.append(Kept(read, stored.outcome, ENGLISH if phrases is None else phrases))
    return over, going_on


def turns_of(dialogues: Iterable[Kept], knowledge: Knowledge) -> tuple[Turns, list[Notice]]:
    """Turns with what was possible, what was done, how probable that was, and what came of it.

    Args:
        dialogues: Each with its traces.
        knowledge: As it was; dialogues of another state of it are left out.

    Returns:
        The turns, and what was left out or guessed, with counts.

    Raises:
        DataError: Nothing is left.
    """
    found: list[list[Turn]] = []
    left_out: Counter[str] = Counter()
    guessed = total = 0
    for dialogue in dialogues:
        total += 1
        turns = _turns(dialogue, knowledge, left_out)
        if turns:
            found.append(turns)
            guessed += dialogue.told is None
    notices = [
        Notice(f"{count} of {total} dialogues were left out: {why}", "warning", count)
        for why, count in left_out.most_common()
    ]
    if not found:
        raise DataError(
            f"No dialogue can be learned from, of {total}"
            + "".join(f"; {one.text}" for one in notices)
            + ".",
            "Keep dialogues with this knowledge base, under a policy with `explore` above 0.",
        )
    if guessed:
        notices.append(
            Notice(
                f"{guessed} of {len(found)} dialogues have no outcome, nor words that tell one; a "
                "goodbye after an offer with no open question counts as a success",
                count=guessed,
            )
        )
    return Turns.made(found, knowledge.domain), notices


def _turns(dialogue: Kept, knowledge: Knowledge, left_out: Counter[str]) -> list[Turn]:
    """The turns of one dialogue; none where it cannot be used."""
    if not dialogue.traces:
        return []
    turns: list[Turn] = []
    again = [*repeats(dialogue.traces)[1:], False]
    for trace, repeated in zip(dialogue.traces, again, strict=True):
        reward = TURN + REPEATED if repeated else TURN
        if trace.choice.action == QUOTE:
            # No policy decided here: what it cost is what came of the decision before.
            turns[-1:] = [replace(one, reward=one.reward + reward) for one in turns[-1:]]
            continue
        if trace.knowledge != knowledge.digest:
            left_out["the knowledge base was another one"] += 1
            return []
        situation = Situation(trace.state, knowledge)
        action = trace.choice.action
        known = names_of(situation)
        if action not in known or not situation.possible[known.index(action)]:
            left_out["what was done is not possible by the present spec"] += 1
            return []
        probability = trace.choice.probability
        if probability is None:  # of before it was kept
            scores = {one.action: one.score for one in trace.choice.candidates}
            probability = scores.get(action)
        if not probability:
            left_out["how probable an action was is not known"] += 1
            return []
        turns.append(Turn(situation, action, probability, reward))
    ending = SUCCESS * dialogue.success
    turns[-1:] = [replace(one, reward=one.reward + ending) for one in turns[-1:]]
    return turns
