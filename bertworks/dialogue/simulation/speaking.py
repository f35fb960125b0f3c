"""What a simulated user says, in words: real utterances with the masks of their values filled in.

An utterance says what its right labels would be heard as. So acts are put into words, and words are
heard, by one table (`hearing`): what is lost between the two is what understanding lost.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence

from bertworks.data.utterances.filling import as_said, filled
from bertworks.data.utterances.masked import Utterance
from bertworks.dialogue.acts import DONT_CARE, THIS, Act
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.hearing import Hearing
from bertworks.dialogue.knowledge import normal
from bertworks.errors import DataError
from bertworks.tasks.understanding.frames import Frame, Slot

Meaning = frozenset[Act]
"""What an utterance says, its values left out."""

_VALUE = "?"
_ANY = Act("inform", THIS, DONT_CARE)


class Speaker:
    """Puts acts into words.

    Args:
        utterances: Masked ones; those that understanding was trained on would flatter it.
        hearing: What they say.
        domain: The dialogue's slots.
        variants: Value to other words for it.

    Raises:
        DataError: There are no utterances for something that users say; all of it is named.
    """

    def __init__(
        self,
        utterances: Iterable[Utterance],
        hearing: Hearing,
        domain: Domain,
        variants: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._variants = variants or {}
        self._of: dict[Meaning, list[Utterance]] = {}
        for one in utterances:
            if len(set(one.columns)) == len(one.columns):
                self._of.setdefault(meaning(one, hearing), []).append(one)
        needed = [Act("inform", slot, _VALUE) for slot in (*domain.informable, domain.key)]
        needed += [Act("request", slot) for slot in domain.told]
        needed += [Act(one) for one in ("affirm", "negate", "another", "bye")]
        lacking = [str(one) for one in (*needed, _ANY) if frozenset({one}) not in self._of]
        if lacking:
            raise DataError(
                f"No utterance says just {', '.join(lacking)}; simulated users need one for each.",
                "Give more utterances, or hold back a greater share (`test`) of them.",
            )

    def say(
        self, acts: Sequence[Act], asked: Sequence[Act], stream: random.Random
    ) -> tuple[str, tuple[Act, ...]]:
        """A text that says acts, in as few utterances as there are.

        Args:
            acts: What is to be said.
            asked: What the agent said last: "any" is enough of an answer to what it asked for.
            stream: Draws.

        Returns:
            The text, and the acts that it says, their values as they are compared.
        """
        left = list(dict.fromkeys(self._short(act, asked, stream) for act in acts))
        texts: list[str] = []
        said: list[Act] = []
        while left:
            values = {_masked(act): act.value for act in left}
            fitting = [one for one in self._of if one <= values.keys()]
            most = max(map(len, fitting))
            longest = [one for one in fitting if len(one) == most]
            now = stream.choices(longest, [len(self._of[one]) for one in longest])[0]
            texts.append(self._filled(stream.choice(self._of[now]), values, stream))
            said += [_as_heard(act) for act in left if _masked(act) in now]
            left = [act for act in left if _masked(act) not in now]
        return _joined(texts), tuple(said)

    def _filled(
        self, utterance: Utterance, values: Mapping[Act, str], stream: random.Random
    ) -> str:
        by_slot = {act.slot: value for act, value in values.items() if act.value == _VALUE}
        text, _ = filled(utterance, lambda slot: as_said(by_slot[slot], self._variants, stream))
        return text

    def _short(self, act: Act, asked: Sequence[Act], stream: random.Random) -> Act:
        """The act, or that anything will do where that says the same, or no utterance says more."""
        if act.value != DONT_CARE:
            return act
        wanted = next((one.slot for one in asked if one.intent in ("ask", "confirm")), "")
        known = frozenset({act}) in self._of
        return _ANY if not known or (act.slot == wanted and stream.random() < 0.5) else act


def meaning(utterance: Utterance, hearing: Hearing) -> Meaning:
    """The acts that an utterance says, with `_VALUE` for values that are filled in."""
    slots = tuple(
        Slot(part.slot, part.text or _VALUE, (0, 0), 0, 0, 1.0)
        for part in utterance.parts
        if part.slot
    )
    return frozenset(one.act for one in hearing.heard(Frame(utterance.intent, 1.0, slots)))


def _masked(act: Act) -> Act:
    return Act(act.intent, act.slot, _VALUE) if act.value not in ("", DONT_CARE) else act


def _as_heard(act: Act) -> Act:
    return Act(act.intent, act.slot, normal(act.value))


def _joined(texts: Sequence[str]) -> str:
    ended = [one if one[-1:] in ".!?," else f"{one}." for one in texts[:-1]]
    return " ".join([*ended, *texts[-1:]])
