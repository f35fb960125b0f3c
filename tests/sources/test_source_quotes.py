"""Quotes and escapes in csv and tsv: no row is swallowed, no legal cell is cut."""

from __future__ import annotations

import csv
import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.data.formats.columns import Refusal, Row
from bertworks.data.formats.rows import read_rows
from bertworks.data.rows.spots import Spot
from bertworks.data.rows.tally import Kind, Tally
from bertworks.data.sources.fetch import Fetched
from bertworks.errors import DataError
from bertworks.spec import Source


def read(path, content: str, limit: int = 1_000_000, **source) -> tuple[list, Tally]:
    path.write_bytes(content.encode())
    given = Source.model_validate({"uri": str(path), **source})
    tally = Tally()
    return list(
        read_rows(Fetched(str(path), path, ""), given, ("text", "label"), limit, tally)
    ), tally


def texts(found: list) -> list[str]:
    return [row.values["text"] for row in found if isinstance(row, Row)]


def names(tally: Tally) -> dict[str, int]:
    return {kind.name: count for kind, count in tally.counts.items()}


def plain_rows(count: int) -> list[list[str]]:
    return [
        [f"a soup of {number} beans", "food" if number % 2 else "sport"] for number in range(count)
    ]


PLACES = {
    "start": lambda text: '"' + text,
    "middle": lambda text: text.replace(" of ", ' 5" of '),
    "end": lambda text: text + ' 7"',
    "word": lambda text: '"A" ' + text,
    "own": lambda text: 'a "b" c ' + text,
}


@pytest.mark.parametrize("order", [("text", "label"), ("label", "text")])
@pytest.mark.parametrize("delimiter", ["\t", ","])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("rows", [[3], [3, 9], [0, 39], [5, 6, 7], [39]])
def test_stray_quotes_swallow_no_rows(tmp_path, order, delimiter, newline, rows):
    made = plain_rows(40)
    for index, number in enumerate(rows):
        made[number][0] = list(PLACES.values())[(index + number) % len(PLACES)](made[number][0])
    lines = [list(order), *(row if order[0] == "text" else row[::-1] for row in made)]
    content = newline.join(delimiter.join(line) for line in lines)
    found, tally = read(tmp_path / "rows.csv", content, delimiter=delimiter)
    assert texts(found) == [row[0] for row in made]
    assert [row.values["label"] for row in found] == [row[1] for row in made]
    opening = [number for number in rows if made[number][0].startswith('"')]
    assert names(tally).get("stray_quote", 0) == len(opening)


def test_two_stray_quotes_that_look_like_one_cell_are_seen_by_the_labels(tmp_path):
    made = plain_rows(20)
    made[4][0], made[7][0] = '"' + made[4][0], made[7][0] + '"'
    content = "text,label\n" + "\n".join(map(",".join, made))
    found, tally = read(tmp_path / "rows.csv", content)
    assert texts(found) == [row[0] for row in made]
    assert names(tally) == {"stray_quote": 1}
    assert "line 6" in tally.notices()[0].text and "`quote: ''`" in tally.notices()[0].text


def quoted_apart(rows: list[str]) -> list[str]:
    """The rows, a quote before the fourth and one behind the fifty-ninth."""
    return ['"' * (n == 3) + row + '"' * (n == 58) for n, row in enumerate(rows)]


def test_two_stray_quotes_in_a_single_column_are_told_with_the_lines_between(tmp_path):
    rows = quoted_apart([f"a soup of {number} beans" for number in range(100)])
    found, tally = read(tmp_path / "rows.csv", "\n".join(["text", *rows]), constants={"label": "x"})
    assert len(found) == 45
    (notice,) = tally.notices()
    assert notice.level == "warning" and "`quote: ''`" in notice.text
    assert "1 quoted cells take 56 lines" in notice.text and "line 5" in notice.text
    as_advised, tally = read(
        tmp_path / "rows.csv", "\n".join(["text", *rows]), constants={"label": "x"}, quote=""
    )
    assert texts(as_advised) == rows and not tally.counts


