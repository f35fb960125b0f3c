"""Every kind of task goes the whole way, as a TFX DAG."""

import random

import pytest
from tfx_runs import Run, write_agent
from tiny_agent import BAD, GOOD, THINGS

from bertworks.runtime.agent import Agent

CHANCE = random.Random(3)


def _sentences(count):
    for number in range(count):
        good = number % 2 == 0
        word, thing = CHANCE.choice(GOOD if good else BAD), CHANCE.choice(THINGS)
        yield number, good, word, thing


def pairs(count=240):
    for number, good, word, thing in _sentences(count):
        yield {
            "text_a": f"the {thing} {number}",
            "text_b": f"was {word}",
            "label": "yes" if good else "no",
        }


def plain(count=240):
    for number, good, word, thing in _sentences(count):
        yield {"text": f"the {thing} was {word}, {number}", "label": "good" if good else "bad"}


def many_labels(count=240):
    for number, good, word, thing in _sentences(count):
        labels = (["good"] if good else []) + (["plot"] if thing == "plot" else [])
        yield {"text": f"the {thing} was {word}, {number}", "label": labels}


def scores(count=240):
    for number, good, word, thing in _sentences(count):
        yield {
            "text": f"the {thing} was {word}, {number}",
            "label": (0.1 + number / 997) * (1 if good else -1),
        }


def tagged(count=240):
    for number, good, word, thing in _sentences(count):
        tag = "B-GOOD" if good else "B-BAD"
        yield {
            "tokens": ["the", thing, "was", word, str(number)],
            "tags": ["O", "B-THING", "O", tag, "O"],
        }


def turns(count=240):
    for number, good, word, thing in _sentences(count):
        yield {
            "tokens": ["the", thing, "was", word, str(number)],
            "tags": ["O", "B-THING", "O", "O", "O"],
            "label": "praise" if good else "complain",
        }


def turns_in_context(count=240):
    for row in turns(count):
        yield {**row, "context": "what was it like?" if row["label"] == "praise" else ""}


TASKS = {
    "pair": ({"type": "classification", "pair": True}, pairs, [("the plot 5", "was lovely")], "label"),
    "multi-label": (
        {"type": "classification", "multi_label": True}, many_labels, ["the plot was dull"], "labels",
    ),
    "regression": ({"type": "regression"}, scores, ["the plot was dull"], "score"),
    "tagging": ({"type": "tagging"}, tagged, [["the", "plot", "was", "dull"]], "tags"),
    "understanding": ({"type": "understanding"}, turns, [["the", "plot", "was", "dull"]], "intent"),
    "in context": (
        {"type": "understanding", "context": True}, turns_in_context, [("the plot was dull", "")],
        "intent",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TASKS)
def test_the_whole_way(name, tmp_path, tfx_agent):
    task, rows, asked, key = TASKS[name]
    pretrain = {"pretrain": {"enabled": True, "steps": 3, "batch_size": 4, "sequence_length": 32}}
    write_agent(tmp_path, list(rows()), task, **(pretrain if name == "pair" else {}))

    done = tfx_agent(tmp_path)

    assert done.returncode == 0, done.stderr[-4000:]
    run = Run(tmp_path, done)
    (pushed,) = run.pushed()
    assert key in Agent.load(pushed).predict(asked)[0]
    boxes = {node.box for node in run.lineage.nodes.values()}
    assert ("Pretrain" in boxes) == (name == "pair")


def wide(text):
    """In letters of full width, with line breaks of HTML."""
    letters = {ord(one): ord(one) + 0xFEE0 for one in "abcdefghijklmnopqrstuvwxyz"}
    return "<br/>".join(word.translate(letters) for word in text.split(" "))


def test_what_is_served_cleans_as_the_spec_says(tmp_path, tfx_agent):
    """Learned from texts that only the spec's clean-up makes words of, and asked in the same way."""
    rows = [{**row, "text": wide(row["text"])} for row in plain()]
    clean = {"html": True, "unicode": "NFKC"}
    sources = [{"uri": "rows.jsonl", "license": "made up"}]
    write_agent(
        tmp_path, rows, {}, data={"sources": sources, "clean": clean}, gates={"minimum": 0.9}
    )  # fmt: skip

    done = tfx_agent(tmp_path)

    assert done.returncode == 0, done.stderr[-4000:]
    (pushed,) = Run(tmp_path, done).pushed()
    agent = Agent.load(pushed)
    assert (agent.clean.html, agent.clean.unicode) == (True, "NFKC")
    texts = [f"the plot was {word}, 1" for word in (*GOOD, *BAD)]
    said = agent.predict(texts)
    assert [one["label"] for one in said] == ["good"] * len(GOOD) + ["bad"] * len(BAD)
    assert agent.predict([wide(text) for text in texts]) == said
