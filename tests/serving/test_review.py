"""The review: which answers are held or flagged, what goes out then, and that nothing of them leaks."""

import asyncio
import json

import pytest
from asgi import post
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from served import serving_of
from tiny_model import bundle_of, make_model

from bertworks.errors import SpecError
from bertworks.runtime.agent import Agent
from bertworks.serving.page.joining import join as join_page
from bertworks.serving.review import joining, rules
from bertworks.serving.review.hiding import without_personal_data
from bertworks.serving.review.reviewer import Reviewer
from bertworks.serving.review.verdict import Verdict
from bertworks.spec.review import Review, TextRule

GOOD = {"label": "good", "score": 0.9, "scores": {"good": 0.9, "bad": 0.1}, "truncated": False}
BAD = {"label": "bad", "score": 0.6, "scores": {"good": 0.4, "bad": 0.6}, "truncated": True}
SEVERAL = {"labels": ["a", "b"], "scores": {"a": 0.9, "b": 0.7, "c": 0.1}, "truncated": False}
NUMBER = {"score": 3.5, "truncated": False}
TAGS = {
    "tokens": ["ann", "@", "example.org"], "tags": ["B-PER", "O", "O"], "scores": [0.9, 1.0, 1.0],
    "entities": [{"type": "PER", "text": "ann", "start": 0, "end": 3, "score": 0.9}], "truncated": False,
}  # fmt: skip


def verdict(settings, answer, row="a text", **more):
    return asyncio.run(Reviewer(Review(**settings), **more).verdicts([row], [answer]))[0]


@pytest.mark.parametrize(
    ("settings", "answer", "expected"),
    [
        ({"hold_labels": ["bad"]}, BAD, Verdict("hold", "label")),
        ({"hold_labels": ["bad"]}, GOOD, None),
        ({"flag_labels": ["b"]}, SEVERAL, Verdict("flag", "label")),
        ({"hold_labels": ["c"]}, SEVERAL, None),
        ({"hold_labels": ["PER"]}, TAGS, Verdict("hold", "label")),
        ({"minimum_confidence": 0.7}, BAD, Verdict("hold", "confidence")),
        ({"minimum_confidence": 0.7, "unsure": "flag"}, BAD, Verdict("flag", "confidence")),
        ({"minimum_confidence": 0.6}, BAD, None),
        ({"minimum_confidence": 0.8}, SEVERAL, Verdict("hold", "confidence")),
        ({"minimum_confidence": 0.95}, TAGS, Verdict("hold", "confidence")),
        ({"minimum_confidence": 1.0}, NUMBER, None),
        ({"flag_labels": ["bad"], "minimum_confidence": 0.7}, BAD, Verdict("hold", "confidence")),
        ({"hold_labels": ["bad"], "minimum_confidence": 0.7}, BAD, Verdict("hold", "label")),
    ],
)  # fmt: skip
def test_rules_on_the_answer(settings, answer, expected):
    assert verdict(settings, answer) == expected


THREAT = {"texts": [{"name": "threat", "pattern": r"(?i)\bkill (you|him)\b"}]}


@pytest.mark.parametrize(
    ("row", "more", "held"),
    [
        ("I will KILL you", {}, True), ("skill youth", {}, False), (["kill", "him"], {}, True),
        (["fine", "kill him"], {"two_texts": True}, True), (["kill", "him"], {"two_texts": True}, False),
        ("x " * 5000 + "kill you" + " x" * 5000, {}, True),
    ],
)  # fmt: skip
def test_rules_on_the_text(row, more, held):
    expected = Verdict("hold", "text:threat") if held else None
    assert verdict(THREAT, GOOD, row, **more) == expected


@given(st.integers(0, 12_000), st.integers(0, 6_000))
def test_a_match_is_found_wherever_it_stands_in_a_long_text(before, behind):
    rule = rules.TextRules(Review(texts=[{"name": "it", "pattern": "needle(?: needle){20}"}]))
    text = "-" * before + " ".join(["needle"] * 21) + "-" * behind
    assert len(" ".join(["needle"] * 21)) < rules.OVERLAP
    assert rule.judge(text)


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(a*)*b", "(?:a+b?)*", r"(\w+\s?)+$", "(a{1,100})*", r"(a)\1", "((a|b+)c)*",
                "(",
                "(?P<x>a)(?(x)b|c)", "([a-z]+)*", "(?:(?:x{2,}))+", "*"],
)  # fmt: skip
def test_patterns_that_could_stop_the_server_are_refused(pattern):
    with pytest.raises(ValidationError):
        TextRule(name="a", pattern=pattern)


@pytest.mark.parametrize(
    "pattern", [r"\bkill\b", "a+b+", r"(?:ab){1,5}", r"(?i)(foo|bar)\s+baz", "(a{1,5}){1,5}", "x*?",
                "[a-z]+@"],
)  # fmt: skip
def test_patterns_that_are_taken(pattern):
    assert TextRule(name="a", pattern=pattern).pattern == pattern


@pytest.mark.parametrize(
    "settings",
    [
        {"hold_labels": ["a"], "flag_labels": ["a"]}, {"minimum_confidence": 1.5}, {"unsure": "drop"},
        {"texts": 2 * [{"name": "a", "pattern": "a"}]}, {"texts": [{"name": "A b", "pattern": "a"}]},
        {"agent": {"bundle": "b"}}, {"agent": {"bundle": "b", "hold": ["x"], "flag": ["x"]}},
    ],
)  # fmt: skip
def test_settings_that_say_two_things_or_nothing(settings):
    with pytest.raises(ValidationError):
        Review(**settings)


