"""Advice on rows and files is taken: the settings that it names are set, and the rows are read."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import subprocess
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertworks.data.inspection.content import Composed
from bertworks.data.inspection.inspect import inspect
from tests.fixes.taking import Bench, as_written, change, checkpoint, own, reviews, taken

ALL = 60


def total(counts: dict[str, int]) -> int:
    return sum(counts.values())


def of_one_label(bench: Bench) -> None:
    """Rows of one label will do: what is told of is how they are read."""
    bench.content["validate"] = {"checks": {"single_class": "warning"}}


def test_more_rows_may_be_rejected(bench: Bench) -> None:
    bench.rows(reviews(ALL) + "a row without a label,\n" * 3)
    taken("bertworks/data/rows/rejected.py", "raise data.max_rejected", bench.counts,
          change("data.max_rejected", 0.1))  # fmt: skip


def test_longer_rows_are_taken(bench: Bench) -> None:
    bench.content["data"]["sources"] = [{"uri": "rows.json", "format": "jsonl"}]
    bench.content["data"]["max_row_bytes"] = 100
    rows = [
        {"text": f"{'very ' * 40_000 * (n == 9)}good {n}", "label": "ab"[n % 2]} for n in range(ALL)
    ]
    bench.rows(json.dumps(rows, indent=1), "rows.json")
    counts = taken("bertworks/data/formats/json_rows.py", "Raise data.max_row_bytes", bench.counts,
                   change("data.max_row_bytes", 10**6))  # fmt: skip
    assert total(counts) == ALL


def test_the_filter_is_corrected(bench: Bench) -> None:
    bench.rows(reviews(ALL))
    bench.content["data"]["sources"][0]["where"] = {"label": ["Good"]}
    taken("bertworks/data/rows/reading.py", "Correct the filter's columns and values", bench.counts,
          lambda _: ('data.sources.0.where={"label": ["good", "bad"]}',))  # fmt: skip


def test_a_column_of_another_name(bench: Bench) -> None:
    bench.rows(reviews(ALL, label="mood"))
    taken("bertworks/data/formats/columns.py", "Name the right column in the source's `columns`",
          bench.counts, own("columns", {"label": "mood"}))  # fmt: skip


def test_a_column_that_is_missing_is_a_constant(bench: Bench) -> None:
    of_one_label(bench)
    bench.rows("text\n" + "\n".join(f"review {n}" for n in range(ALL)))
    counts = taken("bertworks/data/formats/columns.py", "add it under `constants`", bench.counts,
                   own("constants", {"label": "good"}))  # fmt: skip
    assert total(counts) == ALL


@pytest.mark.parametrize("delimiter", [";", "|"])
def test_another_delimiter(bench: Bench, delimiter: str) -> None:
    bench.rows(reviews(ALL).replace(",", delimiter))
    bench.content["data"]["sources"][0]["delimiter"] = "^"
    by = lambda fix: (f"data.sources.0.delimiter={re.findall('delimiter: (.*)[.]', fix)[0]}",)  # noqa: E731
    counts = taken(
        "bertworks/data/formats/columns.py", "Set the source's delimiter: ", bench.counts, by
    )
    assert total(counts) == ALL


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_another_encoding(bench: Bench, encoding: str) -> None:
    bench.rows(reviews(ALL).encode(encoding))
    by = lambda fix: (f"data.sources.0.encoding={re.findall('encoding: ([^ .]*)', fix)[0]}",)  # noqa: E731
    taken("bertworks/data/sources/first_bytes.py", "Set the source's encoding: ", bench.counts, by)


@pytest.mark.parametrize("given", ["utf-16", "ascii"])
def test_an_encoding_that_does_not_fit(bench: Bench, given: str) -> None:
    bench.rows(
        reviews(ALL).encode("cp1252") + "déjà vu, élève,good\n".replace(", ", " ").encode("cp1252")
    )
    bench.content["data"]["sources"][0]["encoding"] = given
    by = lambda fix: (f"data.sources.0.encoding={re.findall('encoding: ([^ .]*)', fix)[0]}",)  # noqa: E731
    if given == "ascii":
        bench.content["data"]["max_rejected"] = 0.0
    counts = taken("bertworks/data/sources/encodings.py", "If the file is not", bench.counts, by)
    assert total(counts) == ALL + 1


@pytest.mark.parametrize("given", ["utf-16", "utf-16-le", "utf-32"])
def test_a_wide_encoding_that_a_narrow_file_does_not_have(bench: Bench, given: str) -> None:
    bench.rows(reviews(ALL) + "naïve,good\n" * 9)
    bench.content["data"]["sources"][0]["encoding"] = given
    by = lambda fix: (f"data.sources.0.encoding={re.findall('encoding: ([^ .]*)', fix)[0]}",)  # noqa: E731
    taken(
        "bertworks/data/sources/first_bytes.py",
        "Set the source's encoding: utf-8.",
        bench.counts,
        by,
    )


def test_utf8_that_is_called_ascii(bench: Bench) -> None:
    bench.rows(reviews(ALL) + "naïve,good\n" * 9)
    bench.content["data"]["sources"][0]["encoding"] = "ascii"
    by = lambda fix: (f"data.sources.0.encoding={re.findall('encoding: ([^ .]*)', fix)[0]}",)  # noqa: E731
    counts = taken(
        "bertworks/data/sources/encodings.py", "The file is UTF-8: set", bench.counts, by
    )
    assert total(counts) == ALL + 1


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
@pytest.mark.parametrize(
    ("text", "odd"), [("très café", "cp1252"), ("房间干净，服务周到，早餐丰富", "gb18030")]
)
def test_a_mixture_of_encodings_is_made_one(bench: Bench, name: str, text: str, odd: str) -> None:
    rows = [f"{text} {n},good\n".encode("utf-8" if n % 2 else odd) for n in range(40)]
    whole = reviews(ALL).encode() + b"".join(rows)
    bench.rows(gzip.compress(whole) if name.endswith("gz") else whole, name)
    bench.content["data"]["sources"][0]["uri"] = name

    def by(fix: str) -> tuple[str, ...]:
        assert "It is a mixture: of the lines" in fix and f"20 are not, perhaps {odd}" in fix
        subprocess.run(
            re.findall("`(.* > [^`]*)`", fix)[0], shell=True, check=True, cwd=bench.folder
        )
        made = (bench.folder / "rows-utf8.csv").read_text("utf-8")
        assert made == reviews(ALL) + "".join(f"{text} {n},good\n" for n in range(40))
        return ("data.sources.0.uri=rows-utf8.csv",)

    counts = taken("bertworks/data/sources/encodings.py", "Convert these alone: ", bench.counts, by)
    assert total(counts) == ALL + 40


def test_lines_of_no_known_encoding_are_shown(bench: Bench) -> None:
    bench.rows(reviews(ALL) + "naïve,good\n" * 9)
    with (bench.folder / "rows.csv").open("ab") as stream:
        stream.write(b"\xff\xb1\x7f\xa6\xfe\x9d\xac\x9d,good\n")
    bench.content["data"]["max_rejected"] = 0.0

    def by(fix: str) -> tuple[str, ...]:
        command = re.findall("`(export .*?)`", fix)[0]
        shown = subprocess.run(command, shell=True, check=True, stdout=subprocess.PIPE).stdout
        assert shown.startswith(f"{ALL + 11}:".encode())
        content = (bench.folder / "rows.csv").read_bytes().splitlines(keepends=True)
        bench.rows(b"".join(content[:-1]))
        return ()

    taken(
        "bertworks/data/sources/encodings.py",
        "Mend these lines, which this shows",
        bench.counts,
        by,
    )


def test_an_encoding_that_nobody_knows(bench: Bench) -> None:
    bench.rows(reviews(ALL).encode("cp1252"))
    bench.content["data"]["sources"][0]["encoding"] = "latin-11"

    def by(fix: str) -> tuple[str, ...]:
        return ("data.sources.0.encoding=" + re.findall(r"\bcp1252\b", fix)[0],)

    taken("bertworks/data/formats/rows.py", "Write for example utf-8", bench.counts, by)


def test_yaml_that_is_too_large_is_split(bench: Bench) -> None:
    bench.content["data"]["sources"] = [{"uri": "rows.yml"}]
    bench.content["data"]["max_rejected"] = 0.0
    parts = [
        f"- intent: {'ab'[part]}\n  examples: |\n"
        + "".join(f"    - text {part} {n} {'very ' * 2000}\n" for n in range(ALL))
        for part in range(2)
    ]
    bench.rows("nlu:\n" + "".join(parts), "rows.yml")

    def by(fix: str) -> tuple[str, ...]:
        assert "split it into smaller files; `uri` may be a glob" in fix
        for number, part in enumerate(parts):
            bench.rows("nlu:\n" + part, f"part{number}.yml")
        return ("data.sources.0.uri=part*.yml",)

    counts = taken("bertworks/data/formats/annotators.py", "`uri` may be a glob", bench.counts, by)
    assert total(counts) == 2 * ALL


def test_an_ending_that_says_nothing(bench: Bench) -> None:
    bench.rows(reviews(ALL), "rows.data")
    bench.content["data"]["sources"][0]["uri"] = "rows.data"
    taken("bertworks/data/formats/rows.py", "Set the source's format: csv", bench.counts,
          own("format", "csv"))  # fmt: skip


def test_a_parquet_file_that_is_none(bench: Bench) -> None:
    bench.rows(reviews(ALL))
    bench.content["data"]["sources"][0]["format"] = "parquet"
    taken(
        "bertworks/data/formats/table_rows.py", "set `format`", bench.counts, own("format", "csv")
    )


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_a_table_of_arrow_with_another_ending(bench: Bench, kind: str) -> None:
    table = pa.table({
        "text": [f"review {n}" for n in range(ALL)], "label": ["good", "bad"] * (ALL // 2),
    })  # fmt: skip
    new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with new(str(bench.folder / "rows.csv"), table.schema) as writer:
        writer.write_table(table)
    counts = taken("bertworks/data/sources/first_bytes.py", "Set the source's `format: arrow`.",
                   bench.counts, own("format", "arrow"))  # fmt: skip
    assert total(counts) == ALL


def test_no_header(bench: Bench) -> None:
    bench.rows(reviews(ALL).partition("\n")[2])
    bench.content["data"]["sources"][0]["header"] = False
    counts = taken("bertworks/data/formats/rows.py", "List the columns' names in `names`.",
                   bench.counts, own("names", ["text", "label"]))  # fmt: skip
    assert total(counts) == ALL


def test_a_header_that_is_no_row(bench: Bench) -> None:
    bench.rows("x" * 500 + "," + reviews(ALL).partition("\n")[2])
    bench.content["data"]["max_row_bytes"] = 100
    bench.content["data"]["max_rejected"] = 0.2

    def by(fix: str) -> tuple[str, ...]:
        return (*own("header", False)(fix), *own("names", ["text", "label"])(fix))

    taken("bertworks/data/formats/rows.py", "Set `header: false` and `names`.", bench.counts, by)


def test_quotes_that_are_plain_text(bench: Bench) -> None:
    of_one_label(bench)
    bench.rows("text\n" + "".join(f"review {n}\n" for n in range(ALL)) + '"open\n' + "b\n" * 1000)
    bench.content["data"]["sources"][0]["constants"] = {"label": "x"}
    by = lambda fix: (f"data.sources.0.{re.findall('`(quote: .*?)`', fix)[0].replace(': ', '=')}",)  # noqa: E731
    taken("bertworks/data/formats/csv_rows.py", "set the source's `quote: ''`", bench.counts, by)


def test_a_split_without_rows(bench: Bench) -> None:
    bench.rows(reviews(ALL))
    bench.content["data"]["test"] = 0.0
    taken("bertworks/data/rows/examples.py", "raise data.", bench.counts, change("data.test", 0.2))


def test_a_split_of_its_own(bench: Bench) -> None:
    bench.rows(reviews(ALL))
    bench.rows(reviews(2 * ALL).replace("number", "no"), "test.csv")
    bench.content["data"]["test"] = 0.0
    sources = [{"uri": "rows.csv"}, {"uri": "test.csv", "split": "test"}]

    def by(fix: str) -> tuple[str, ...]:
        assert "`split: test`" in fix
        return (f"data.sources={json.dumps(sources)}",)

    counts = taken("bertworks/data/rows/examples.py", "a source with `split: ", bench.counts, by)
    assert counts["test"] == 2 * ALL


def test_a_text_column_that_is_constant(bench: Bench) -> None:
    of_one_label(bench)
    bench.rows("text,label,body\n" + "".join(f"same,good,review {n}\n" for n in range(2 * ALL)))
    taken("bertworks/data/rows/examples.py", "data.sources[].columns.text names the text",
          bench.counts, change("data.sources.0.columns.text", "body"))  # fmt: skip


def test_a_file_of_an_archive(bench: Bench) -> None:
    with zipfile.ZipFile(bench.folder / "rows.zip", "w") as archive:
        archive.writestr("in/rows.csv", reviews(ALL))
    bench.content["data"]["sources"] = [{"uri": "rows.zip"}]

    def by(fix: str) -> tuple[str, ...]:
        return (f"data.sources.0.uri={re.findall(r'rows.zip!/.*', fix)[0]}",)

    taken("bertworks/data/sources/first_bytes.py", "Name the file in it: uri:", bench.counts, by)


@pytest.mark.parametrize("way", [0, 1])
def test_a_folder_needs_a_file_or_a_glob(bench: Bench, way: int) -> None:
    (bench.folder / "parts").mkdir()
    bench.rows(reviews(ALL), "parts/one.tsv")
    bench.rows("of the editor", "parts/.one.swp")
    source = {"uri": "parts", "format": "csv"}
    bench.content["data"]["sources"] = [source]

    def by(fix: str) -> tuple[str, ...]:
        ways = re.fullmatch("Name a file in it: (.*) or a glob: (.*)", fix)
        assert ways is not None
        return (f"data.sources.0.uri={ways[way + 1]}",)

    taken("bertworks/data/sources/fetch.py", "Name a file in it: ", bench.counts, by)


def test_one_pin_for_many_files(bench: Bench) -> None:
    bench.rows(reviews(ALL), "a1.csv")
    bench.rows(reviews(ALL).replace("number", "no"), "a2.csv")
    bench.content["data"]["sources"] = [{"uri": "a*.csv", "sha256": "0" * 64}]
    taken("bertworks/data/sources/fetch.py", "Leave sha256 out", bench.counts, own("sha256", None))


def test_a_pattern_that_does_not_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    of_one_label(bench)
    from bertworks.data.labels import patterns

    monkeypatch.setattr(patterns, "SECONDS", 0.02)
    bench.rows("\n".join(f"{'a' * (60 + n)}b" for n in range(ALL)), "rows.txt")
    bench.content["data"]["sources"] = [{
        "uri": "rows.txt", "format": "lines", "constants": {"label": "x"},
        "pattern": "(?P<text>(?:a|aa)+$)",
    }]  # fmt: skip
    taken("bertworks/data/labels/patterns.py", "without repetitions inside repetitions", bench.counts,
          lambda _: ("data.sources.0.pattern=^(?P<text>a+)b$",))  # fmt: skip


def test_a_base_with_fewer_positions(bench: Bench) -> None:
    checkpoint(bench.folder / "model")
    bench.content["base"] = {"uri": "./model"}
    bench.content["task"] = {"max_length": 64}
    bench.rows(reviews(ALL))

    def by(fix: str) -> tuple[str, ...]:
        return as_written(fix.partition(" or ")[0])

    taken("bertworks/data/sources/base.py", "Set task.max_length: ", bench.ingest, by)


def test_a_base_with_fewer_layers(bench: Bench) -> None:
    checkpoint(bench.folder / "model")
    bench.content["base"] = {"uri": "./model", "layers": 99}
    bench.content["task"] = {"max_length": 16}
    bench.rows(reviews(ALL))

    def by(fix: str) -> tuple[str, ...]:
        return as_written(fix.partition(" or ")[0])

    taken("bertworks/data/sources/base.py", "Set base.layers: ", bench.ingest, by)


def test_a_vocabulary_that_cannot_be_trimmed(bench: Bench) -> None:
    from tests.helpers import family_bases

    family_bases.roberta(bench.folder / "model", ["a good review", "number 5"])
    bench.content["base"] = {"uri": "./model", "vocabulary": "trim"}
    bench.content["task"] = {"max_length": 16}
    bench.rows(reviews(ALL))
    taken(
        "bertworks/data/sources/trimming.py", "Set base.vocabulary: keep", bench.ingest, as_written
    )


def test_a_base_whose_files_do_not_agree(bench: Bench) -> None:
    checkpoint(bench.folder / "model", marks=False)
    checkpoint(bench.folder / "whole")
    bench.content["base"] = {"uri": "./model"}
    bench.content["task"] = {"max_length": 16}
    bench.rows(reviews(ALL))
    taken("bertworks/data/sources/checkpoint.py",
          "Give a checkpoint whose two files agree", bench.ingest,
          change("base.uri", "./whole"))  # fmt: skip


def test_labels_that_are_flags(bench: Bench) -> None:
    """Advice that is made where the rows are looked at: the columns to set are named in it."""
    bench.content["task"] = {"multi_label": True}
    rows = [{"text": f"review {n}", "joy": n % 2, "anger": 1 - n % 2} for n in range(ALL)]
    pq.write_table(pa.Table.from_pylist(rows), bench.folder / "rows.parquet")
    bench.content["data"]["sources"] = [{"uri": "rows.parquet"}]

    def by(fix: str) -> tuple[str, ...]:
        return own("one_hot", ["joy", "anger"], of="data.sources.0.columns")(fix)

    taken(
        "bertworks/data/formats/columns.py",
        "of 0 and 1 stands for a label",
        bench.counts,
        by,
    )


def test_one_column_of_labels_that_was_given_as_a_list_of_flags(bench: Bench) -> None:
    bench.content["task"] = {"multi_label": True}
    bench.content["data"]["sources"] = [{"uri": "rows.csv", "columns": {"one_hot": ["verdict"]}}]
    bench.rows(reviews(ALL, "verdict"))

    def by(fix: str) -> tuple[str, ...]:
        (columns,) = re.findall(r"`columns: (\{label: [^`]*\})`", fix)
        return (f"data.sources.0.columns={columns}",)

    counts = taken("bertworks/data/labels/labels.py", "A list of label columns was given",
                   bench.counts, by)  # fmt: skip
    assert total(counts) == ALL


def test_rows_that_annotators_rejected_are_read_on_demand(bench: Bench) -> None:
    rows = [{"text": f"review {n}", "label": "ab"[n % 2], "answer": "reject"} for n in range(ALL)]
    bench.rows("\n".join(map(json.dumps, rows)), "rows.jsonl")
    bench.content["data"]["sources"] = [{"uri": "rows.jsonl"}]

    def by(fix: str) -> tuple[str, ...]:
        where = re.findall(r"`where: (\{answer: [^`]*\})`", fix)[0]
        return (f"data.sources.0.where={where}",)

    counts = taken("bertworks/data/rows/reading.py", "name the answers in the source's `where:",
                   bench.counts, by)  # fmt: skip
    assert total(counts) == ALL


def test_words_for_empty_cells_are_read_on_demand(bench: Bench) -> None:
    bench.rows(reviews(ALL) + "nan,good\n" * 9)
    # Advice of a rule, which the log of refused rows gathers.
    counts = taken("bertworks/data/rows/rejected.py", "raise ", bench.counts,
                   own("empty_words", []))  # fmt: skip
    assert total(counts) == ALL + 1


def test_the_places_of_vectors_are_named(bench: Bench) -> None:
    bench.content["task"] = {"multi_label": True}
    rows = [{"text": f"review {n}", "label": [n % 2, 1 - n % 2]} for n in range(ALL)]
    bench.rows("\n".join(map(json.dumps, rows)), "rows.jsonl")
    bench.content["data"]["sources"] = [{"uri": "rows.jsonl"}]
    counts = taken("bertworks/data/labels/labels.py", "Name the places in order", bench.counts,
                   own("label_names", ["joy", "anger"]))  # fmt: skip
    assert total(counts) == ALL


def rows_in_parts(bench: Bench) -> str:
    """Writes two; the sha256 of the whole file."""
    whole = reviews(ALL).encode()
    bench.rows(whole[:99], "rows.csv.1")
    bench.rows(whole[99:], "rows.csv.2")
    bench.content["data"]["sources"][0] = {"uri": "rows.csv.{1..2}", "format": "csv"}
    return hashlib.sha256(whole).hexdigest()


def test_a_file_in_parts_is_pinned(bench: Bench) -> None:
    sha256 = rows_in_parts(bench)
    counts = taken("bertworks/data/sources/fetch.py", "Give the sha256 of the whole file",
                   bench.counts, own("sha256", sha256))  # fmt: skip
    assert total(counts) == ALL


def test_parts_are_counted_by_one_range(bench: Bench) -> None:
    sha256 = rows_in_parts(bench)
    bench.content["data"]["sources"][0] |= {"uri": "{1..3}/rows.csv.{1..2}", "sha256": sha256}
    counts = taken("bertworks/data/sources/uri.py", "Write one range", bench.counts,
                   lambda _: ("data.sources.0.uri=rows.csv.{1..2}",))  # fmt: skip
    assert total(counts) == ALL


def test_parts_are_joined_before_they_are_looked_at(bench: Bench) -> None:
    rows_in_parts(bench)

    def look(name: str = "rows.csv.{1..2}") -> Composed:
        return inspect([str(bench.folder / name)], bench.folder)

    def joined(_: str) -> tuple[str]:
        bench.rows(b"".join((bench.folder / f"rows.csv.{n}").read_bytes() for n in (1, 2)))
        return ("rows.csv",)

    found = taken("bertworks/data/inspection/places.py", "Join them first", look, joined)
    assert found.content["data"]
