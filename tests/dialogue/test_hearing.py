"""A trained agent's answers become acts."""

from __future__ import annotations

from typing import Any

import pytest

from bertworks.dialogue.acts import Act
from bertworks.dialogue.agent import DialogueAgent
from bertworks.dialogue.backed import Backed
from bertworks.dialogue.hearing import Learned
from bertworks.dialogue.policies import Rules
from bertworks.dialogue.state import State
from bertworks.dialogue.understanding import Keywords
from bertworks.tasks.tagging.entities import spans
from tests.dialogue.helpers import ANSWERS, DOMAIN, TOWN, Still


def answered(intent: str, *words: str, **more: Any) -> dict[str, Any]:
    """An answer to words, of which "WORD/TAG" has a tag."""
    tokens = [word.partition("/")[0] for word in words]
    tags = [word.partition("/")[2] or "O" for word in words]
    entities, at = [], [0]
    for token in tokens:
        at.append(at[-1] + len(token) + 1)
    for kind, first, end in spans(tags):
        text = " ".join(tokens[first:end])
        entities.append(
            {
                "type": kind,
                "text": text,
                "start": at[first],
                "end": at[first] + len(text),
                "score": 0.9,
            }
        )
    return {
        "intent": intent, "intent_score": 0.8, "tokens": tokens, "tags": tags,
        "scores": [0.9] * len(tags), "entities": entities, **more,
    }  # fmt: skip


class Known:
    """An agent with one answer."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer

    def predict(self, rows: Any) -> list[dict[str, Any]]:
        return [self.answer for _ in rows]


def acts(answer: dict[str, Any]) -> list[str]:
    values = {"area": {"centre": ["center", "city centre"]}}
    heard = Learned(Known(answer), "turns/1", DOMAIN, values).understand("said", State(), TOWN)
    return [str(one.act) for one in heard]


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (answered("inform", "Chinese/B-food", "in", "city/B-area", "centre/I-area"),
         ["inform(food=chinese)", "inform(area=centre)"]),
        (answered("inform", "The/B-name", "Golden/I-name", "phone/B-mention.phone"),
         ["inform(name=the golden)", "request(phone)"]),
        (answered("request", "area/B-mention.area", "and", "zip/B-mention.postcode"),
         ["request(area)", "request(postcode)"]),
        (answered("deny", "not", "Thai/B-food"), ["deny(food=thai)"]),
        (answered("deny", "not", "that"), ["negate()"]),
        (answered("dontcare", "any", "area/B-mention.area"), ["inform(area=dontcare)"]),
        (answered("dontcare", "whatever"), ["inform(this=dontcare)"]),
        (answered("affirm", "yes", "thai/B-food"), ["affirm()", "inform(food=thai)"]),
        (answered("another", "else"), ["another()"]),
        (answered("thank", "thanks"), ["bye()"]),
        (answered("thank", "thanks", "phone/B-mention.phone"), ["request(phone)"]),
        (answered("inform", "a", "restaurant"), ["greet()"]),
        (answered("request", "what"), ["unclear()"]),
        (answered("order_pizza", "x", "y/B-topping"), ["unclear()"]),
        (answered("inform", "thai/B-food", out_of_scope=True), ["unclear()"]),
    ],
)  # fmt: skip
def test_frames_become_acts(answer: dict[str, Any], wanted: list[str]) -> None:
    assert acts(answer) == wanted


def test_acts_are_as_sure_as_what_they_were_read_from() -> None:
    answer = answered("affirm", "yes", "thai/B-food")
    heard = Learned(Known(answer), "turns/1", DOMAIN).understand("yes thai", State(), TOWN)
    assert [one.confidence for one in heard] == [0.8, 0.9]


def test_an_empty_turn_is_not_asked() -> None:
    heard = Learned(Known({}), "turns/1", DOMAIN).understand("  ", State(), TOWN)
    assert [str(one.act) for one in heard] == ["unclear()"]


def test_a_turn_of_nothing_but_known_words_is_of_no_other_domain() -> None:
    """However far it is from what was learned."""
    outside = {**answered("inform", "x"), "out_of_scope": True}

    def says(text: str) -> list[str]:
        hears = Learned(Known(outside), "turns/1", DOMAIN, keywords=Keywords(DOMAIN))
        return [str(one.act) for one in hears.understand(text, State(), TOWN)]

    assert says("okay, thanks, bye") == ["bye()"]
    assert says("no") == ["negate()"]
    assert says("thanks for the train tickets, bye") == ["unclear()"]


SIGNS = ("!!!", "...", "?", "—", "¡ !", "👍", "👍🏽", "🇬🇧", "♥️", "\u0301", "…\n…")
"""Turns without a letter or digit."""


@pytest.mark.parametrize("text", SIGNS)
def test_a_turn_without_letters_is_not_asked_and_never_a_goodbye(text: str) -> None:
    agent = Known(answered("bye", text))
    heard = Learned(agent, "turns/1", DOMAIN).understand(text, State(), TOWN)
    assert [str(one.act) for one in heard] == ["unclear()"]
    spoken = State(said=(Act("offer", "name", "Golden Lantern"),), offered="Golden Lantern")
    for hears in (
        Learned(agent, "t", DOMAIN),
        Backed(Learned(agent, "t", DOMAIN), Keywords(DOMAIN)),
    ):
        talking = DialogueAgent(DOMAIN, Still(), hears, Rules(), ANSWERS)
        for state in (State(), spoken):
            after, trace = talking.turn(state, text)
            assert not after.ended and trace.choice.action == "again"


@pytest.mark.parametrize("text", ["k", "5", "ok!", "吃", "é", "ठीक"])
def test_a_turn_with_a_letter_or_digit_is_asked(text: str) -> None:
    heard = Learned(Known(answered("bye", text)), "turns/1", DOMAIN).understand(text, State(), TOWN)
    assert [str(one.act) for one in heard] == ["bye()"]