@pytest.mark.parametrize("last", ["a soup of 58 beans", "a soup, he said", "one, two, three"])
def test_two_stray_quotes_beside_a_column_of_names_are_told(tmp_path, last):
    rows = [f"a soup of {number} beans" for number in range(100)]
    rows[58] = last
    lines = [f"{row},user{n}" for n, row in enumerate(quoted_apart(rows))]
    found, tally = read(tmp_path / "rows.csv", "\n".join(["text,label", *lines]))
    gone = 100 - len([one for one in found if isinstance(one, Row)])
    (notice,) = tally.notices()
    assert notice.level == "warning"
    assert gone == (55 if "," in last else 0)
    assert ("take 56 lines" in notice.text) is bool(gone)


@given(
    lines=st.lists(st.text('ab "', min_size=1).filter(str.strip), min_size=1, max_size=30),
    beside=st.sampled_from(["", ",x", ',"y']),
)
def test_no_line_is_swallowed_untold(tmp_path_factory, lines, beside):
    path = tmp_path_factory.mktemp("any") / "rows.csv"
    header = "text,label" if beside else "text"
    content = "\n".join([header, *(line + beside for line in lines)])
    try:
        found, tally = read(path, content, **({} if beside else {"constants": {"label": "x"}}))
    except DataError as error:
        assert "never closed" in error.message
        return
    told = [(found_, tally.text(kind)) for kind, found_ in tally.counts.items()
            if kind.name in ("many_lines", "spans_lines")]  # fmt: skip
    taken = sum(int(text.partition(" take ")[2].split()[0]) - count for count, text in told)
    assert len(found) + taken == len(lines)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("columns", [1, 2])
def test_texts_of_many_lines_are_one_note(tmp_path, quoting, columns):
    made = [[f"Dear {n}, all\nwas well\n\nYours, {n}", f"user {n}"][:columns] for n in range(300)]
    buffer = io.StringIO()
    csv.writer(buffer, quoting=quoting).writerows([["text", "label"][:columns], *made])
    constants = {} if columns == 2 else {"constants": {"label": "x"}}
    found, tally = read(tmp_path / "rows.csv", buffer.getvalue(), **constants)
    assert texts(found) == [row[0] for row in made]
    (notice,) = tally.notices()
    assert notice.level == "note" and "300 quoted cells" in notice.text
    assert "1200 lines" in notice.text


@pytest.mark.parametrize("first", ['"a', '"' + "a" * 1000])
def test_lines_inside_a_cell_over_the_limit_are_told(tmp_path, first):
    rows = [first, *["b"] * 400, 'c"', "d"]
    content = "\n".join(["text", *rows])
    found, tally = read(tmp_path / "rows.csv", content, 300, constants={"label": "x"})
    assert texts(found) == ["d"]
    assert [row.rule for row in found if isinstance(row, Refusal)] == ["longer than max_row_bytes"]
    assert "take 402 lines" in tally.notices()[0].text


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
@pytest.mark.parametrize("seed", range(12))
def test_legal_cells_over_several_lines_stay_whole(tmp_path, quoting, delimiter, seed):
    chosen = random.Random(seed)
    words = [
        "the",
        "goal,",
        "match;",
        '"near"',
        '5"',
        "of,",
        "said",
        '"hi"',
        "new\nline",
        "two,",
        "three\nfour",
        "a\tb",
    ]
    rows = [
        [" ".join(chosen.choices(words, k=chosen.randint(1, 9))), chosen.choice(["0", "1", "2"])]
        for _ in range(chosen.choice([3, 12, 60]))
    ]
    order = chosen.choice([1, -1])
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n", quoting=quoting)
    writer.writerows([["text", "label"][::order], *(row[::order] for row in rows)])
    found, _ = read(tmp_path / "rows.csv", buffer.getvalue(), delimiter=delimiter)
    assert [[row.values["text"], row.values["label"]] for row in found] == rows


