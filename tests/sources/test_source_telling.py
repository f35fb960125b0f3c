"""What reading tells: filters that match nothing, words for empty cells, names that print alike."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.data.labels.label_names import look_alikes
from bertworks.data.sources import shards
from bertworks.errors import DataError
from bertworks.look_alike import told_apart

CYRILLIC = "p\u0430y"  # its second letter


def told(done) -> str:
    return "\n".join(notice.text for notice in done.result.notices)


def languages(count: int = 60) -> str:
    rows = [f"text {n},{'ab'[n % 2]},{('en', 'en_GB', 'de')[n % 3]}" for n in range(count)]
    return "text,label,lang\n" + "\n".join(rows)


def test_a_value_of_where_that_no_row_has_is_told_with_those_that_there_are(tmp_path, ingest):
    (tmp_path / "a.csv").write_text(languages())
    done = ingest([{"uri": "a.csv", "where": {"lang": ["en", "en-GB"], "label": ["a", "b"]}}])
    assert done.info["read"] == 20
    warned = [notice for notice in done.result.notices if notice.level == "warning"]
    assert [notice.text for notice in warned] == [
        "a.csv: no row has lang 'en-GB'; 'lang' holds 'en_GB' (20), 'en' (20), 'de' (20) "
        "(data.sources[].where)"
    ]


def test_a_filter_that_lets_nothing_through_names_the_values_that_there_are(tmp_path, ingest):
    (tmp_path / "a.csv").write_text(languages())
    with pytest.raises(DataError, match=r"none of its 60 rows passes") as raised:
        ingest([{"uri": "a.csv", "where": {"lang": ["EN"]}}])
    assert "'lang' holds 'en' (20)" in raised.value.message


def test_a_file_without_a_match_stops_nothing_where_other_files_match(tmp_path, ingest):
    (tmp_path / "1.csv").write_text(languages())
    for name in ("2.csv", "3.csv"):
        (tmp_path / name).write_text(languages(30).replace("en", "fr"))
    done = ingest([{"uri": "*.csv", "where": {"lang": ["en"]}}])
    assert done.info["read"] == 20
    assert (
        "2 of 3 files of *.csv have no row that passes the filter (data.sources[].where): "
        f"{tmp_path}/2.csv, {tmp_path}/3.csv" in told(done)
    )
    assert "100 rows of *.csv do not pass its filter" in told(done)


def test_files_without_a_match_stop_where_no_file_matches(tmp_path, ingest):
    for name in ("1.csv", "2.csv"):
        (tmp_path / name).write_text(languages(30))
    with pytest.raises(DataError, match=r"\*\.csv \(2 files\): none of its 60 rows") as raised:
        ingest([{"uri": "*.csv", "where": {"lang": ["EN"]}}])
    assert "'lang' holds 'en' (20)" in raised.value.message


@pytest.mark.parametrize("content", ["", "text,label\n"])
def test_files_without_rows_are_told_beside_others(tmp_path, ingest, make, content):
    (tmp_path / "1.csv").write_text(make.reviews(60))
    (tmp_path / "2.csv").write_text(content)
    done = ingest([{"uri": "*.csv"}])
    (warned,) = [notice for notice in done.result.notices if notice.level == "warning"]
    assert warned.text == f"1 of 2 files of *.csv have no rows: {tmp_path}/2.csv"
    assert warned.count == 1
    (tmp_path / "1.csv").write_text(content)
    with pytest.raises(DataError, match=r"\*\.csv \(2 files\) (has no rows|is empty)"):
        ingest([{"uri": "*.csv"}], out="none")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_headers_of_joined_files_are_no_rows(tmp_path, ingest, make, mark):
    """cat 1.csv 2.csv > a.csv"""
    (tmp_path / "a.csv").write_text(make.reviews(60) + mark + make.reviews(30, start=60))
    done = ingest([{"uri": "a.csv"}])
    assert done.info["labels"] == ["bad", "good"] and done.info["read"] == 90
    assert "1 rows repeat the header, as where files were joined; they were left out" in told(done)


def test_a_text_that_is_the_name_of_the_only_column_is_a_text(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(60))
    (tmp_path / "b.csv").write_text("text\ntext\n")
    done = ingest([{"uri": "a.csv"}, {"uri": "b.csv", "constants": {"label": "good"}}])
    assert [row["label"] for row in done.rows() if row["text"] == "text"] == ["good"]


def test_texts_as_bytes_are_read_and_told(tmp_path, ingest):
    """As Spark, Impala and others write Parquet, where text is not marked as such."""
    rows = {"text": [f"café {n}".encode() for n in range(60)], "label": [b"a", b"b"] * 30}
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    done = ingest([{"uri": "a.parquet"}])
    assert done.info["labels"] == ["a", "b"]
    assert "café 3" in {row["text"] for row in done.rows()}
    assert "2 columns hold texts as bytes" in told(done)
    tokens = [[b"in", f"Rome{n}".encode()] for n in range(60)]
    words = {"tokens": tokens, "tags": [[b"O", b"B-LOC"]] * 60}
    pq.write_table(pa.table(words), tmp_path / "b.parquet")
    tagged = ingest([{"uri": "b.parquet"}], task={"type": "tagging"}, out="tagged")
    assert tagged.info["labels"] == ["B-LOC", "O"]
    broken = {"text": [b"caf\xe9 %d" % n for n in range(60)], "label": [b"a", b"b"] * 30}
    pq.write_table(pa.table(broken), tmp_path / "c.parquet")
    with pytest.raises(DataError, match="bytes that are not in the encoding"):
        ingest([{"uri": "c.parquet"}], out="broken")
    latin = ingest([{"uri": "c.parquet", "encoding": "cp1252"}], out="latin")
    assert "café 3" in {row["text"] for row in latin.rows()}


def test_the_corpus_filter_is_told_of_as_well(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(60))
    (tmp_path / "b.csv").write_text(languages())
    corpus = {"sources": [{"uri": "b.csv", "where": {"lang": ["en", "fr"]}}]}
    done = ingest([{"uri": "a.csv"}], corpus=corpus)
    assert "b.csv: no row has lang 'fr'" in told(done) and "corpus.sources[].where" in told(done)


def test_a_value_of_where_that_prints_like_one_of_the_rows_is_told_apart(tmp_path, ingest):
    (tmp_path / "a.csv").write_text(languages().replace("de", CYRILLIC), encoding="utf-8")
    done = ingest([{"uri": "a.csv", "where": {"lang": ["en", "pay"]}}])
    assert f"'{CYRILLIC}' (U+0430 CYRILLIC SMALL LETTER A) (20)" in told(done)


WORDS = ["nan", "None", "NULL", "N/A"]


def test_words_for_empty_cells_are_no_texts_in_csv(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(100) + "".join(f"{w},good\n" for w in WORDS))
    done = ingest([{"uri": "a.csv"}], max_rejected=0.1)
    assert done.summary == {"column 'text' holds a word for an empty cell": 4}
    assert "empty_words: []" in told(done)
    kept = ingest([{"uri": "a.csv", "empty_words": []}], out="kept")
    assert {*WORDS} <= {row["text"] for row in kept.rows()}
    some = ingest([{"uri": "a.csv", "empty_words": ["nan"]}], out="some", max_rejected=0.1)
    assert {row["text"] for row in some.rows()} & {*WORDS} == {"None", "NULL", "N/A"}


def test_many_of_them_stop_the_run_with_the_setting(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(60) + "nan,good\n" * 9)
    with pytest.raises(DataError, match="a word for an empty cell") as raised:
        ingest([{"uri": "a.csv"}])
    assert "empty_words: []" in raised.value.fix


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_words_for_empty_cells_are_kept_and_told_where_null_is_another_thing(
    tmp_path, ingest, ending
):
    rows = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(60)]
    rows += [{"text": word, "label": "a"} for word in WORDS]
    if ending == "jsonl":
        (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    else:
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    done = ingest([{"uri": f"a.{ending}"}])
    assert {*WORDS} <= {row["text"] for row in done.rows()}
    assert (
        "4 texts are only a word that often stands for an empty cell: 'nan', 'None', 'NULL' and 1"
        in (told(done))
    )


def test_texts_that_hold_such_words_are_texts(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(60) + "None of it,good\nnan bread,good\n")
    done = ingest([{"uri": "a.csv"}])
    assert done.info["read"] == 62 and "empty cell" not in told(done)


def test_missing_words_and_tags_are_named(tmp_path, ingest):
    rows = [{"tokens": ["a", str(n), "nan"], "tags": ["O", "O", "O"]} for n in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = ingest([{"uri": "a.jsonl"}], task={"type": "tagging"})
    assert "60 words are 'nan', as programs write a missing value" in told(done)
    rows = [{**row, "tokens": [*row["tokens"][:2], float("nan")]} for row in rows]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=r"a word is missing \(null or NaN\)") as raised:
        ingest([{"uri": "a.jsonl"}], task={"type": "tagging"}, out="gap")
    assert "keep_default_na=False" in raised.value.fix
    (tmp_path / "a.csv").write_text("tokens,tags\n" + "nan,nan\n" * 9)
    with pytest.raises(DataError, match="'tokens' holds a word for an empty cell"):
        ingest([{"uri": "a.csv"}], task={"type": "tagging"}, out="csv")


def test_labels_that_print_alike_are_told_apart(tmp_path, ingest):
    rows = [f"text {n},{('pay', CYRILLIC, 'x')[n % 3]}" for n in range(60)]
    (tmp_path / "a.csv").write_text("text,label\n" + "\n".join(rows), encoding="utf-8")
    done = ingest([{"uri": "a.csv", "label_map": {"p\u0430\u0443": "z"}}])
    assert f"'pay' (20), '{CYRILLIC}' (U+0430 CYRILLIC SMALL LETTER A) (20)" in told(done)
    assert "has the label 'p\u0430\u0443' (U+0430 CYRILLIC SMALL LETTER A, U+0443" in told(done)


def test_a_column_that_prints_like_the_one_that_is_missing_is_told_apart(tmp_path, ingest, make):
    text = make.reviews(60).replace("text,label", "t\u0435xt,label", 1)
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"U\+0435 CYRILLIC SMALL LETTER IE"):
        ingest([{"uri": "a.csv"}])


def test_names_are_told_apart_by_what_they_do_not_share():
    assert told_apart(["a", "b"]) == ["'a'", "'b'"]
    assert told_apart(["сор"]) == ["'сор'"]  # alone there is nothing to mix it up with
    assert told_apart(["a b", "a\u00a0b"]) == ["'a b'", "'a\\xa0b' (U+00A0 NO-BREAK SPACE)"]
    assert told_apart(["é", "e\u0301"]) == [
        "'é' (U+00E9 LATIN SMALL LETTER E WITH ACUTE)",
        "'e\u0301' (U+0301 COMBINING ACUTE ACCENT)",
    ]


@pytest.mark.parametrize(
    "stray", ['"positive', 'positive"', "'positive'", "“positive”", "`positive"]
)
def test_labels_with_a_stray_quote_are_told(tmp_path, ingest, stray):
    rows = [
        {"text": f"t {n}", "label": stray if n == 7 else ("positive", "x")[n % 2]}
        for n in range(60)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = ingest([{"uri": "a.jsonl"}])
    assert "2 labels are nearly the same" in told(done) and f"{stray!r} (1)" in told(done)


def test_labels_that_all_stand_in_quotes_are_told(tmp_path, ingest):
    rows = "".join(f'"text {n}", "{"ab"[n % 2]}"\n' for n in range(60))
    (tmp_path / "a.csv").write_text("text, label\n" + rows)
    assert "2 labels begin or end with a quotation mark: '\"a\"' (30)" in told(
        ingest([{"uri": "a.csv"}])
    )


def test_quotes_alone_and_quoted_others_are_labels_of_their_own():
    assert look_alikes(["''", "``", '"', "'s"]) == []
    assert look_alikes(['"1', "1.0"]) == [['"1', "1.0"]]


@pytest.mark.parametrize(
    "alike",
    [
        ["\u2764", "\u2764\ufe0f"],
        ["a-b", "a\u2013b", "a\u2011b", "a_b"],
        ["1-2", "1\u20132"],
        ["-1", "\u22121"],
        ["pos", "pos.", "pos;", ", pos"],
        ["neg", "neg;", "Neg:"],
        ["i", "\u0131", "\u0130", "I", "i\u0307"],
        ["\u845b", "\u845b\U000e0100"],
    ],
)
def test_labels_that_differ_in_a_mark_or_a_dot_look_alike(alike):
    assert look_alikes([*alike, "other"]) == [sorted(alike)]


def test_labels_that_differ_in_what_is_read_do_not_look_alike():
    for apart in (["c", "c#", "c++"], [".net", "net"], ["yes", "yes!", "yes?"], ["+", "-", "--"],
                  ["\u2764", "\u2665"], ["\U0001f44d", "\U0001f44d\U0001f3fd"]):  # fmt: skip
        assert look_alikes(apart) == []


def test_labels_that_differ_in_a_selector_are_told_with_it(tmp_path, ingest):
    labels = ["\u2764", "\u2764\ufe0f", "sad"]
    rows = [{"text": f"t {n}", "label": labels[n % 3]} for n in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = ingest([{"uri": "a.jsonl"}])
    assert "2 labels are nearly the same" in told(done)
    assert "U+FE0F VARIATION SELECTOR-16" in told(done)
    merged = {"uri": "a.jsonl", "label_map": {"\u2764\ufe0f": "\u2764"}}
    assert "nearly the same" not in told(ingest([merged], out="merged"))


PARTS = "part-0000{}-of-00004.csv"


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ((0, 1, 2, 3), ()),
        ((1, 2, 3, 4), ()),  # counted from 1
        ((0, 2), (1, 3)),
        ((2, 4), (1, 3)),
        ((1, 2), (0, 3)),
        ((0, 4), ()),  # whatever these are, they are no parts
    ],
)
def test_parts_that_are_not_there_are_told(tmp_path, ingest, make, there, missing):
    for number in there:
        (tmp_path / PARTS.format(number)).write_text(make.reviews(60, start=60 * number))
    done = ingest([{"uri": "part-*.csv"}])
    found = [one for one in done.result.notices if "parts" in one.text]
    assert sum(one.count for one in found) == len(missing)
    for one in found:
        shown = ", ".join(str(tmp_path / PARTS.format(number)) for number in missing)
        assert one.text == f"{len(missing)} of 4 parts are not read: {shown}"
        assert one.level == "warning"


def test_parts_of_several_sources_and_splits_are_counted_together():
    names = [f"/a/{split}-{n:05}-of-00002.parquet" for split in ("train", "test") for n in (0, 1)]
    assert not list(shards.notices(names))
    (found,) = shards.notices(names[:-1])
    assert found.text == "1 of 2 parts is not read: /a/test-00001-of-00002.parquet"
    (many,) = shards.notices(["s3://b/x-3-of-9/data-00000-of-00080.arrow"])
    assert many.text.startswith(
        "79 of 80 parts are not read: s3://b/x-3-of-9/data-00001-of-00080.arrow"
    )
    assert many.text.endswith(" and 74 more")


@given(st.lists(st.text(alphabet="0123456789-of.a/", max_size=30), max_size=9))
def test_any_names_may_be_given(names):
    for one in shards.notices(names):
        assert one.count
