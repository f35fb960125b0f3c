"""An agent cleans what it is asked as ingest cleaned what it learned from, and says what it cut."""

import json

import pytest
from tiny_model import MAX_LENGTH, bundle_of, make_model

from bertworks.contracts.agent import AGENT
from bertworks.contracts.files import to_json
from bertworks.data.rows.clean import clean_text
from bertworks.errors import ArtifactError
from bertworks.runtime.agent import Agent
from bertworks.serving import protocols
from bertworks.spec import Clean, Task

CLEAN = {"html": True, "unicode": "NFKC", "whitespace": True}
RAW = ["<p>the ｖｅｒｙ good &#x66;ilm</p>", "b<br>a", "ｂａｄ  story", "good film"]


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    root = tmp_path_factory.mktemp("clean")
    task = {"type": "classification"}
    model = make_model(root / "model", task, ["bad", "good", "so"], clean=CLEAN)
    return Agent.load(bundle_of(model, root / "bundle"))


def test_raw_texts_get_the_answer_of_clean_ones(agent):
    clean = Clean.model_validate(CLEAN)
    plain = [clean_text(text, clean) for text in RAW]
    assert plain == ["the very good film", "b a", "bad story", "good film"]
    assert agent.predict(RAW) == agent.predict(plain)
    assert agent.predict(RAW) == agent.predict(plain, cleaned=clean)


def test_rows_that_were_cleaned_are_not_cleaned_again(agent):
    clean = Clean.model_validate(CLEAN)
    escaped = "good &lt;b&gt; film"
    once = clean_text(escaped, clean)
    assert agent.encode([escaped]).ids == agent.encode([once], cleaned=clean).ids
    assert agent.encode([escaped]).ids != agent.encode([once]).ids
    # Rows of another clean-up are not the agent's own: it does its own on top.
    assert agent.encode([once], cleaned=Clean()).ids == agent.encode([once]).ids


@pytest.mark.parametrize("recorded", [{}, {"clean": None}])
def test_an_agent_of_before_cleans_nothing(tmp_path, recorded):
    model = make_model(tmp_path / "m", {"type": "classification"}, ["a", "b"])
    agent = Agent.load(bundle_of(model, tmp_path / "b"))
    known = {name: value for name, value in to_json(agent.info).items() if name != "clean"}
    info = AGENT.of({**known, **recorded}, "agent.json")
    old = Agent(info, agent._tokenizer, agent._runner._engine)
    assert old.clean is None
    assert len(old.encode(["<b>"]).ids[0]) == 5  # three marks and words of text, as it is


def test_a_damaged_record_is_named(tmp_path):
    wrong = {"unicode": "NFX"}
    model = make_model(tmp_path / "m", {"type": "classification"}, ["a", "b"], clean=wrong)
    with pytest.raises(ArtifactError, match=r"agent\.json cannot be read(.|\n)*unicode"):
        Agent.from_model(model)


def test_pairs_are_cleaned_on_both_sides(tmp_path):
    task = {"type": "classification", "pair": True}
    agent = Agent.from_model(make_model(tmp_path / "m", task, ["a", "b"], clean=CLEAN))
    assert agent.predict([("<b>good</b>", "ｂａｄ")]) == agent.predict([("good", "bad")])


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    root = tmp_path_factory.mktemp("tagger")
    model = make_model(root / "model", {"type": "tagging"}, ["B-X", "I-X", "O"], clean=CLEAN)
    return Agent.from_model(model)


def test_entities_stand_in_the_text_that_was_given(tagger):
    for text in [
        "<i>good</i> fi&#108;m, ｂａｄ\u00a0story .",
        "the &lt;plot&gt;",
        "a½b",
        "<p></p>",
    ]:
        answer = tagger.predict([text])[0]
        clean = Clean.model_validate(CLEAN)
        plain = tagger.predict([clean_text(text, clean)], cleaned=clean)[0]
        assert answer["tags"] == plain["tags"] and answer["scores"] == plain["scores"]
        for mine, theirs in zip(answer["entities"], plain["entities"], strict=True):
            assert text[mine["start"] : mine["end"]] == mine["text"]
            assert mine["score"] == theirs["score"]
    answer = tagger.predict(["<i>good</i> fi&#108;m ｂａｄ"])[0]
    assert answer["tokens"] == ["good", "fi&#108;m", "ｂａｄ"]


def test_words_given_one_by_one_keep_their_number(tagger):
    answer = tagger.predict([["<b>", "ｇｏｏｄ", "fi&#108;m"]])[0]
    assert answer["tokens"] == ["<b>", "ｇｏｏｄ", "fi&#108;m"]
    assert answer["tags"][0] == "O" and answer["scores"][0] == 0.0
    assert answer["tags"][1:] == tagger.predict([["good", "film"]])[0]["tags"]


@pytest.mark.parametrize(
    ("task", "labels", "row"),
    [
        ({"type": "classification"}, ["a", "b"], lambda words: "good " * words),
        ({"type": "classification", "multi_label": True}, ["a", "b"], lambda words: "a " * words),
        ({"type": "regression"}, [], lambda words: "b " * words),
        ({"type": "tagging", "long_text": "cut"}, ["B-X", "O"], lambda words: ["so"] * words),
        (
            {"type": "classification", "pair": True}, ["a", "b"],
            lambda words: ("good", "bad " * (words - 2)),
        ),
    ],
)  # fmt: skip
def test_every_task_says_what_it_cut(tmp_path, task, labels, row):
    agent = Agent.from_model(make_model(tmp_path / "m", task, labels))
    room = MAX_LENGTH - 2
    answers = agent.predict([row(room), row(room + 1), row(3)])
    assert [one["truncated"] for one in answers] == [False, True, False]
    outputs = protocols.tensors_of(answers, Task.model_validate(task))
    assert outputs[-1] == ("truncated", "BOOL", [False, True, False])
    assert [json.loads(one)["truncated"] for one in outputs[0][2]] == [False, True, False]