@pytest.mark.parametrize("ending", ["tsv", "csv"])
def test_backslashes_that_escape_quotes_are_taken_out(tmp_path, ending):
    delimiter = "\t" if ending == "tsv" else ","
    lines = [delimiter.join(("text", "label"))]
    lines += [f'"he said \\"hi{delimiter} {n}\\" twice"{delimiter}food' for n in range(5)]
    found, tally = read(tmp_path / f"rows.{ending}", "\n".join([*lines, f"C:\\dir{delimiter}food"]))
    assert texts(found) == [f'he said "hi{delimiter} {n}" twice' for n in range(5)] + ["C:\\dir"]
    assert names(tally) == {"escaped_quotes": 1}


def test_a_single_escaped_row_is_read_and_a_backslash_before_a_closing_quote_stays(tmp_path):
    rows = "".join(f'"a, {n}",food\n"C:\\dir\\",sport\n' for n in range(9))
    found, tally = read(tmp_path / "rows.csv", f'text,label\n{rows}"say \\"hi\\"",food\n')
    assert texts(found)[-2:] == ["C:\\dir\\", 'say "hi"']
    assert names(tally) == {"escaped_quotes": 1}


def test_a_line_that_cannot_be_read_in_any_way_is_refused_with_its_end(tmp_path):
    content = "text,label\n" + "a,x\nb,y\n" * 5 + '"he said "hi", he did\nand left",x\nc,x\n'
    found, tally = read(tmp_path / "rows.csv", content)
    assert texts(found) == ["a", "b"] * 5 + ["c"]
    assert [row.line for row in found if isinstance(row, Refusal)] == [12, 13]
    assert not tally.counts


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
@pytest.mark.parametrize("source", [{}, {"delimiter": ";"}])
def test_a_line_that_names_the_delimiter_is_no_header(tmp_path, mark, first, source):
    content = f"{mark}{first}\r\ntext;label\r\na, b;x\r\n"
    found, tally = read(tmp_path / "rows.csv", content, **source)
    assert [row.values for row in found] == [{"text": "a, b", "label": "x"}]
    assert found[0].line == 3 and names(tally) == {"sep_line": 1}


@pytest.mark.parametrize("kind", ["lines", "jsonl", "conll"])
def test_lines_that_end_with_carriage_returns_alone_are_lines(tmp_path, kind):
    row = {"lines": "one\r", "jsonl": '{"text": "a", "label": "x"}\r', "conll": "a O\r\r"}[kind]
    found, _ = read(tmp_path / "rows.any", row * 3, format=kind)
    assert len(found) == 3 and all(isinstance(one, Row) for one in found)


def test_an_unclosed_quote_in_a_single_column_is_an_error(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('text\n"a\nb\nc\n')
    source = Source(uri=str(path), constants={"label": "x"})
    with pytest.raises(DataError, match="line 2: a quote that opens here"):
        list(read_rows(Fetched(str(path), path, ""), source, ("text",), 1000))


def test_a_double_column_is_an_error_in_every_format(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_arrays([pa.array(["a"])] * 3, names=["text", "text", "label"])
    pq.write_table(table, tmp_path / "rows.parquet")
    (tmp_path / "rows.csv").write_text("text,label,text\na,b,c\n")
    for name in ("rows.parquet", "rows.csv"):
        source = Source(uri=name)
        file = Fetched(name, tmp_path / name, "")
        with pytest.raises(DataError, match="2 columns 'text'"):
            list(read_rows(file, source, ("text", "label"), 1000))
    (tmp_path / "rows.jsonl").write_text(
        '{"text": "a", "text": "b", "label": "x"}\n{"text": "a", "label": {"label": 1}}\n'
    )
    file = Fetched("rows.jsonl", tmp_path / "rows.jsonl", "")
    found = list(read_rows(file, Source(uri="rows.jsonl"), ("text", "label"), 1000))
    assert [getattr(row, "rule", "") for row in found] == ["two values for 'text'", ""]


def test_long_values_that_are_told_end_in_an_ellipsis():
    tally = Tally()
    kind = Kind("odd", "{count} odd values ({first})")
    tally.add(kind, Spot("rows.csv", 1), "x" * 300)
    (place,) = tally.changed()["odd"].first
    assert len(place.value) == 200 and place.value.endswith("…")
    assert tally.text(kind).endswith("x…')")
