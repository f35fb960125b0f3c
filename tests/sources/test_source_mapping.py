"""From columns to examples: mapping, labels, clean-up, ids and splits."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.data.labels.labels import Refused
from bertworks.data.rows.clean import clean_text, strip_html
from bertworks.data.rows.mapping import Mapper
from bertworks.data.rows.split import content_id, split_of
from bertworks.spec import Clean, Source, Task


def example(values: dict, task: dict | None = None, clean: Clean | None = None, **source):
    given_source = Source.model_validate({"uri": "x", **source})
    given_task = Task.model_validate(task or {})
    return Mapper(given_source, given_task, clean or Clean(), "|", "here").example(values)


def refused(values: dict, task: dict | None = None, **source) -> str:
    with pytest.raises(Refused) as caught:
        example(values, task, **source)
    return caught.value.rule


def test_columns_constants_and_extra():
    found = example(
        {"body": " a  b ", "kind": 1, "site": "web", "length": 2.0},
        columns={"text": "body", "label": "kind", "source": "site", "extra": ["length", "year"]},
        constants={"year": "2020"},
    )
    assert found == {
        "id": content_id("a b"), "text": "a b", "label": "1", "source": "web", "length": "2",
        "year": "2020",
    }  # fmt: skip


def test_label_pattern_then_label_map():
    found = example(
        {"text": "a", "label": "LOC:city"}, label_pattern="^([A-Z]+):", label_map={"LOC": "place"}
    )
    assert found["label"] == "place"
    rule = refused({"text": "a", "label": "city"}, label_pattern="^([A-Z]+):")
    assert rule == "label does not match label_pattern"


@pytest.mark.parametrize("label", [None, "", "  ", []])
def test_no_label(label):
    assert refused({"text": "a", "label": label}) == "no label"


@pytest.mark.parametrize("text", ["", " \t", "\u3000"])
def test_empty_text(text):
    assert refused({"text": text, "label": "x"}) == "column 'text' is empty"


def test_text_that_cannot_be_stored():
    assert refused({"text": "a\udcffb", "label": "x"}) == "bytes that are not in the encoding"
    assert refused({"text": "a", "label": "\ud800"}) == "bytes that are not in the encoding"
    assert refused({"text": "a\0b", "label": "x"}) == "NUL byte"
    assert refused({"text": 5, "label": "x"}) == "column 'text' is not text"
    assert refused({"label": "x"}) == "no column 'text'"


@pytest.mark.parametrize("value", ["high", "", None, "nan", "inf", True, "1,5", [1]])
def test_regression_wants_a_finite_number(value):
    assert refused({"text": "a", "label": value}, {"type": "regression"}) == "label is not a number"


def test_regression_and_pairs():
    assert example({"text": "a", "label": "-1.5"}, {"type": "regression"})["score"] == -1.5
    pair = example({"text_a": "a", "text_b": "b", "label": "x"}, {"pair": True})
    assert (pair["text_a"], pair["text_b"]) == ("a", "b")
    assert pair["id"] == content_id("a", "b") != content_id("ab")


@pytest.mark.parametrize("value", ["b|a| |b", ["b", "a"]])
def test_multi_label(value):
    assert example({"text": "t", "label": value}, {"multi_label": True})["labels"] == ["a", "b"]


def test_multi_label_may_have_none_of_the_labels():
    assert example({"text": "t", "label": ""}, {"multi_label": True})["labels"] == []


def test_tagging_keeps_tokens_and_tags_aligned_when_a_word_becomes_empty():
    found = example(
        {"tokens": ["<b>", "New", "York", "."], "tags": ["B-LOC", "I-LOC", "I-LOC", "O"]},
        {"type": "tagging"},
        Clean(html=True),
    )
    assert found["tokens"] == ["New", "York", "."]
    assert found["tags"] == ["B-LOC", "I-LOC", "O"]


def test_tagging_refuses_what_does_not_fit():
    task = {"type": "tagging"}
    assert refused({"tokens": ["a"], "tags": ["O", "O"]}, task) == "1 tokens but 2 tags"
    assert "form" in refused({"tokens": ["a"], "tags": ["NN"]}, task)
    assert "not a list" in refused({"tokens": "a b", "tags": ["O", "O"]}, task)
    assert refused({"tokens": [" "], "tags": ["O"]}, task) == "no tokens"


def test_where_compares_as_text():
    source = Source(uri="x", where={"year": ["2020", "2021"], "ok": ["true"]})
    mapper = Mapper(source, Task(), Clean(), "|", "here")
    assert mapper.filter.passes({"year": 2020, "ok": True})
    assert not mapper.filter.passes({"year": 2019, "ok": True})
    assert not mapper.filter.passes({"ok": True})
    assert mapper.needed == ["text", "label", "year", "ok"]


def test_html_is_removed_and_loose_angle_brackets_stay():
    assert clean_text("I<br /><br />saw&nbsp;<i>it</i> &amp; left", Clean(html=True)) == (
        "I saw it & left"
    )
    assert strip_html("<p>one</p><p>two</p><script>x()</script>") == "\none\n\ntwo\n"
    assert strip_html("I <3 you, 2 < 3") == "I <3 you, 2 < 3"


@settings(deadline=None)
@given(text=st.text())
def test_clean_text_is_stable(text):
    clean = Clean(unicode="NFKC")
    once = clean_text(text, clean)
    assert unicodedata.is_normalized("NFKC", once)
    assert once == " ".join(once.split())


@settings(deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_html_clean_up_takes_any_text(text):
    clean_text(text, Clean(html=True))


@settings(deadline=None)
@given(identity=st.text("0123456789abcdef", min_size=16, max_size=16), share=st.floats(0, 0.4))
def test_a_larger_share_only_takes_rows_from_train(identity, share):
    before = split_of(identity, "", 0.1, share)
    after = split_of(identity, "", 0.1, share + 0.1)
    assert after == before or after == "test" or before == "train"


def test_shares_hold_and_the_salt_matters():
    ids = [content_id(str(number)) for number in range(5000)]
    splits = [split_of(identity, "", 0.1, 0.2) for identity in ids]
    assert 0.08 < splits.count("validation") / 5000 < 0.12
    assert 0.17 < splits.count("test") / 5000 < 0.23
    assert splits != [split_of(identity, "other", 0.1, 0.2) for identity in ids]
