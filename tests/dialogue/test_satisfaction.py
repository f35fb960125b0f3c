"""How users say that it went well or badly, and how that becomes reward."""

from collections.abc import Sequence

import pytest

from bertworks.dialogue import satisfaction
from bertworks.dialogue.agent import DialogueAgent
from bertworks.dialogue.logs import REPEATED, Kept, turns_of
from bertworks.dialogue.policies import Rules
from bertworks.dialogue.simulation.episode import SUCCESS, TURN
from bertworks.dialogue.state import State
from bertworks.dialogue.trace import Trace
from bertworks.dialogue.understanding import Keywords
from tests.dialogue.helpers import ANSWERS, DOMAIN, TOWN, Still

SERVED = ["cheap chinese", "north", "the phone", "thanks, bye"]


def talk(*said: str) -> list[Trace]:
    agent = DialogueAgent(DOMAIN, Still(), Keywords(DOMAIN), Rules(), ANSWERS)
    state, traces = State(), []
    for text in said:
        state, trace = agent.turn(state, text)
        traces.append(trace)
    return traces


def rewards(dialogue: Kept) -> list[float]:
    return turns_of([dialogue], TOWN)[0].reward.tolist()


@pytest.mark.parametrize(
    ("said", "again"),
    [
        (SERVED, [False] * 4),
        (["cheap chinese", "north", "phone", "what is its phone?"], [False, False, False, True]),
        (["chinese", "cheap", "chinese"], [False] * 3),
        (["chinese", "Chinese food!"], [False, True]),
        (["blah blah", "Blah, blah."], [False, True]),
        (["yes", "no"], [False, False]),
        (["", ""], [False, False]),
        ([], []),
    ],
)
def test_what_is_said_again_at_once_was_not_answered(
    said: Sequence[str], again: list[bool]
) -> None:
    assert satisfaction.repeats(talk(*said)) == again


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (SERVED, None),
        ([*SERVED[:3], "Perfect, bye"], 1.0),
        (["perfect", "north", "bye"], None),  # of the beginning, not of the whole
        (["cheap chinese", "This is USELESS!", "bye"], 0.0),
        (["chinese", "that's not what I asked", "perfect, bye"], 0.0),
        ([], None),
    ],
)
def test_words_tell_how_it_went(said: Sequence[str], told: float | None) -> None:
    assert satisfaction.said_so(talk(*said), satisfaction.ENGLISH) == told
    assert Kept(talk(*said)).told == told


def test_a_button_counts_more_than_words_and_words_more_than_a_guess() -> None:
    complaint = talk(*SERVED[:3], "useless, bye")
    assert Kept(talk(*SERVED)).success == 1.0
    assert Kept(complaint).success == 0.0 and Kept(complaint, 1.0).success == 1.0
    assert Kept(complaint, phrases={"bad": ["worthless"]}).success == 1.0


def test_satisfaction_is_reward() -> None:
    assert rewards(Kept(talk(*SERVED))) == [TURN, TURN, TURN, TURN + SUCCESS]
    assert rewards(Kept(talk(*SERVED), 0.0)) == [TURN] * 4
    again = talk("cheap chinese", "cheap chinese", "north", "bye")
    assert rewards(Kept(again)) == [TURN + REPEATED, TURN, TURN, TURN + SUCCESS]
