"""What training is unsure of is read by lists of words, and values are those of the knowledge base."""

from collections.abc import Sequence

import pytest

from bertworks.dialogue.acts import Act, Heard
from bertworks.dialogue.backed import Backed
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.hearing import Learned
from bertworks.dialogue.knowledge import Knowledge
from bertworks.dialogue.knowledge.base import Line
from bertworks.dialogue.state import State
from bertworks.dialogue.understanding import Keywords
from tests.dialogue.test_hearing import Known, answered

DOMAIN = Domain("name", ("food", "area"), ("phone",), "restaurant")
ROWS = [("Gourmet Burger", "north american", "north"), ("The Nook", "modern european", "centre")]
TOWN = Knowledge(
    DOMAIN,
    [
        Line(f"town:{number}", {"name": name, "food": food, "area": area, "phone": "1"})
        for number, (name, food, area) in enumerate(ROWS)
    ],
)
KEYWORDS = Keywords(DOMAIN)


def heard(
    text: str, *words: str, intent: str = "inform", score: float = 0.8, **more: bool
) -> list[str]:
    answer = {**answered(intent, *words, **more), "intent_score": score}
    backed = Backed(Learned(Known(answer), "turns/1", DOMAIN), KEYWORDS)
    assert backed.name == "turns/1, backed by keywords"
    found = backed.understand(text, State(said=(Act("ask", "area"),)), TOWN)
    return [str(one.act) for one in found]


@pytest.mark.parametrize(
    ("text", "words", "wanted"),
    [
        ("in the north", ["in", "the", "north/B-area"], ["inform(area=north)"]),
        ("north american food", ["north/B-area", "american/B-food", "food"],
         ["inform(food=north american)"]),
        ("north american food", ["north/B-area", "american", "food"],
         ["inform(food=north american)"]),
        ("in the north north american", ["north/B-area", "american/B-food"],
         ["inform(area=north)", "inform(food=north american)"]),
        ("modern european food", ["modern", "european/B-food"], ["inform(food=modern european)"]),
        ("at nook the nook", ["nook/B-name"], ["inform(name=the nook)"]),
        ("eritrean food", ["eritrean/B-food", "food"], ["inform(food=eritrean)"]),
        ("the phone of it", ["phone/B-mention.phone"], ["request(phone)"]),
    ],
)  # fmt: skip
def test_values_are_those_of_the_knowledge_base(
    text: str, words: Sequence[str], wanted: list[str]
) -> None:
    assert heard(text, *words) == wanted


def test_what_training_is_unsure_of_is_read_by_lists_of_words() -> None:
    assert heard("yes please", "yes", intent="thank", score=0.2) == ["affirm()"]
    assert heard("yes please", "yes", intent="thank", score=0.9) == ["bye()"]
    assert heard("I do not care", "I", intent="bye", score=0.1) == ["inform(this=dontcare)"]
    assert heard("xyzzy", "xyzzy", intent="affirm", score=0.2) == ["affirm()"]  # nothing better
    assert heard("no chinese", "x", intent="deny", score=0.9) == ["negate()"]


def test_a_greeting_is_no_more_than_that() -> None:
    assert heard("what else is there?", "there", score=0.9) == ["another()"]
    assert heard("I need a place to eat", "eat", score=0.9) == ["greet()"]


def test_what_is_out_of_scope_stays_so_unless_it_is_of_the_knowledge_base() -> None:
    def outside(text: str) -> list[str]:
        return heard(text, "x", out_of_scope=True)

    assert outside("is there a lift") == ["unclear()"]
    assert outside("thanks for the fish") == outside("whatever you say") == ["unclear()"]
    assert outside("nothing north american?") == ["inform(food=north american)"]
    assert outside("nothing north american") == ["deny(food=north american)"]
    assert outside("in which area then") == [
        "unclear()"
    ]  # an answer to what was asked, not a question
    assert outside("and the phone") == ["request(phone)"]
    assert heard("", "x") == ["unclear()"]


def test_what_was_heard_keeps_its_confidence() -> None:
    answer = answered("inform", "in", "the", "north/B-area")
    backed = Backed(Learned(Known(answer), "turns/1", DOMAIN), KEYWORDS)
    (one,) = backed.understand("in the north", State(), TOWN)
    assert one == Heard(Act("inform", "area", "north"), 0.9)


def test_a_value_of_signs_is_understood_though_it_has_no_letter() -> None:
    rows = [{"name": "The Nook", "food": "thai", "area": "$$", "phone": "1"}]
    town = Knowledge(DOMAIN, [Line("town:1", rows[0])])
    backed = Backed(Learned(Known(answered("bye", "$$")), "turns/1", DOMAIN), KEYWORDS)
    found = [str(one.act) for one in backed.understand("$$", State(), town)]
    assert found == ["inform(area=$$)"]
