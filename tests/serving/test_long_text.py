"""Texts longer than a window, asked of an agent: whole, alike in any company, as they are scored."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_model import MAX_LENGTH, make_model

from bertworks.contracts.agent import AGENT
from bertworks.contracts.files import to_json
from bertworks.runtime.agent import Agent
from bertworks.runtime.loading import predict

TAGS = ["O", "B-X", "I-X"]


def agent_of(tmp_path, task, labels, **more):
    return Agent.from_model(make_model(tmp_path / "model", task, labels, **more))


def test_the_tail_of_a_text_is_tagged_as_it_is_scored(tmp_path):
    agent = agent_of(tmp_path, {"type": "tagging"}, TAGS)
    words = ["good", "film", "so", "bad", "the", "plot"] * 15
    answer, short = agent.predict([words, ["good"]])
    assert not answer["truncated"] and len(answer["tags"]) == 90
    assert min(answer["scores"]) > 0.0
    rows = {"id": ["1"], "tokens": [words], "truth": [["O"] * 90]}
    rows["input_ids"] = agent.encode([words]).ids
    assert predict(agent, rows).prediction[0] == answer["tags"]
    assert short == agent.predict([["good"]])[0]


def test_a_text_of_one_window_is_answered_as_when_texts_are_cut(tmp_path):
    agent = agent_of(tmp_path, {"type": "tagging"}, TAGS)
    task = agent.task.model_copy(update={"long_text": "cut"})
    cut = Agent(replace(agent.info, task=task), agent._tokenizer, agent._runner._engine)
    text = ["good"] * (MAX_LENGTH - 2)
    assert agent.predict([text]) == cut.predict([text])
    assert cut.predict([[*text, "bad"]])[0]["truncated"]


def test_an_agent_of_before_cuts(tmp_path):
    agent = agent_of(tmp_path, {"type": "tagging"}, TAGS)
    recorded = to_json(agent.info)
    for name in ("long_text", "max_windows"):
        del recorded["task"][name]
    info = AGENT.of(recorded, "agent.json")
    old = Agent(info, agent._tokenizer, agent._runner._engine)
    assert old.most_tokens == MAX_LENGTH


@pytest.mark.parametrize("labels", [["a", "b"], []])
def test_the_windows_of_other_tasks_are_averaged(tmp_path, labels):
    kind = "classification" if labels else "regression"
    agent = agent_of(tmp_path, {"type": kind, "long_text": "windows", "max_windows": 4}, labels)
    text = "good film so bad the plot , a story . " * 3
    (ids,) = agent.encode([text]).ids
    assert len(ids) == 32
    from bertworks.text.windows import split

    parts, (count,) = split([ids], MAX_LENGTH)
    assert count == 3
    mean = np.mean(agent.predict_logits(parts), axis=0)
    np.testing.assert_allclose(agent.predict_logits([ids])[0], mean, atol=1e-5)
    answers = agent.predict([text, text * 9])
    assert [one["truncated"] for one in answers] == [False, True]


def test_a_long_text_gets_the_same_answer_in_any_company(tmp_path):
    agent = agent_of(tmp_path, {"type": "tagging"}, TAGS)
    texts = ["good film so bad the plot " * times for times in (1, 9, 4, 20, 2)]
    together = agent.predict(texts)
    for text, answer in zip(texts, together, strict=True):
        (alone,) = agent.predict([text])
        assert alone["tags"] == answer["tags"]
        np.testing.assert_allclose(alone["scores"], answer["scores"], atol=1e-5)
