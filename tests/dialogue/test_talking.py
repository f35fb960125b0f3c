"""Simulated users talk in words: what they say, what is misheard of it, and how it ends."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from bertworks.data.utterances.making import held_out, rows_of
from bertworks.dialogue import building
from bertworks.dialogue.acts import DONT_CARE, THIS, Act, Heard
from bertworks.dialogue.agent import DialogueAgent
from bertworks.dialogue.answers import Answers, Said, Templates
from bertworks.dialogue.hearing import Hearing, Learned
from bertworks.dialogue.knowledge import normal
from bertworks.dialogue.policies import Chance, Rules
from bertworks.dialogue.simulation.agenda import User
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.simulation.goals import Habits, sample
from bertworks.dialogue.simulation.speaking import Speaker
from bertworks.dialogue.simulation.talking import UNTRUE, Misheard, talk, talks
from bertworks.dialogue.state import State
from bertworks.dialogue.understanding import Keywords
from bertworks.errors import DataError, SpecError
from bertworks.runtime.agent import Agent
from bertworks.spec.dialogue import DialogueSpec
from bertworks.spec.file import load_as
from pipelines.cli.main import app
from tests.dialogue import words
from tests.dialogue.helpers import ANSWERS, DOMAIN, FILE, TOWN, Still
from tests.dialogue.test_spec import SPEC
from tests.helpers.tiny_model import bundle_of, make_model

VALUES = {"pricerange": {"cheap": ["budget"]}}
KEYWORDS = Keywords(DOMAIN, values=VALUES)
PATIENT = replace(Habits(), patience=(30, 30))
LABELS = ["O", "B-food", "I-food", "B-area", "B-name", "intent:inform", "intent:bye"]


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return words.written(tmp_path_factory.mktemp("words"))


@pytest.fixture(scope="module")
def speaker(setting: Path) -> Speaker:
    said, utterances = held_out(setting, "words")
    return Speaker(utterances, Hearing(DOMAIN, VALUES), DOMAIN, said.variants)


@pytest.fixture(scope="module")
def understandings(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Agent]:
    """Untrained agents, alone and in context."""
    folder = tmp_path_factory.mktemp("understanding")
    found = {}
    for context in (False, True):
        task = {"type": "understanding", "context": context}
        model = make_model(folder / f"model-{context}", task, LABELS)
        found[context] = Agent.load(bundle_of(model, folder / f"bundle-{context}"), threads=1)
    return found


def agent(understanding: Any = KEYWORDS, policy: Any = None) -> DialogueAgent:
    return DialogueAgent(DOMAIN, Still(), understanding, policy or Rules(), ANSWERS)


def test_users_say_what_no_training_row_says(setting: Path) -> None:
    _, utterances = held_out(setting, "words")
    trained = {row["text"].lower() for row in rows_of(setting, "words") if row["part"] == "train"}
    plain = {one.pattern.lower() for one in utterances if not one.columns}
    assert plain and not plain & trained
    assert {one["part"] for one in rows_of(setting, "words")} == {"train", "validation", "test"}


@pytest.mark.parametrize("seed", range(20))
def test_a_text_says_the_acts_and_nothing_else(speaker: Speaker, seed: int) -> None:
    stream = np.random.default_rng(seed)
    user = User(sample(TOWN, Habits(), stream), Habits(), TOWN, stream)
    asked: tuple[Act, ...] = ()
    for asks in ("area", "food", "pricerange"):
        acts = user.speaks(asked)
        text, said = speaker.say(acts, asked, random.Random(seed))
        shortened = {one for one in acts if one.value == DONT_CARE}
        compared = {replace(one, value=normal(one.value)) for one in acts}
        assert compared - shortened <= set(said) <= {*compared, Act("inform", THIS, DONT_CARE)}
        heard = KEYWORDS.understand(text, State(said=asked), TOWN)
        wishes = {one for one in said if one.intent in ("inform", "request")}
        assert {one.act for one in heard} >= wishes, text
        asked = (Act("ask", asks),)


def test_any_is_enough_of_an_answer_to_what_was_asked_alone(speaker: Speaker) -> None:
    area, price = (Act("inform", slot, DONT_CARE) for slot in ("area", "pricerange"))
    anything = Act("inform", THIS, DONT_CARE)
    said = {speaker.say([area], [Act("ask", "area")], random.Random(seed))[1] for seed in range(20)}
    assert said == {(area,), (anything,)}
    assert speaker.say([area], [Act("ask", "food")], random.Random(1))[1] == (area,)
    assert speaker.say([price], [], random.Random(1))[1] == (anything,)  # no utterance says more


def test_what_cannot_be_said_is_named(setting: Path) -> None:
    _, utterances = held_out(setting, "words")
    few = [one for one in utterances if one.intent not in ("affirm", "bye")]
    with pytest.raises(DataError, match=r"says just affirm\(\), bye\(\)"):
        Speaker(few, Hearing(DOMAIN), DOMAIN)


def test_who_is_understood_is_served_in_words_too(speaker: Speaker) -> None:
    found = talks(agent(), speaker, 40, 1, PATIENT)
    assert found.success == 1.0, found.lines()
    assert found.errors.rate == 0 and not found.lost()
    again = talks(agent(), speaker, 40, 1, PATIENT)
    assert [one.lines() for one in again.talks] == [one.lines() for one in found.talks]
    assert found.turns > 3 and found.to_json()["endings"] == {"success": 40}


def test_errors_that_are_added_cost_success(speaker: Speaker) -> None:
    mishearing = Misheard(KEYWORDS, Errors(0.3), np.random.default_rng(1))
    found = talks(agent(mishearing), speaker, 60, 1)
    assert found.success < talks(agent(), speaker, 60, 1).success
    assert 0.2 < found.errors.rate < 0.4 and found.lost().total() > 20
    assert found.errors.lost > 0.1 and found.errors.value > 0.1
    failed = next(one for one in found.talks if one.ending != "success")
    assert any("understood" in line for line in failed.lines())


def test_what_was_not_understood_stays_so_when_errors_are_added() -> None:
    errors, stream = (
        Errors(1.0, lost=1.0, value=0.0, slot=0.0, intent=0.0),
        np.random.default_rng(0),
    )
    unclear = Heard(Act("unclear"), 0.4)
    assert errors.added([unclear], TOWN, stream) == (unclear,)
    (lost,) = errors.added([Heard(Act("affirm"), 0.9)], TOWN, stream)
    assert lost.act == Act("unclear")
    kept = [Heard(Act("affirm"), 0.9), Heard(Act("inform", "food", "thai"), 0.7)]
    assert Errors(0.0).added(kept, TOWN, stream) == tuple(kept)


@pytest.mark.parametrize("context", [False, True])
def test_an_understanding_that_knows_nothing_says_nothing_untrue(
    speaker: Speaker, understandings: dict[bool, Agent], context: bool
) -> None:
    hears = Learned(understandings[context], "tiny/1", DOMAIN, context=context)
    found = talks(agent(hears, Chance(1)), speaker, 8, 2)
    assert found.success < 0.5 and UNTRUE not in found.endings
    assert found.errors.rate > 0.5


def test_what_was_answered_last_is_read_with_the_turn(understandings: dict[bool, Agent]) -> None:
    hears = Learned(understandings[True], "tiny/1", DOMAIN, context=True)
    state, _ = agent(hears).turn(State(), "good film")
    assert state.answer and State.from_json(json.loads(json.dumps(state.to_json()))) == state
    old = state.to_json()
    del old["answer"]
    assert State.from_json(old) == replace(state, answer="")
    before = "bad story so so ."
    bare, said = (
        hears.understand("good film", State(answer=one), TOWN)[0].confidence for one in ("", before)
    )
    assert bare != pytest.approx(said, abs=1e-4)
    (answer,) = understandings[True].predict([("good film", before)])
    scores = [answer["intent_score"], *(one["score"] for one in answer["entities"])]
    assert any(said == pytest.approx(one) for one in scores)
    alone = Learned(understandings[False], "tiny/1", DOMAIN)
    assert alone.understand("film", state, TOWN) == alone.understand("film", State(), TOWN)


def test_an_untrue_answer_is_a_failure(speaker: Speaker) -> None:
    class Lies(Answers):
        def say(self, acts: Any, knowledge: Any, number: int = 0) -> Said:
            return Said("Call 01223 999999.", ("lie",))

    lying = DialogueAgent(
        DOMAIN, Still(), KEYWORDS, Rules(), Lies(Templates({}, DOMAIN, TOWN), DOMAIN)
    )
    assert talk(lying, speaker, Habits(), (1, 1)).ending == UNTRUE


def test_the_command_tells_how_dialogues_end(setting: Path, tmp_path: Path) -> None:
    (tmp_path / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    spec = tmp_path / "town.yaml"
    spec.write_text(f"{SPEC}  learn: {{utterances: {setting}, users: {{patience: [30, 30]}}}}\n")
    arguments = ["dialogue", "simulate", str(spec), "--dialogues", "10", "--show", "1"]
    found = CliRunner().invoke(app, [*arguments, "--errors", "0.4", "--json"])
    record = json.loads(found.stdout)
    assert record["dialogues"] == 10 and record["errors"]["rate"] > 0.1
    found = CliRunner().invoke(app, [*arguments, "--errors", "0.4"])
    assert found.exit_code == 0 and found.stdout.splitlines()[-5].startswith("success ")
    spec.write_text(SPEC)
    with pytest.raises(SpecError, match="names no file"):
        building.speaker_of(load_as(DialogueSpec, spec).dialogue, tmp_path)
