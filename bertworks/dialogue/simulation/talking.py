"""Simulated users who talk with an agent in words: from texts to texts, as it is served."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bertworks.dialogue.acts import Act, Heard
from bertworks.dialogue.agent import DialogueAgent
from bertworks.dialogue.answers import FIXED, faults
from bertworks.dialogue.knowledge import Knowledge
from bertworks.dialogue.matching import QUOTE
from bertworks.dialogue.simulation.agenda import User
from bertworks.dialogue.simulation.errors import Errors, measured
from bertworks.dialogue.simulation.goals import Habits, sample
from bertworks.dialogue.simulation.speaking import Speaker
from bertworks.dialogue.state import State
from bertworks.dialogue.trace import Trace
from bertworks.dialogue.understanding import Understanding

UNTRUE = "an untrue answer"


@dataclass(frozen=True)
class Exchange:
    """One turn.

    Attributes:
        said: The acts that the user put into words.
        trace: The words, and all that the agent made of them.
        seconds: How long it took for its answer.
    """

    said: tuple[Act, ...]
    trace: Trace
    seconds: float

    @property
    def misheard(self) -> bool:
        """Whether something else was understood than what was said."""
        return {one.act for one in self.trace.understood} != set(self.said)


@dataclass(frozen=True)
class Talk:
    """A dialogue.

    Attributes:
        exchanges: Its turns.
        ending: See `User.ending`; or `UNTRUE`.
    """

    exchanges: tuple[Exchange, ...]
    ending: str

    def lines(self) -> list[str]:
        """For a terminal: what was said, and what was misheard of it."""
        found = [f"--- {self.ending}"]
        for one in self.exchanges:
            found.append(f"> {one.trace.text}")
            if one.misheard:
                heard = " ".join(str(heard.act) for heard in one.trace.understood)
                found.append(f"  said {' '.join(map(str, one.said))}; understood {heard}")
            found.append(one.trace.answer)
        return found


@dataclass(frozen=True)
class Talks:
    """What a number of dialogues came to.

    Attributes:
        talks: Each.
    """

    talks: Sequence[Talk] = field(repr=False)

    @property
    def success(self) -> float:
        """Share in which the goal was met, true to the knowledge base."""
        return sum(one.ending == "success" for one in self.talks) / len(self.talks)

    @property
    def turns(self) -> float:
        """Of the agent's in a dialogue, on average."""
        return sum(len(one.exchanges) for one in self.talks) / len(self.talks)

    @property
    def endings(self) -> dict[str, int]:
        """How they ended, most often first."""
        return dict(Counter(one.ending for one in self.talks).most_common())

    @property
    def misheard(self) -> float:
        """Share of turns in which something else was understood than what was said."""
        turns = [one for talk in self.talks for one in talk.exchanges]
        return sum(one.misheard for one in turns) / len(turns)

    @property
    def errors(self) -> Errors:
        """How acts were misunderstood."""
        return measured(
            (one.said, one.trace.understood) for talk in self.talks for one in talk.exchanges
        )

    def seconds(self, share: float) -> float:
        """The time of a turn that this share of turns did not take longer than."""
        found = [one.seconds for talk in self.talks for one in talk.exchanges]
        return float(np.quantile(found, share))

    def lost(self) -> Counter[str]:
        """Acts that were said and not understood, by what was understood in their turn instead."""
        found: Counter[str] = Counter()
        for exchange in (one for talk in self.talks for one in talk.exchanges):
            heard = {one.act for one in exchange.trace.understood}
            instead = sorted({_kind(one) for one in heard - set(exchange.said)})
            for act in set(exchange.said) - heard:
                found[f"{_kind(act)} -> {', '.join(instead) or 'nothing'}"] += 1
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, without the talks themselves."""
        return {
            "dialogues": len(self.talks),
            "success": self.success,
            "turns": self.turns,
            "endings": self.endings,
            "misheard_turns": self.misheard,
            "errors": self.errors.to_json(),
            "lost": dict(self.lost().most_common()),
            "median_ms": self.seconds(0.5) * 1000,
            "p95_ms": self.seconds(0.95) * 1000,
        }

    def lines(self, most: int = 10) -> list[str]:
        """For a terminal.

        Args:
            most: Kinds of lost acts that are listed.
        """
        endings = ", ".join(f"{count} {what}" for what, count in self.endings.items())
        lost = ", ".join(f"{count} {what}" for what, count in self.lost().most_common(most))
        median, slow = (self.seconds(share) * 1000 for share in (0.5, 0.95))
        return [
            f"success   {self.success:.3f} of {len(self.talks)} dialogues, in {self.turns:.2f} turns",
            f"endings   {endings}",
            f"misheard  {self.errors.rate:.3f} of acts, in {self.misheard:.3f} of turns",
            f"lost      {lost or 'nothing'}",
            f"a turn    {median:.1f} ms, {slow:.1f} ms at the 95th percentile",
        ]


class Misheard:
    """An understanding with errors added to its own.

    Args:
        understanding: It.
        errors: Added.
        random: Draws.
    """

    def __init__(
        self, understanding: Understanding, errors: Errors, random: np.random.Generator
    ) -> None:
        self._understanding, self._errors, self._random = understanding, errors, random
        self.name = f"{understanding.name}, with {errors.rate:.0%} errors added"

    def understand(self, text: str, state: State, knowledge: Knowledge) -> Sequence[Heard]:
        """See `Understanding.understand`."""
        heard = self._understanding.understand(text, state, knowledge)
        return self._errors.added(heard, knowledge, self._random)


def talk(agent: DialogueAgent, speaker: Speaker, habits: Habits, seed: Sequence[int]) -> Talk:
    """One dialogue of a simulated user with an agent.

    The user hears an answer as what it is meant to say, where a check that knows nothing of templates
    reads the same out of its text.

    Args:
        agent: Answers.
        speaker: Has the user's words.
        habits: How users are.
        seed: Same seed, same goal.
    """
    knowledge = agent.source.now()
    drawn = np.random.default_rng(seed)
    user = User(sample(knowledge, habits, drawn), habits, knowledge, drawn)
    words = random.Random(f"words {list(seed)}")
    state, found, untrue = State(), [], False
    acts: tuple[Act, ...] = ()
    while not user.done and not state.ended:
        text, said = speaker.say(user.speaks(acts), acts, words)
        began = time.perf_counter()
        state, trace = agent.turn(state, text)
        found.append(Exchange(said, trace, time.perf_counter() - began))
        acts = trace.acts
        quoted = trace.choice.action == QUOTE  # A document says what it says.
        untrue = untrue or (not quoted and bool(faults(trace.answer, acts, knowledge, FIXED)))
    return Talk(tuple(found), UNTRUE if untrue else user.ending(knowledge))


def talks(
    agent: DialogueAgent,
    speaker: Speaker,
    dialogues: int,
    seed: int,
    habits: Habits | None = None,
) -> Talks:
    """Lets simulated users talk with an agent.

    Args:
        agent: Answers.
        speaker: Has their words.
        dialogues: How many.
        seed: Every dialogue has draws of its own by it: agents meet the same goals.
        habits: How users are.
    """
    found = [talk(agent, speaker, habits or Habits(), (seed, one)) for one in range(dialogues)]
    return Talks(found)


def _kind(act: Act) -> str:
    return f"{act.intent}({act.slot})" if act.slot else act.intent
