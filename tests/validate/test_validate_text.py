"""Words, near-duplicates, encoding damage and the HTML helpers on any text whatever."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bertworks.data.validation.profile.duplicates import THRESHOLD, ShingleSets, shingle
from bertworks.data.validation.profile.encoding import damaged
from bertworks.data.validation.profile.words import TopValues, split_words, stable_hashes
from bertworks.pages import charts
from bertworks.pages.parts import Badge, PlainPage, Table
from bertworks.pages.text import cut, number, visible

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
texts = st.lists(any_text, min_size=1, max_size=8)


def words_of(*values):
    return split_words(pa.array(values, pa.string()))


def test_words_of_several_scripts():
    words = words_of("Don't PANIC, 42!", "", "我们 love 茶", "  ", "Привет, мир")
    assert words.lengths.tolist() == [4, 0, 4, 0, 2]
    assert words.counts == {
        "don": 1, "t": 1, "panic": 1, "42": 1, "我": 1, "们": 1, "love": 1, "茶": 1, "привет": 1,
        "мир": 1,
    }  # fmt: skip
    assert words.hashes[6] == stable_hashes(["love"])[0]


@given(texts)
def test_words_never_fail_and_do_not_depend_on_the_batch(values):
    together = words_of(*values)
    apart = [words_of(value) for value in values]
    assert together.lengths.tolist() == [int(one.lengths[0]) for one in apart]
    assert together.hashes.tolist() == np.concatenate([one.hashes for one in apart]).tolist()
    assert together.counts.total() == len(together.hashes) == together.lengths.sum()


@given(texts)
def test_damage_never_fails_and_always_sees_the_replacement_character(values):
    assert len(damaged(pa.array(values, pa.string()))) == len(values)
    assert damaged(pa.array([value + "\ufffd" for value in values], pa.string())).all()


@given(st.text("äöüßéèñÀçœ", min_size=1, max_size=20))
def test_utf8_read_as_latin1_is_always_damage(value):
    assert damaged(pa.array([value.encode().decode("latin-1")]))[0]
    assert not damaged(pa.array([value]))[0]


def test_top_values_are_exact_until_full_and_keep_the_frequent_ones():
    top = TopValues(capacity=10)
    for place in range(200):
        top.add(words_of(f"often often rare{place}").counts)
    name, count = top.most_common(1)[0]
    assert name == "often" and 400 - 200 <= count <= 400 and len(top.counts) <= 10
    exact = TopValues(capacity=10)
    exact.add(words_of("b a b c a").counts)
    assert exact.most_common(5) == [("a", 2), ("b", 2), ("c", 1)]


def shingle_set(value):
    words = value.split()
    return {tuple(words[n : n + 2]) for n in range(max(len(words) - 1, 1))} if words else set()


def exact_jaccard(first, second):
    return len(first & second) / len(first | second)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text("ab ", max_size=12), min_size=1, max_size=12))
def test_twins_have_the_exact_similarity(values):
    words, sets = words_of(*values), ShingleSets()
    sets.add(words.lengths, words.hashes)
    sizes, _ = shingle(words.lengths, words.hashes)
    expected = [shingle_set(value) for value in values]
    assert sizes.tolist() == [len(one) for one in expected]
    twins = sets.twins()
    for i, j, similarity in zip(twins.first, twins.second, twins.similarity, strict=True):
        assert i < j
        assert similarity == pytest.approx(exact_jaccard(expected[i], expected[j]))
        assert similarity >= THRESHOLD
    for j, value in enumerate(values):
        if value.split() and value.split() in [one.split() for one in values[:j]]:
            assert j in twins.second


def test_one_changed_word_in_twenty_is_found_and_random_texts_are_not(make_sentence):
    generator = np.random.default_rng(0)
    originals = [make_sentence(n, 20) for n in range(1500)]
    copies = []
    for original in originals[:500]:
        changed = original.split()
        changed[generator.integers(20)] = "unheard"
        copies.append(" ".join(changed))
    sets = ShingleSets()
    for part in (originals, copies):  # two batches
        words = words_of(*part)
        sets.add(words.lengths, words.hashes)
    twins = sets.twins()
    pairs = set(zip(twins.first.tolist(), twins.second.tolist(), strict=True))
    truth = {
        (n, 1500 + n)
        for n in range(500)
        if exact_jaccard(shingle_set(originals[n]), shingle_set(copies[n])) >= THRESHOLD
    }
    assert len(truth) > 450
    assert len(pairs & truth) / len(truth) > 0.99
    assert pairs <= truth


class Text(HTMLParser):
    """The tags and the text of a piece of HTML."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


@given(st.lists(st.lists(any_text, min_size=2, max_size=2), max_size=4), any_text)
def test_html_is_always_escaped(rows, title):
    table = str(Table(["a", "b"], rows))
    assert Text(table).tags.count("td") == 2 * len(rows)
    assert set(Text(table).tags) <= {"div", "table", "thead", "tbody", "tr", "th", "td"}
    labels = [row[0] for row in rows]
    values = [float(len(row[1])) for row in rows]
    for chart in (
        charts.bar_chart(labels, values, title),
        charts.histogram([0.0, *np.cumsum(values)], values, title),
        charts.line_chart({label: [(0, 1), (1, 2)] for label in labels}, title, title),
    ):
        root = ElementTree.fromstring(str(chart))
        assert {one.tag for one in root.iter()} <= {
            "svg", "text", "rect", "title", "line", "polyline", "circle",
        }  # fmt: skip
    heat = str(charts.heat_table(labels, [[1] * len(rows)] * len(rows)))
    assert Text(heat).tags.count("td") == len(rows) ** 2
    page = str(PlainPage(title, [Badge(title, "good")]))
    page.encode("utf-8")
    assert "script" not in Text(page).tags and page.startswith("<!doctype html>")


def test_html_shows_what_a_browser_would_hide():
    assert visible("a\x00b\u202ec\ud800") == "a\\x00b\\u202ec\\ud800"
    assert cut("abcdef", 4) == "abc…" and cut("abcd", 4) == "abcd"
    shown = [number(value) for value in (1234567, 0.123456, float("nan"), 2.0, 12345.67)]
    assert shown == ["1,234,567", "0.1235", "n/a", "2", "12,345.7"]
    with pytest.raises(ValueError, match="kind"):
        Badge("x", "purple")


def test_charts_take_numbers_that_are_not_finite():
    points = [(0, 1.0), (1, float("nan")), (2, 0.5)]
    chart = str(charts.line_chart({"loss": points, "empty": []}))
    assert "nan" not in chart and ElementTree.fromstring(chart).find("polyline") is not None
    assert "n/a" in str(charts.bar_chart(["x"], [float("nan")]))
    empty = charts.histogram([], []), charts.bar_chart([], []), charts.heat_table([], [])
    assert all(str(chart) for chart in empty)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(any_text, any_text), min_size=1, max_size=6))
def test_the_step_takes_any_text(bench, rows):
    data = {
        "train": [{"text": text, "label": label} for text, label in rows],
        "test": [{"text": text, "label": label} for text, label in rows[:1]],
    }
    outcome = bench.run(data, settings={"checks": {"near_duplicates": "error", "drift": "error"}})
    assert set(Text(outcome.html).tags) <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "span", "div",
        "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "svg", "rect", "text",
        "line",
    }  # fmt: skip
    empty = sum(not text.strip() for text, _ in rows + rows[:1])
    # Arrow and Python agree on white space but for the separators U+001C to U+001F.
    if not any(c in text for text, _ in rows for c in "\x1c\x1d\x1e\x1f"):
        assert outcome.checks["empty_rows"]["value"] == empty
