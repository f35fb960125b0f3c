"""One turn of a dialogue: from what the user said to what is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bertworks.dialogue.actions import AGAIN, Situation
from bertworks.dialogue.acts import Act, Heard, not_understood
from bertworks.dialogue.answers import Answers, Said
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge import Knowledge
from bertworks.dialogue.matching import Matching, Quote
from bertworks.dialogue.policies import Policy
from bertworks.dialogue.state import State, listened, spoke
from bertworks.dialogue.trace import Trace
from bertworks.dialogue.understanding import LONGEST, Understanding, says_something


class Source(Protocol):
    """Where the knowledge base of a turn comes from: `knowledge.Followed`."""

    @property
    def fault(self) -> str:
        """Why the present file is not in use; "" where it is."""
        ...

    def now(self) -> Knowledge:
        """The knowledge base as it is now."""
        ...


class DialogueAgent:
    """Answers turns. It keeps nothing between them: all that it needs is in the state.

    Args:
        domain: The dialogue's slots.
        source: The knowledge base, which may change between turns.
        understanding: From texts to acts.
        policy: Chooses what is done.
        answers: Says it.
        matching: Finds documents that answer what was not understood; None: nothing does.
    """

    def __init__(
        self,
        domain: Domain,
        source: Source,
        understanding: Understanding,
        policy: Policy,
        answers: Answers,
        matching: Matching | None = None,
    ) -> None:
        self.domain, self.source = domain, source
        self._understanding, self._policy, self._answers = understanding, policy, answers
        self._matching = matching

    def greeting(self) -> str:
        """What is said before the user has said anything."""
        return self._answers.say((Act("greet"),), self.source.now()).text

    def turn(self, state: State, said: str | Sequence[Heard]) -> tuple[State, Trace]:
        """Hears the user and answers.

        Args:
            state: After the last turn; `State()` at the beginning.
            said: A text, or the acts that it was understood as elsewhere.

        Returns:
            The state after the answer, and all that was decided on the way.
        """
        knowledge = self.source.now()
        notices = []
        if self.source.fault:
            notices.append(f"the knowledge base is an older one: {self.source.fault}")
        text: str | None = None
        if isinstance(said, str):
            text = said
            if len(said) > LONGEST:
                notices.append(f"{len(said) - LONGEST:,} of {len(said):,} characters were not read")
            heard = tuple(self._understanding.understand(said[:LONGEST], state, knowledge))
            by = self._understanding.name
        else:
            heard, by = tuple(said), "given"
        state = listened(state, heard, self.domain, knowledge)
        names = {
            one.act.value: None
            for one in heard
            if one.act.slot == self.domain.key and one.act.intent == "inform"
        }
        if len(names) > 1 and state.offered:
            notices.append(f"of {len(names)} names one was taken: {state.offered}")
        situation = Situation(state, knowledge)
        answer: Said | Quote
        if (quote := self._quote(text, state)) is not None:
            choice, acts, answer = quote.choice, quote.acts, quote
        else:
            choice = self._policy.choose(situation)
            acts = situation.acts(choice.action)
            try:
                answer = self._answers.say(acts, knowledge, state.turn)
            except ValueError as error:  # Better to say nothing than what may be untrue.
                notices.append(f"{choice.action} was not said: {error}")
                acts = (Act(AGAIN),)
                answer = self._answers.say(acts, knowledge, state.turn)
            notices += [f"a template was not used: {one}" for one in answer.refused]
        trace = Trace(
            state.turn, text, heard, by, state, situation.count, knowledge.digest, choice, acts,
            answer.text, answer.forms, tuple(notices),
        )  # fmt: skip
        return spoke(state, acts, answer.text), trace

    def _quote(self, text: str | None, state: State) -> Quote | None:
        """The document that answers a text of which nothing was understood."""
        if self._matching is None or text is None or not says_something(text):
            return None
        if state.gone or not not_understood(state.heard):  # What is gone is told first.
            return None
        return self._matching.find(text[:LONGEST])
