"""A simulated user with an agenda (Schatzmann et al. 2007, "Agenda-based user simulation").

The agenda is a stack of acts. What the agent says pushes acts on it; in each turn some are popped and
said. The user hears what the agent says without errors: answers are texts that a check has passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bertworks.dialogue.acts import DONT_CARE, Act
from bertworks.dialogue.knowledge import Knowledge, normal
from bertworks.dialogue.simulation.goals import Goal, Habits

_MOST_ACTS = 4


class User:
    """One simulated user.

    Args:
        goal: What they want.
        habits: How they are.
        knowledge: For the columns' names alone: a user cannot look into it.
        random: Draws.

    Attributes:
        goal: As it is now: minds change.
        accepted: Key of the entity that they took; "" before.
        told: Slot to what they were told of it; "" where it is not known.
        turns: How often they have spoken.
        gave_up: They lost patience.
        done: They said goodbye.
    """

    def __init__(
        self, goal: Goal, habits: Habits, knowledge: Knowledge, random: np.random.Generator
    ) -> None:
        self.goal, self._habits, self._random = goal, habits, random
        self._key, self._informable = knowledge.domain.key, knowledge.domain.informable
        self.accepted = ""
        self.told: dict[str, str] = {}
        self.turns, self.gave_up, self.done = 0, False, False
        self._others = goal.others
        self._refused: list[str] = []
        self._last: tuple[Act, ...] = ()
        self._said: tuple[Act, ...] = ()
        self._same = 0
        wishes = [Act("inform", *one) for one in goal.constraints.items() if one[1] != DONT_CARE]
        order = self._random.permutation(len(wishes))
        self._agenda: list[Act] = [wishes[place] for place in order]  # the last one is on top

    def speaks(self, said: Sequence[Act] = ()) -> tuple[Act, ...]:
        """What they say after the agent's acts; nothing at the beginning of a dialogue."""
        self.turns += 1
        self._same = self._same + 1 if said and tuple(said) == self._last else 0
        self._last = tuple(said)
        self._change_mind()
        answers = self._hear(said)
        if self.turns > self.goal.patience or self._same >= self._habits.repeats:
            self.gave_up = True
        if self.gave_up:
            self._said = (Act("bye"),)
        else:
            self._said = self._next(answers)
        self.done = any(one.intent == "bye" for one in self._said)
        return self._said

    @property
    def missing(self) -> list[str]:
        """What they still want to know of what they took."""
        return [slot for slot in self.goal.requests if slot not in self.told]

    def served(self, knowledge: Knowledge) -> bool:
        """Whether they have what they want, true to the knowledge base."""
        if self.gave_up or not self.accepted:
            return False
        if not self.goal.met_by(self.accepted, knowledge) or self.missing:
            return False
        return all(
            normal(value) == normal(knowledge.value(self.accepted, slot))
            for slot, value in self.told.items()
        )

    def ending(self, knowledge: Knowledge) -> str:
        """How it ended for them, in a word: "success", or what was missing."""
        if self.served(knowledge):
            return "success"
        if self.gave_up:
            return "patience lost"
        if not self.accepted:
            return "nothing taken"
        return "details missing" if self.missing else "not what was wanted"

    def _change_mind(self) -> None:
        change = self.goal.change
        if change is not None and self.turns >= change[0]:
            _, slot, value = change
            self.goal = replace(self.goal.instead(slot, value), change=None)
            self._push(Act("inform", slot, value))
            self._take("")

    def _hear(self, said: Sequence[Act]) -> list[Act]:
        """Pushes what follows from the agent's acts; returns what is said at once."""
        answers: list[Act] = []
        facts = {one.slot: one.value for one in said if one.intent == "inform"}
        facts |= {one.slot: "" for one in said if one.intent == "unknown"}
        missing = [one for one in said if one.intent == "no_offer"]
        for act in said:
            if act.intent == "ask":
                self._push(self._wish(act.slot))
            elif act.intent == "confirm":
                right = normal(act.value) == self.goal.constraints.get(act.slot, DONT_CARE)
                answers.append(Act("affirm" if right else "negate"))
                if not right:
                    self._push(self._wish(act.slot))
            elif act.intent in ("again", "quote"):  # No document has what they want to know.
                answers += [one for one in self._said if one not in answers]
            elif act.intent in ("offer", "no_other"):
                self._judge(act, facts)
            elif act.intent == "gone" and act.value == self.accepted:
                self._take("")
        if facts and facts.get(self._key, self.accepted) == self.accepted != "":
            self._check(facts)
            self.told |= {
                slot: value for slot, value in facts.items() if slot in self.goal.requests
            }
        if missing:
            self._despair(missing)
        return answers

    def _wish(self, slot: str) -> Act:
        return Act("inform", slot, self.goal.constraints.get(slot, DONT_CARE))

    def _judge(self, offer: Act, facts: dict[str, str]) -> None:
        """Takes an offer, or says what is wrong with it."""
        wanted = self.goal.constraints.get(self._key)
        if wanted is not None and normal(wanted) != normal(offer.value):
            self._push(Act("inform", self._key, wanted))
            return
        self._take(offer.value)
        self._check(facts)
        if not self.accepted:
            return
        unsaid = [
            slot
            for slot, value in self.goal.constraints.items()
            if value != DONT_CARE and slot not in facts and slot != self._key
        ]
        if unsaid and offer.intent == "offer" and self._random.random() < self._habits.attentive:
            for slot in unsaid:
                self._push(self._wish(slot))
        elif self._others > 0 and offer.intent == "offer":
            self._others -= 1
            self._take("")
            self._push(Act("another"))

    def _check(self, facts: dict[str, str]) -> None:
        """Corrects what was told of the offer and is not as wanted."""
        for slot in self._informable:
            wish = self.goal.constraints.get(slot, DONT_CARE)
            if wish != DONT_CARE and facts.get(slot) and normal(facts[slot]) != wish:
                self._push(self._wish(slot))
                self._take("")

    def _take(self, key: str) -> None:
        if key != self.accepted:
            self.accepted, self.told = key, {}

    def _despair(self, missing: Sequence[Act]) -> None:
        """Nothing fits what the agent understood: it is put right, or another wish takes its place."""
        self._take("")
        wrong = [one for one in missing if self._wish(one.slot).value != normal(one.value)]
        for act in wrong:
            self._push(self._wish(act.slot))
        if not wrong and self.goal.fallback is not None:
            slot, value = self.goal.fallback
            self.goal = self.goal.instead(slot, value)
            self._push(Act("inform", slot, value))
        elif not wrong:  # It overlooked a wish, or believes in one that it did not name.
            for one in [*self.goal.constraints]:
                self._push(self._wish(one))

    def _push(self, act: Act) -> None:
        """Puts an act on top; an older one of the same kind goes."""
        kind = (act.intent, act.slot)
        self._agenda = [one for one in self._agenda if (one.intent, one.slot) != kind]
        self._agenda.append(act)

    def _next(self, answers: list[Act]) -> tuple[Act, ...]:
        if self.accepted and not self._agenda:
            for slot in reversed(self.missing):
                self._agenda.append(Act("request", slot))
            if not self._agenda and not answers:
                return (Act("bye"),)
        count = 1
        while count < _MOST_ACTS and self._random.random() < self._habits.talkative:
            count += 1
        while self._agenda and len(answers) < count:
            answers.append(self._agenda.pop())
        if not answers:  # Nothing is left to say, and nothing was offered: a wish is repeated.
            wishes = list(self.goal.constraints.items())
            slot, value = wishes[int(self._random.integers(len(wishes)))]
            answers.append(Act("inform", slot, value))
        return tuple(dict.fromkeys(answers))
