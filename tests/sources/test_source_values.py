"""Cells as values: labels, numbers and lists are the same in every format, or refused."""

from __future__ import annotations

import json
import math

import pytest

from bertworks.data.labels.label_names import label_notices, look_alikes, several_in_one
from bertworks.data.rows.values import is_blank, is_missing, list_in, number, plain, tidy
from bertworks.errors import DataError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.0", "0"), (0.0, "0"), ("-0.0", "0"), ("1.0", "1"), (1, "1"), (True, "true"),
        ("True", "true"),
        ("FALSE", "false"), (None, ""), (math.nan, ""), ("nan", "nan"), ("1.50", "1.50"),
        ("1.10", "1.10"),
        ("007", "007"), ("NA", "NA"), ("1_0", "1_0"),
    ],
)  # fmt: skip
def test_plain_is_the_same_in_every_format(value, text):
    assert plain(value) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1.5", 1.5), (" 2 ", 2.0), ("-.5", -0.5), ("1e3", 1000.0), ("３.５", 3.5), (7, 7.0),
        ("1_2", None), ("1,5", None), ("1,234.5", None), ("inf", None), ("nan", None), (math.inf, None),
        ("5%", None), ("٣", None), ("0x10", None), (True, None), ("", None), (None, None), ([1], None),
    ],
)  # fmt: skip
def test_numbers_are_read_strictly(value, expected):
    assert number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1,5", 1.5), ("1.234,5", 1234.5), ("3", 3.0), ("1.5", None), ("1,2,3", None), (2.5, 2.5)],
)
def test_a_decimal_comma_is_a_setting(value, expected):
    assert number(value, ",") == expected


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("['a', 'b']", ["a", "b"]), ('["a", "b\'c"]', ["a", "b'c"]), ("['a' 'b']", ["a", "b"]),
        ("['a'\n 'b']", ["a", "b"]), ("[0 1 0]", ["0", "1", "0"]), ("[0, 1]", ["0", "1"]), ("[]", []),
        ("{a,b}", ["a", "b"]), ("('a', 'b')", ["a", "b"]),
        ("array(['a', 'b'], dtype=object)", ["a", "b"]),
        ("a|b", None), ("[a", None), ("(see above)", None), ("{'a': 1}", None), ("[x] and [y]", None),
    ],
)  # fmt: skip
def test_lists_that_were_written_as_text(text, items):
    assert list_in(text) == items


@pytest.mark.parametrize(
    "text", ["\u200b", "\ufeff\u200d", "\ufe0f", " \t", "\u3000", "\x07", "\u0301", "\ufffd"]
)
def test_what_shows_nothing_is_blank(text):
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", "😀", "é", "❤\ufe0f", "。", "a\u200b", "-"])
def test_what_shows_something_is_not(text):
    assert not is_blank(text)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("cafe\u0301", "café"), ("\u200bspam", "spam"), ("spam\ufeff", "spam"), ("ｓｐａｍ", "spam"),
        (" a  b\u00a0c ", "a b c"), ("so\u00adft", "soft"), ("a\u3000b", "a b"),
        ("👩\u200d💻", "👩\u200d💻"), ("می\u200cخواهم", "می\u200cخواهم"), ("x\u200d", "x"),
    ],
)  # fmt: skip
def test_labels_do_not_depend_on_how_they_were_typed(typed, read):
    assert tidy(typed) == read


def test_missing_is_what_typed_data_says_is_missing():
    assert [is_missing(one) for one in (None, math.nan, "nan", "", 0, [])] == [True, True] + [
        False
    ] * 4


def test_labels_that_are_nearly_the_same_are_grouped():
    labels = [
        "Spam",
        "spam",
        "SPAM",
        "ham",
        "not spam",
        "not_spam",
        "-1",
        "1",
        "а",
        "a",
        "1.0",
        "10",
        "C",
        "C++",
    ]
    assert look_alikes(labels) == [
        ["1", "1.0"],
        ["a", "а"],
        ["not spam", "not_spam"],
        ["SPAM", "Spam", "spam"],
    ]


@pytest.mark.parametrize("mark", [";", "|", ", ", "/", " + ", " "])
def test_what_separates_labels_is_told_where_none_stands_alone(mark):
    """Each cell has two labels, so that no part is a label by itself."""
    cells = [f"{one}{mark}{two}" for one, two in ("ac", "bc", "ab")]
    if mark == " ":  # names have spaces: only parts that are labels themselves speak for several
        assert several_in_one(cells, ",") == {}
        cells += ["a", "b", "c"]
    joined = {(mark.strip() or " "): sorted(one for one in cells if len(one) > 1)}
    assert several_in_one(cells, ",", True) == (joined if mark.strip() != "," else {})
    assert several_in_one(cells, "^") == joined


def test_several_labels_where_one_is_expected_are_told():
    counts = {"a": 5, "b": 4, "c": 2, "a;b": 3, "b;c": 1, "yes/no": 2}
    (told,) = label_notices(counts, False, "|")
    assert told.count == 4 and "task.multi_label: true and data.label_separator" in told.text
    # One alone may be a label like any other, and so may what begins alike.
    assert label_notices({"yes": 3, "no": 3, "yes/no": 2}, False, "|") == []
    assert label_notices({"sport/ball": 3, "sport/ski": 3}, False, "|") == []
    assert label_notices({"C": 3, "C++": 3, "C#": 2}, True, "|") == []


def test_labels_that_are_several_or_none_are_told():
    assert several_in_one(["a", "b", "a, b", "c; d"], "|") == {",": ["a, b"]}
    counts = {"a": 5, "b": 4, "a, b": 3, "NA": 2}
    told = label_notices(counts, True, "|")
    assert [notice.count for notice in told] == [2, 3]
    assert "'NA' (2)" in told[0].text and "label_separator" in told[1].text
    assert 'data.label_separator: "," (now "|")' in told[1].text and "'a, b' (3)" in told[1].text
    assert label_notices({"pos": 3, "neg": 3}, False, "|") == []
    assert "multi_label" in label_notices({"['a', 'b']": 1, "['b']": 1}, False, "|")[0].text


def test_a_run_that_stops_counts_the_rules_that_it_does_not_show(tmp_path, ingest):
    broken = ["[1, 2]", "[1]", '{"text": "", "label": "a"}', '{"text": {}, "label": "a"}', "{"]
    good = [json.dumps({"text": f"t {n}", "label": "ab"[n % 2]}) for n in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join([*good, *broken]))
    with pytest.raises(DataError, match="and 2 more of 2 other rules. The rejected rows are in"):
        ingest([{"uri": "a.jsonl"}])
