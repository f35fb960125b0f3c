"""Values that look like words of every sentence, that have signs, or that come in another form."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from bertworks.dialogue.acts import DONT_CARE, Act
from bertworks.dialogue.agent import DialogueAgent
from bertworks.dialogue.answers import Answers, Templates
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge import Knowledge, read, words
from bertworks.dialogue.policies import Rules
from bertworks.dialogue.state import State
from bertworks.dialogue.understanding import Keywords
from bertworks.errors import DataError, SpecError

BOOKS = Domain("title", ("language", "part"), ("price",), "book")
HOTELS = Domain("name", ("breakfast", "area"), ("phone",), "hotel")


class Given:
    """A knowledge base that does not change."""

    fault = ""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge

    def now(self) -> Knowledge:
        return self._knowledge


def known(folder: Path, domain: Domain, *rows: str) -> Knowledge:
    file = folder / "rows.csv"
    file.write_text("\n".join([",".join(domain.columns), *rows]) + "\n", encoding="utf-8")
    return read(file, domain)


def talker(domain: Domain, knowledge: Knowledge) -> DialogueAgent:
    answers = Answers(Templates({}, domain, knowledge), domain)
    return DialogueAgent(domain, Given(knowledge), Keywords(domain), Rules(), answers)


def heard(domain: Domain, knowledge: Knowledge, text: str, state: State | None = None) -> list[Act]:
    return [one.act for one in Keywords(domain).understand(text, state or State(), knowledge)]


def test_values_that_are_words_of_every_sentence_stop_nothing(tmp_path: Path) -> None:
    """ "Could you say it again?" says no language, and "How can I help you?" no volume."""
    rows = ["Duden,de,I,9", "Divina,it,II,-", "Wuthering,en,not,12", "Peer,no,you,$"]
    agent = talker(BOOKS, known(tmp_path, BOOKS, *rows))
    assert agent.greeting() == "Hello. How can I help you?"
    state, trace = agent.turn(State(), "blabla €")
    assert trace.answer and not trace.notices
    state, trace = agent.turn(state, "I want Divina")
    assert "divina" in trace.answer.lower()
    for text in ("the price please", "something else", "no"):
        state, trace = agent.turn(state, text)
        assert not trace.notices, (text, trace.notices)


def test_a_wrong_value_is_found_though_sentences_have_its_word(tmp_path: Path) -> None:
    knowledge = known(tmp_path, HOTELS, "Ritz,yes,north,1", "Inn,no,south,2")
    answers = Answers(Templates({}, HOTELS, knowledge), HOTELS)
    with pytest.raises(ValueError, match="breakfast of 'Ritz' is 'yes', not 'no'"):
        answers.say((Act("offer", "name", "Ritz"), Act("inform", "breakfast", "no")), knowledge)


@pytest.mark.parametrize("answer", ["no", "No.", "yes"])
def test_yes_and_no_are_values_where_they_were_asked_for(tmp_path: Path, answer: str) -> None:
    knowledge = known(tmp_path, HOTELS, "Ritz,yes,north,1", "Inn,no,south,2", "Bo,no,north,3")
    said = replace(State(), said=(Act("ask", "breakfast"),))
    assert heard(HOTELS, knowledge, answer, said) == [
        Act("inform", "breakfast", answer.lower().strip("."))
    ]
    assert heard(HOTELS, knowledge, "no") == [Act("negate")]


def test_signs_that_tell_values_apart_are_heard(tmp_path: Path) -> None:
    knowledge = known(tmp_path, BOOKS, "K&R,C,$,1", "Stroustrup,C++,$$,2", "Skeet,C#,€€,3")
    for said, value in (("I want a C++ book", "c++"), ("C", "c"), ("c#!", "c#")):
        assert heard(BOOKS, knowledge, said) == [Act("inform", "language", value)]
    assert heard(BOOKS, knowledge, "$$") == [Act("inform", "part", "$$")]
    assert words("Köln, Straße") == ("köln", "strasse")


def test_values_that_nobody_could_tell_apart_are_refused_with_their_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows.csv:3: `language` differs .*rows.csv:2 in signs"):
        known(tmp_path, BOOKS, "a,rock-n-roll,1,1", "b,rock n roll,1,1")
    with pytest.raises(DataError, match="`part` has no letter or digit, so nobody can say it"):
        known(tmp_path, BOOKS, "a,de,-,1")
    assert len(known(tmp_path, BOOKS, "a,de,1,-", "b,de,1,?")) == 2  # of what is only told


def test_composed_and_decomposed_letters_are_the_same(tmp_path: Path) -> None:
    knowledge = known(tmp_path, HOTELS, "Dom,yes,Köln,1", "Bar,no,Bonn,2")
    for form in ("NFC", "NFD"):
        text = unicodedata.normalize(form, "in Köln, please")
        assert heard(HOTELS, knowledge, text) == [Act("inform", "area", "köln")]


def test_any_goes_with_the_slot_beside_it_and_loses_nothing_else(tmp_path: Path) -> None:
    knowledge = known(tmp_path, HOTELS, "Ritz,yes,north,1", "Inn,no,south,2")
    acts = heard(HOTELS, knowledge, "any breakfast, in the north, and the phone")
    assert acts == [
        Act("inform", "area", "north"), Act("inform", "breakfast", DONT_CARE), Act("request", "phone"),
    ]  # fmt: skip
    assert heard(HOTELS, knowledge, "the breakfast does not matter") == [
        Act("inform", "breakfast", DONT_CARE)
    ]


def test_a_column_that_no_object_has_is_named(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text('[{"title": "A", "language": "de"}, {"title": "B", "lang": "fr", "price": 1}]')
    with pytest.raises(DataError, match="has no column 'part'") as raised:
        read(file, BOOKS)
    assert "dialogue.ask and dialogue.tell" in raised.value.fix
    file.write_text('[{"title": "A", "title": "B"}]')
    with pytest.raises(DataError, match="has the key 'title' twice"):
        read(file, BOOKS)
    table = tmp_path / "rows.csv"
    table.write_text("title;language;part;price\na;de;1;2\n")
    with pytest.raises(DataError) as raised:
        read(table, BOOKS)
    assert "delimiter seems to be ';'" in raised.value.fix


def test_an_answer_without_a_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="answers.greet has no text"):
        Templates({"greet": [" "]}, HOTELS)
