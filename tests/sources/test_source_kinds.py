"""Files that are not what their names say, and forms that annotation tools write."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import re
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.data.formats.columns import Refusal, Row
from bertworks.data.formats.rows import read_rows
from bertworks.data.formats.spans import Span, tagged, text_and_spans
from bertworks.data.rows.tally import Tally
from bertworks.data.rows.undecoded import ERRORS, is_marked, quoted, with_bytes
from bertworks.data.sources.encodings import Likely, likely_encoding
from bertworks.data.sources.fetch import Fetched, local_files
from bertworks.errors import DataError
from bertworks.spec import Source
from bertworks.text.words import split

CSV = b"text,label\n" + b"".join(b"row %d,x\n" % n for n in range(200))


def rows_of(path, tally: Tally | None = None, **source) -> list:
    given = Source.model_validate({"uri": str(path), **source})
    return list(read_rows(Fetched(str(path), path, ""), given, ("text",), 100_000, tally))


def zipped(names: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "says", "fix"),
    [
        (gzip.compress(CSV), "is a gzip file", "data.csv.gz"),
        (bz2.compress(CSV), "is a bzip2 file", "data.csv.bz2"),
        (lzma.compress(CSV), "is a xz file", "data.csv.xz"),
        (b"\x28\xb5\x2f\xfd" + bytes(40), "is a zstd file", "zstd -d"),
        (zipped({"data.csv": CSV}), "is a zip archive. It holds: data.csv", "data.csv!/data.csv"),
        (zipped({"[Content_Types].xml": b"", "xl/a.xml": b""}), "Excel workbook", "as csv"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "old Office document", "as csv"),
        (b"\x00\x05\x16\x07\x00\x02" + bytes(99), "AppleDouble", "._"),
        (b"PAR1" + bytes(99), "Parquet", "format: parquet"),
        (b"%PDF-1.7\n", "PDF", "text"),
        (b"SQLite format 3\0" + bytes(9), "SQLite", "Parquet"),
        (b"\x80\x04\x95" + bytes(99), "pickle", "any code"),
        (b"<!DOCTYPE html>\n<html>sign in</html>", "web page", "address"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS", "git lfs pull"),
        ("text,label\ngood,1\n".encode("utf-16"), "UTF-16", "encoding: utf-16."),
        ("text,label\ngood,1\n".encode("utf-32"), "UTF-32", "encoding: utf-32."),
        (bytes(range(9)) * 90, "binary file", "csv"),
        (random.Random(1).randbytes(5000), "binary file", "csv"),
        (bytes(byte or 1 for byte in random.Random(2).randbytes(5000)), "binary file", "csv"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["csv", "jsonl", "lines", "conll"])
def test_a_file_is_called_what_its_first_bytes_say(tmp_path, content, says, fix, kind):
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        rows_of(path, format=kind)
    assert says in raised.value.message and fix in raised.value.fix


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "gb18030"])
def test_random_bytes_are_no_text_in_other_encodings_either(tmp_path, encoding):
    path = tmp_path / "data.csv"
    path.write_bytes(random.Random(3).randbytes(5000))
    with pytest.raises(DataError, match="binary file"):
        rows_of(path, encoding=encoding)


@pytest.mark.parametrize("delimiter", ["\x01", "\x02", "\x1f"])
def test_control_characters_that_part_columns_are_no_sign_of_a_binary_file(tmp_path, delimiter):
    path = tmp_path / "data.csv"
    path.write_text(
        "".join(f"{one}\n" for one in [f"text{delimiter}label", *[f"a{delimiter}b"] * 90])
    )
    assert len(rows_of(path, delimiter=delimiter)) == 90


@pytest.mark.parametrize("encoding", ["iso2022_jp", "iso2022_kr", "utf-16", "utf-32"])
def test_encodings_that_shift_or_are_wide_are_texts(tmp_path, encoding):
    path = tmp_path / "data.csv"
    path.write_bytes(("text,label\n" + "한국어 a,1\n" * 50 if encoding != "iso2022_jp"
                      else "text,label\n" + "日本語 a,1\n" * 50).encode(encoding))  # fmt: skip
    assert len(rows_of(path, encoding=encoding)) == 50


def test_a_text_in_utf8_may_hold_many_control_characters(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("text,label\n" + "".join(f"\x7f\x04good {n},a\n" for n in range(50)))
    assert len(rows_of(path)) == 50


@pytest.mark.parametrize("start", ["ORC", "BZh", "PAR1", "FEA1", "ARROW1", "PK", "<h"])
def test_texts_that_begin_with_such_letters_are_texts(tmp_path, start):
    path = tmp_path / "rows.txt"
    path.write_text(f"{start} and more\n" * 3)
    assert len(rows_of(path)) == 3


def test_a_zip_by_name_and_a_parquet_that_is_none(tmp_path):
    path = tmp_path / "data.zip"
    path.write_bytes(zipped({"__MACOSX/._a.csv": b"", "a.csv": CSV}))
    with pytest.raises(DataError, match="It holds: a.csv") as raised:
        rows_of(path)
    assert raised.value.fix.endswith("data.zip!/a.csv")
    path = tmp_path / "data.parquet"
    path.write_bytes(gzip.compress(CSV))
    with pytest.raises(DataError, match="gzip"):
        rows_of(path)


FRENCH = (
    "Le café était très agréable, mais le garçon n’a pas été sympa ; où êtes-vous allés à Noël ?"
)
GERMAN = "Größe und Straße, schöne Grüße für die Mädchen; Ärger über Öl"
SPANISH = "El niño comió piña en España, ¿qué pasó? La canción está aquí"
POLISH = "zażółć gęślą jaźń, proszę, łąka, świetny film, był ładny"
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy, skvělý film, měl děj"
RUSSIAN = "Привет, как дела? Это очень хороший фильм, мне понравилось"


@pytest.mark.parametrize(
    ("text", "encoding", "likely"),
    [
        ("the café near the match", "cp1252", "cp1252"),
        ("größe und straße", "latin-1", "cp1252"),
        (FRENCH, "cp1252", "cp1252"),
        (FRENCH, "mac-roman", "mac-roman"),
        (GERMAN, "cp1252", "cp1252"),
        (GERMAN, "mac-roman", "mac-roman"),
        (GERMAN, "cp850", "cp850"),
        (SPANISH, "mac-roman", "mac-roman"),
        (SPANISH, "cp1252", "cp1252"),
        ("He said “it’s great” – don’t miss it… it’s a must—see", "cp1252", "cp1252"),
        ("He said “it’s great” – don’t miss it… it’s a must—see", "mac-roman", "mac-roman"),
        ("I don’t like it, it’s bad", "cp1252", "cp1252"),
        ("Mon cœur, une œuvre à 5 € pour sa sœur", "iso-8859-15", "iso-8859-15"),
        ("Mon cœur, une œuvre à 5 € pour sa sœur", "cp1252", "cp1252"),
        ("zażółć gęślą jaźń, proszę, łąka", "cp1250", "cp1250"),
        (POLISH, "cp1250", "cp1250"),
        (POLISH, "iso-8859-2", "iso-8859-2"),
        (POLISH, "cp852", "cp852"),
        (CZECH, "cp1250", "cp1250"),
        (CZECH, "iso-8859-2", "iso-8859-2"),
        ("Árvíztűrő tükörfúrógép, nagyon jó film volt, őszintén szép", "cp1250", "cp1250"),
        ("Çok güzel bir film, ışık ve ses şahane, İstanbul’da geçiyor", "cp1254", "cp1254"),
        ("Labai geras filmas, ačiū už žiūrėjimą, gražūs vaizdai", "cp1257", "cp1257"),
        ("Привет, как дела? Это тест строки", "cp1251", "cp1251"),
        ("привет", "cp1251", "cp1251"),
        ("привет, как дела", "koi8-r", "koi8-r"),
        (RUSSIAN, "cp1251", "cp1251"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (RUSSIAN, "mac-cyrillic", "mac-cyrillic"),
        ("хороший фильм", "cp866", "cp866"),
        ("Дуже гарний фільм, мені сподобалося, її дім", "cp1251", "cp1251"),
        ("καλημέρα τι κάνεις σήμερα το απόγευμα", "cp1253", "cp1253"),
        ("סרט טוב מאוד, נהניתי ממנו", "cp1255", "cp1255"),
        ("فيلم جيد جدا وأحببته كثيرا", "cp1256", "cp1256"),
        ("หนังดีมาก ชอบมากจริง ๆ", "cp874", "cp874"),
        ("这是一个测试文本，关于足球", "gb18030", "gb18030"),
        ("房间干净，服务周到，早餐丰富", "gbk", "gb18030"),
        ("電影不錯", "big5", "big5"),
        ("房間沒有窗戶，老闆態度差，早餐豐富", "big5", "big5"),
        ("これはテストです。日本語の文章", "shift_jis", "cp932"),
        ("部屋が綺麗でスタッフも親切。また泊まりたいです", "euc-jp", "euc-jp"),
        ("배송이 빠르고 포장이 꼼꼼해요", "euc-kr", "euc-kr"),
        ("별로예요, 정말 실망했다", "euc-kr", "euc-kr"),
        ("café", "utf-8", ""),
    ],
)
def test_the_likely_encoding(tmp_path, text, encoding, likely):
    path = tmp_path / "a.csv"
    rows = "".join(f"{text} {n},x\nplain row {n},y\n" for n in range(40))
    path.write_bytes(f"text,label\n{rows}".encode(encoding))
    assert likely_encoding(path, "a.csv").encoding == likely


@pytest.mark.parametrize(
    ("text", "encoding", "rival", "example"),
    [
        ("the très café", "cp1252", "cp1250", ("très", "trčs")),
        ("must—see", "cp1252", "mac-roman", ("must—see", "mustósee")),
        (RUSSIAN.upper()[:5], "cp1251", "", ("", "")),
    ],
)
def test_an_encoding_in_doubt_is_told_with_a_word_to_look_at(
    tmp_path, text, encoding, rival, example
):
    path = tmp_path / "a.csv"
    path.write_bytes(f"text,label\n{text},x\n".encode(encoding))
    found = likely_encoding(path, "a.csv")
    if rival:
        assert found == Likely(encoding, rival, example)
        assert all(word in found.setting() for word in (encoding, rival, *example))
    else:
        assert encoding in (found.encoding, found.rival)


def test_an_encoding_without_doubt_is_told_alone(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(f"text\n{GERMAN}\n".encode("cp1252"))
    assert likely_encoding(path, "a.csv").setting() == "encoding: cp1252"


@pytest.mark.parametrize(("good", "odd"), [(9, 3), (1, 1), (1, 9)])
def test_a_mixture_of_encodings_has_no_likely_one(tmp_path, good, odd):
    path = tmp_path / "a.csv"
    path.write_bytes("café,x\n".encode() * good + "café,x\n".encode("cp1252") * odd)
    found = likely_encoding(path, "a.csv")
    assert found == Likely("", odd="cp1252", mixed=True)
    assert (found.whole, found.broken, found.first) == (good, odd, good + 1)


def test_lines_that_are_utf8_by_chance_make_no_mixture(tmp_path):
    path = tmp_path / "a.csv"
    assert "模".encode("gb18030").decode("utf-8") == "ģ"
    path.write_bytes(("房间干净，服务周到，早餐丰富\n" * 9 + "模\n").encode("gb18030"))
    assert likely_encoding(path, "a.csv") == Likely("gb18030")


def test_a_long_line_of_utf8_is_no_other_encoding(tmp_path):
    path = tmp_path / "a.txt"
    for before in range(4):
        path.write_bytes(b"a" * before + "日本".encode() * 9000 + b"\nplain\n")
        assert likely_encoding(path, "a.txt").broken == 0
    for last in (b"\xe9", b"caf\xe9", b"a" * 9999 + b"\xe9"):
        path.write_bytes(b"plain\n" + last)
        assert likely_encoding(path, "a.txt").first == 2


@given(st.binary(max_size=30))
def test_bytes_that_break_an_encoding_are_shown_as_they_stand(content):
    marked = content.decode("utf-8", ERRORS)
    assert is_marked(marked) is (content.decode("utf-8", "ignore").encode() != content)
    shown = with_bytes(marked)
    assert not is_marked(shown) and shown == content.decode("utf-8", "backslashreplace")
    assert not re.search("[\udc00-\udcff]", quoted(marked))


def test_a_wrong_encoding_is_named_with_the_likely_one(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_bytes((make.reviews(60) + "café,good\n" * 9).encode("cp1252"))
    with pytest.raises(DataError, match="bytes that are not in the encoding") as raised:
        ingest([{"uri": "a.csv"}])
    assert "encoding: cp1252" in raised.value.fix
    done = ingest([{"uri": "a.csv", "encoding": "cp1252"}], out="fine")
    assert "café" in {row["text"] for row in done.rows()}


OBJECTS = [{"text": f"t{n}\n[{{", "label": {"a": [n]}} for n in range(3)]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("mark", ["", "\ufeff", "\n\n"])
def test_a_json_array_is_read_with_line_numbers(tmp_path, indent, mark):
    path, tally = tmp_path / "rows.json", Tally()
    path.write_text(mark + json.dumps(OBJECTS, indent=indent))
    found = rows_of(path, tally)
    assert [row.values for row in found] == OBJECTS
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    assert all(lines[row.line - 1].lstrip(" [").startswith("{") for row in found)
    assert [kind.name for kind in tally.counts] == ["json_array"]


def test_objects_over_several_lines_and_long_arrays_are_read(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(one, indent=2) for one in OBJECTS))
    assert [row.values for row in rows_of(path)] == OBJECTS
    many = [{"text": "x" * 50, "n": n} for n in range(5000)]
    path.write_text(json.dumps(many))
    assert [row.values for row in rows_of(path)] == many


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('[{"text": "a"},\n{"text": }]', "line 2: not JSON"),
        ('[{"text": "a"},\n', "never closed"),
        ('[{"text": "a"}]\nmore', "text follows"),
        ('[{"text": "' + "x" * 200_000 + '"}]', "longer than data.max_row_bytes"),
    ],
)
def test_a_damaged_array_is_an_error_with_its_line(tmp_path, content, says):
    path = tmp_path / "rows.json"
    path.write_text(content)
    with pytest.raises(DataError, match=says):
        rows_of(path)


def test_items_of_an_array_that_are_no_objects_are_refused(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text('[{"text": "a"}, 1, {"text": "b", "text": "c"}]')
    assert [isinstance(row, Row) for row in rows_of(path)] == [True, False, False]


TEXT = "Anna Smith-Lee went to Kyiv."
SPANS = [(0, 14, "PER"), (23, 27, "LOC")]
WORDS = (
    ["Anna", "Smith-Lee", "went", "to", "Kyiv", "."],
    ["B-PER", "I-PER", "O", "O", "B-LOC", "O"],
)
REGIONS = [{"start": a, "end": b, "text": TEXT[a:b], "labels": [kind]} for a, b, kind in SPANS]


@pytest.mark.parametrize(
    "row",
    [
        {"text": TEXT, "label": [list(span) for span in SPANS]},
        {"text": TEXT, "labels": [list(span) for span in SPANS]},
        {"text": TEXT, "entities": [
            {"id": 1, "label": kind, "start_offset": a, "end_offset": b} for a, b, kind in SPANS]},
        {"text": TEXT, "answer": "accept", "spans": [
            {"start": a, "end": b, "label": kind} for a, b, kind in SPANS],
         "tokens": [{"text": w.text, "start": w.start, "end": w.end} for w in split(TEXT)]},
        {"id": 1, "data": {"text": TEXT}, "annotations": [{"was_cancelled": True, "result": []}, {
            "result": [{"type": "labels", "value": value} for value in REGIONS]}]},
        {"text": TEXT, "label": REGIONS},
    ],
    ids=["doccano", "doccano-labels", "doccano-entities", "prodigy", "label-studio", "json-min"],
)  # fmt: skip
def test_spans_of_annotation_tools_become_tags(tmp_path, ingest, row):
    same = [json.dumps(row).replace("went", f"{n:04d}") for n in range(60)]
    (tmp_path / "a.json").write_text("[" + ",".join(same) + "]")
    done = ingest([{"uri": "a.json"}], task={"type": "tagging"})
    assert {tuple(found["tags"]) for found in done.rows()} == {tuple(WORDS[1])}
    assert all(found["tokens"][:2] == WORDS[0][:2] for found in done.rows())
    assert any("marked spans" in notice.text for notice in done.result.notices)


def test_words_are_cut_where_a_span_ends_inside_them():
    spans = [Span(0, 4, "A"), Span(4, 9, "A")]
    assert tagged(split("Kyiv-born"), "Kyiv-born", spans) == (["Kyiv", "-born"], ["B-A", "B-A"])


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"text": "ab", "label": [[0, 5, "A"]]}, "a span is not inside the text"),
        ({"text": "a b", "label": [[0, 3, "A"], [2, 3, "B"]]}, "spans overlap"),
    ],
)
def test_spans_that_cannot_be_tags_are_refused(tmp_path, ingest, row, rule):
    good = [json.dumps({"text": f"a {n}", "label": []}) for n in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join([*good, json.dumps(row)]))
    done = ingest([{"uri": "a.jsonl"}], task={"type": "tagging"}, max_rejected=0.1)
    assert done.summary == {rule: 1}


def studio(text: str, /, **span: object) -> dict:
    value = {"labels": ["A"], **span}
    annotation = {"result": [{"type": "labels", "value": value}]}
    return {"data": {"text": text}, "annotations": [annotation]}


def prodigy(text: str, /, **span: object) -> dict:
    tokens = [{"text": w.text, "start": w.start, "end": w.end} for w in split(text)]
    return {"text": text, "tokens": tokens, "spans": [{"label": "A", **span}]}


OWN_TEXT = "a span's own text is not what stands at its offsets"


@pytest.mark.parametrize(
    ("row", "rule", "received"),
    [
        (studio("Anna lives", start=5, end=10, text="Anna"), OWN_TEXT,
         "[5, 10] is 'lives', the span says 'Anna'"),
        (prodigy("Anna lives", start=5, end=10, text="Anna"), OWN_TEXT, "says 'Anna'"),
        ({"text": "Anna lives", "label": [{"start": 5, "end": 10, "text": "Anna", "labels": ["A"]}]},
         OWN_TEXT, "says 'Anna'"),
        (prodigy("Anna lives", start=5, end=10, token_start=0, token_end=1),
         "a span's token_start is not the token at its offset",
         "start 5, token_start 0: a token with start 0"),
        (prodigy("Anna lives", start=0, end=4, token_start=0, token_end=7),
         "a span's token_end is not the token at its offset",
         "end 4, token_end 7: a token with end none"),
    ],
    ids=["label-studio", "prodigy", "json-min", "token-start", "token-end"],
)  # fmt: skip
def test_a_span_that_says_other_words_than_its_offsets_cut_is_refused(
    tmp_path, ingest, row, rule, received
):
    good = [json.dumps({"text": f"a {n}", "label": []}) for n in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join([*good, json.dumps(row)]))
    done = ingest([{"uri": "a.jsonl"}], task={"type": "tagging"}, max_rejected=0.1)
    assert done.summary == {rule: 1}
    assert done.rejected[0]["row"] == 61 and received in done.rejected[0]["value"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a b", "a b"),
        ("a\r\nb", "a\nb"),
        ("a\nb", "a\\nb"),
        ("a\r\nb", "a\\r\\nb"),
        ("a\u00a0b", " a  b\t"),
        ("caf\u00e9", "cafe\u0301"),
        ("a\\nb", "a\\nb"),
    ],
)
def test_the_words_of_a_span_may_differ_in_white_space_and_form(text, said):
    row = studio(text, start=0, end=len(text), text=said)
    assert text_and_spans(row, "text", "label") == (text, [Span(0, len(text), "A")])


def conll_of(sentence: str, count: int = 60) -> str:
    return "".join(sentence.replace("N", str(n)) for n in range(count))


def test_comments_in_conll_are_skipped_and_the_word_is_not(tmp_path, ingest):
    text = conll_of(
        "# id N-0\tdomain=en\n# text = Vitamin O\nAnnaN _ _ B-PER\n# _ _ O\n#N _ _ O\n\n"
    )
    (tmp_path / "a.conll").write_text(text)
    done = ingest([{"uri": "a.conll"}], task={"type": "tagging"})
    assert all(row["tokens"][1] == "#" and len(row["tokens"]) == 3 for row in done.rows())
    assert "120 comment lines were skipped" in done.result.notices[0].text


def test_a_conll_file_without_blank_lines_is_an_error(tmp_path, ingest):
    (tmp_path / "a.conll").write_text(conll_of("On O\nday O\nN O\nKyiv B-LOC\n. O\n", 200))
    with pytest.raises(DataError, match="has no blank line: its 1000 words") as raised:
        ingest([{"uri": "a.conll"}], task={"type": "tagging"})
    assert "blank line behind each sentence" in raised.value.fix


def test_a_conll_sentence_over_the_limit_is_refused_alone(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("a O\n\n" + "word O\n" * 30_000 + "\nb O\n")
    found = rows_of(path)
    assert [isinstance(row, Refusal) for row in found] == [False, True, False]


@pytest.mark.parametrize(
    "uri", ["my [v2]/*.csv", "my [v2]/a (1).csv", "my [[]v2]/*.csv", "my*/a*.csv"]
)
def test_brackets_in_folders_are_names(tmp_path, uri):
    base = tmp_path / "spec [x]"
    (base / "my [v2]").mkdir(parents=True)
    file = base / "my [v2]" / "a (1).csv"
    file.write_bytes(CSV)
    assert local_files(uri, base) == [file]
    assert local_files(str(base / "my*" / "a*.csv").replace("[", "[[]"), base) == [file]
    in_escaped = f"{str(base).replace('[', '[[]')}/my [v2]/*.csv"
    assert local_files(in_escaped, tmp_path) == [file]


def test_brackets_may_still_be_patterns(tmp_path):
    for name in ("a1.csv", "a2.csv", "a3.csv"):
        (tmp_path / name).write_bytes(CSV)
    assert [file.name for file in local_files("a[12].csv", tmp_path)] == ["a1.csv", "a2.csv"]
