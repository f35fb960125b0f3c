"""Bases of other families go the whole way: tokens, training, pruning, int8, the gate, answers."""

import random

import numpy as np
import pytest
from run_of import Case, Row, Run

from bertworks.contracts.metrics import METRICS, value_of
from bertworks.contracts.tokens import TOKENS
from bertworks.evaluation.data import read_split
from bertworks.models.weights import load_folder
from tests.helpers import family_bases

WORDS = ["film", "story", "plot", "cast", "the", "so", "night", "day"]


def named(stream: random.Random) -> Row:
    """Names of people and places among other words."""
    tags = {"Ann": "B-PER", "Bob": "B-PER", "Rome": "B-LOC", "Oslo": "B-LOC"}
    words = stream.choices([*WORDS, *tags], k=stream.randint(3, 7))
    return {"tokens": words, "tags": [tags.get(word, "O") for word in words]}


def fitting(stream: random.Random) -> Row:
    """Two texts that fit where both say good or both say bad."""
    first, second = stream.choice(("good", "bad")), stream.choice(("good", "bad"))
    texts = [" ".join(stream.choices(WORDS, k=3)) for _ in range(2)]
    label = "yes" if first == second else "no"
    return {"text_a": f"{first} {texts[0]}", "text_b": f"{second} {texts[1]}", "label": label}


CASES = {
    "roberta": Case({"type": "tagging"}, named, learns=0.9, base=family_bases.roberta),
    "mpnet": Case({"type": "classification", "pair": True}, fitting, None, base=family_bases.mpnet),
}


@pytest.fixture(scope="module", params=CASES)
def run(request, tmp_path_factory):
    return Run(CASES[request.param], tmp_path_factory.mktemp(request.param))


def test_tokens_are_padded_and_marked_as_the_base_says(run):
    special = TOKENS.read(run.tokens).special
    assert (special.cls, special.pad, special.sep) == (0, 1, 2)
    rows = read_split(run.tokens, "train")
    assert all(row[0] == 0 and row[-1] == 2 for row in rows["input_ids"])
    if "type_ids" in rows:
        assert not any(map(any, rows["type_ids"]))
        assert all(list(row).count(2) == 3 for row in rows["input_ids"])


def test_tokens_are_what_serving_reads(run):
    stored = read_split(run.tokens, "test")
    theirs = dict(zip(stored["id"], stored["input_ids"], strict=True))
    test = read_split(run.examples, "test")
    encoded = run.agent.encode(run.handler.form.rows(test), cleaned=run.spec.data.clean)
    assert [list(theirs[name]) for name in test["id"]] == [list(ids) for ids in encoded.ids]


def test_it_learns_and_its_bundle_answers_as_it_does(run):
    model, bundle = (METRICS.read(one) for one in (run.metrics, run.bundle_metrics))
    metric = run.handler.default_metric
    scores = [value_of(one, metric) for one in (model, bundle)]
    if run.case.learns is not None:
        assert scores[0] >= run.case.learns
    assert abs(scores[0] - scores[1]) < 0.25
    assert run.decision.json("decision.json")


def test_a_pruned_model_keeps_the_parts_of_its_family(run):
    config, weights, raw = load_folder(run.pruned.path)
    assert raw["model_type"] == "bert" and config.pad_id == 1
    relative = [name for name in weights if "relative_attention_bias" in name]
    assert len(relative) == (config.num_layers if config.relative_positions else 0)


def test_answers_do_not_depend_on_the_company(run):
    rows = run.handler.form.rows(read_split(run.examples, "test"))[:12]
    encoded = run.agent.encode(rows)
    together = run.agent.predict_logits(encoded.ids, encoded.types)
    types = encoded.types or [None] * len(rows)
    for ids, kinds, expected in zip(encoded.ids, types, together, strict=True):
        (alone,) = run.agent.predict_logits([ids], None if kinds is None else [kinds])
        np.testing.assert_allclose(alone, expected, atol=1e-4)