def test_what_goes_out():
    reviewer = Reviewer(Review(hold_labels=["bad"], flag_labels=["good"]))
    told = reviewer.applied(
        ["a", "b", "c"],
        [BAD, GOOD, GOOD],
        [Verdict("hold", "label"), Verdict("flag", "label"), None],
    )
    assert told[0] == {"truncated": True, "held": True, "flagged": False, "reason": "label"}
    assert told[1] == {**GOOD, "held": False, "flagged": True, "reason": "label"}
    assert told[2] == {**GOOD, "held": False, "flagged": False, "reason": ""}


def test_words_of_an_answer_are_masked():
    told = without_personal_data(TAGS, "ann@example.org")
    assert told["entities"][0]["text"] == "[email]"
    words = {**TAGS, "tokens": ["call", "13800138000"], "entities": []}
    assert without_personal_data(words, "call 13800138000")["tokens"] == ["call", "[phone]"]
    split = {**TAGS, "tokens": ["138", "0013", "8000", "now"], "entities": []}
    assert without_personal_data(split, "138 0013 8000 now")["tokens"] == [*3 * ["[phone]"], "now"]
    assert without_personal_data(GOOD, "13800138000") == GOOD


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("review")
    model = make_model(folder / "model", {"type": "classification"}, ["bad", "good"])
    other = make_model(folder / "other", {"type": "classification"}, ["mild", "toxic"])
    bundle_of(other, folder / "second")
    return folder, Agent.from_model(model)


def served(made, page=False, **settings):
    """An application whose answers are looked at."""
    serving = serving_of({"mood": made[1]})
    joining.join(serving, Review(**settings))
    if page:
        join_page(serving)
    return serving.application()[0], serving


TEXTS = ["good film", "bad story .", "so so", "the very good plot , a film"]


def middle_of(answers):
    """A score that some are above and some below."""
    scores = sorted(one["score"] for one in answers)
    assert scores[1] < scores[2]
    return (scores[1] + scores[2]) / 2


def test_a_held_answer_is_a_200_without_its_label(made):
    plain = post(served(made)[0], "/v1/models/mood:predict", {"instances": TEXTS}).json()[
        "predictions"
    ]
    assert "held" not in plain[0]
    least = middle_of(plain)
    app, _ = served(made, minimum_confidence=least)
    answer = post(app, "/v1/models/mood:predict", {"instances": TEXTS})
    assert answer.status == 200
    for before, now in zip(plain, answer.json()["predictions"], strict=True):
        if before["score"] < least:
            assert now == {
                "held": True,
                "flagged": False,
                "reason": "confidence",
                "truncated": False,
            }
        else:
            assert now == {**before, "held": False, "flagged": False, "reason": ""}


def test_v2_has_the_same_in_its_tensors(made):
    plain = post(served(made)[0], "/v1/models/mood:predict", {"instances": TEXTS}).json()[
        "predictions"
    ]
    app, _ = served(made, minimum_confidence=middle_of(plain))
    inputs = [{"name": "text", "datatype": "BYTES", "shape": [len(TEXTS)], "data": TEXTS}]
    first = post(app, "/v1/models/mood:predict", {"instances": TEXTS}).json()["predictions"]
    answer = post(app, "/v2/models/mood/infer", {"inputs": inputs}).json()
    outputs = {one["name"]: one["data"] for one in answer["outputs"]}
    assert [json.loads(one) for one in outputs["prediction"]] == first
    assert outputs["held"] == [one["held"] for one in first] and sum(outputs["held"]) == 2
    for place, before in enumerate(plain):
        shown = outputs["label"][place], outputs["score"][place]
        assert shown == (
            ("", 0.0) if outputs["held"][place] else (before["label"], before["score"])
        )
    asked = [{"name": "held"}, {"name": "reason"}]
    only = post(app, "/v2/models/mood/infer", {"inputs": inputs, "outputs": asked}).json()[
        "outputs"
    ]
    assert [one["name"] for one in only] == ["held", "reason"]


def test_an_explanation_does_not_tell_what_is_held(made):
    app, _ = served(made, page=True, hold_labels=["bad", "good"])
    answer = post(app, "/v1/models/mood:explain", {"instances": ["good film"]})
    assert answer.status == 403 and "good" not in answer.json()["error"]


def test_the_second_agent_holds_and_flags(made):
    second = Agent.load(made[0] / "second")
    says = [one["label"] for one in second.predict(TEXTS)]
    settings = {
        "bundle": str(made[0] / "second"),
        "hold": ["toxic"],
        "flag": ["mild"],
        "minimum": 0,
    }
    app, _ = served(made, agent=settings)
    told = post(app, "/v1/models/mood:predict", {"instances": TEXTS}).json()["predictions"]
    assert [one["reason"] for one in told] == [f"agent:{label}" for label in says]
    assert [one["held"] for one in told] == [label == "toxic" for label in says]


def test_labels_that_nobody_gives_are_told_at_the_start(made):
    with pytest.raises(SpecError, match=r"toxic.*bad, good|no model here gives: toxic"):
        served(made, hold_labels=["toxic"])
    settings = {"bundle": str(made[0] / "second"), "hold": ["rude"]}
    with pytest.raises(SpecError, match="rude"):
        served(made, agent=settings)


def test_a_model_that_is_loaded_again_is_still_looked_at(made):
    app, serving = served(made, hold_labels=["bad", "good"])
    serving.models.unload("mood")
    serving.models.load("mood")
    told = post(app, "/v1/models/mood:predict", {"instances": TEXTS}).json()["predictions"]
    assert all(one["held"] for one in told)
