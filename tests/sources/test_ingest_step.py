"""The step on tiny sources: contract, merging, splits, corpus, determinism."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bertworks.data.rows.spill import Spill
from bertworks.data.rows.split import content_id
from bertworks.data.rows.values import is_blank
from bertworks.storage.artifacts import open_artifact

SPLITS = ("train", "validation", "test")


def test_the_artifacts_are_what_the_contract_says(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(100) + "review number 3,good\nbroken\n")
    done = ingest([{"uri": "a.csv", "license": "CC0"}], max_rejected=0.05)
    for kind in ("examples", "corpus", "rejected", "base"):
        assert open_artifact(tmp_path / "out" / kind, kind).producer == "ingest"
    assert done.info["read"] == 102
    assert done.info["duplicates"] == 1
    assert done.info["rejected"] == 1
    assert done.info["clean"] == {"html": False, "unicode": "NFC", "whitespace": True}
    assert done.info["labels"] == ["bad", "good"]
    assert sum(done.info["rows"].values()) == 100
    assert done.info["sources"][0]["license"] == "CC0"
    assert done.info["sources"][0]["rows"] == 102
    assert len(done.info["sources"][0]["sha256"]) == 64
    for split in SPLITS:
        rows = done.rows(split)
        assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
        assert all(row["id"] == content_id(row["text"]) for row in rows)
        assert len(rows) == done.info["rows"][split]
        file = tmp_path / "out/examples" / split / "part-00000.parquet"
        schema = pq.read_schema(file)
        assert schema.names == ["id", "text", "label", "source"]
        assert set(schema.types) == {pa.string()}
        assert pq.ParquetFile(file).metadata.row_group(0).column(0).compression == "ZSTD"
    assert done.rejected == [
        {
            "file": str(tmp_path / "a.csv"),
            "row": 102,
            "line": 103,
            "rule": "2 columns expected, 1 found",
            "value": "broken",
        }
    ]
    assert done.summary == {"2 columns expected, 1 found": 1}
    assert done.result.metrics["train_rows"] == done.info["rows"]["train"]


def test_all_that_is_dropped_or_merged_is_told_with_its_count_and_setting(tmp_path, ingest, make):
    lines = (
        make.reviews(100) + "review number 3,good\nbroken\n,good\nreview number 5,bad\nx,other\n"
    )
    (tmp_path / "a.csv").write_text(lines)
    unlabelled = [f"text {n % 30}\nreview number {n}\n" for n in range(100)]
    (tmp_path / "b.txt").write_text("".join(unlabelled))
    done = ingest(
        [{"uri": "a.csv", "where": {"label": ["good", "bad", ""]}}],
        corpus={"sources": [{"uri": "b.txt"}], "max_rows": 10},
        max_rejected=0.05,
        max_rows=60,
    )
    told = {notice.text: notice for notice in done.result.notices}
    counted = {
        "were rejected": (done.info["rejected"], "warning", "data.max_rejected"),
        "stand with different labels": (2, "warning", "conflicting_labels"),
        "repeat others, text and label": (1, "note", "keep_all"),
        "do not pass its filter": (1, "note", "data.sources[].where"),
        "left out: data.max_rows": (done.info["left_out"], "note", "data.max_rows = 60"),
        "corpus.max_rows": (None, "note", "corpus.max_rows = 10"),
        "validation or test": (None, "note", "corpus"),
    }
    for words, (count, level, setting) in counted.items():
        (text,) = [text for text in told if words in text]
        assert setting in text and told[text].level == level
        assert told[text].count == count if count else told[text].count > 0
    assert done.info["rejected"] > 0 and done.info["left_out"] > 0
    (rejected,) = [one for one in told.values() if "were rejected" in one.text]
    assert rejected.more == "rejected.jsonl" and "2 columns expected" in rejected.text


def test_nothing_is_told_of_clean_rows(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(100))
    told = ingest([{"uri": "a.csv"}], corpus={"include_training_text": False}).result.notices
    assert told == []


@pytest.mark.parametrize(
    ("task", "row", "columns"),
    [
        ({"multi_label": True}, {"text": "t{}", "label": ["b", "a"]}, {"labels": ["a", "b"]}),
        ({"type": "regression"}, {"text": "t{}", "label": 1}, {"score": 1.0}),
        ({"type": "tagging"}, {"tokens": ["t{}", "x"], "tags": ["I-A", "O"]}, {"tags": ["B-A", "O"]}),
        ({"pair": True}, {"text_a": "t{}", "text_b": "x", "label": "l"}, {"text_b": "x"}),
    ],
)  # fmt: skip
def test_every_task_has_its_columns(tmp_path, ingest, task, row, columns):
    lines = [json.dumps(row).replace("{}", str(number)) for number in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    done = ingest([{"uri": "a.jsonl"}], task=task)
    for found in done.rows("train"):
        assert {name: found[name] for name in columns} == columns
        assert found["source"] == "a.jsonl"
    texts = 61 if task.get("pair") else 60
    assert done.result.metrics["corpus_rows"] <= texts


def test_a_row_never_changes_split_when_data_grows(tmp_path, ingest, make):
    def placed(count: int, start: int = 0) -> dict[str, str]:
        (tmp_path / "a.csv").write_text(make.reviews(count, start))
        done = ingest([{"uri": "a.csv"}])
        return {row["text"]: split for split in SPLITS for row in done.rows(split)}

    small, large = placed(80), placed(500)
    other = placed(450, start=50)
    assert small.items() <= large.items()
    assert all(large[text] == split for text, split in other.items())


def test_the_same_input_gives_the_same_bytes(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(200))
    ingest([{"uri": "a.csv"}], out="one")
    ingest([{"uri": "a.csv"}], out="two")
    for kind in ("examples", "corpus", "rejected", "base"):
        first = open_artifact(tmp_path / "one" / kind)
        assert first.digest == open_artifact(tmp_path / "two" / kind).digest


def test_conflicting_labels_are_dropped_listed_and_not_counted_as_rejected(tmp_path, ingest, make):
    text = make.reviews(100) + "review   number 4,good\nreview number 4,bad\n"
    (tmp_path / "a.csv").write_text(text)
    done = ingest([{"uri": "a.csv"}], max_rejected=0.0)
    assert "review number 4" not in {row["text"] for row in done.rows()}
    assert done.info["conflicts"] == 3
    assert done.info["rejected"] == 0
    assert {item["rule"] for item in done.rejected} == {"conflicting labels"}
    assert sorted(item["line"] for item in done.rejected) == [6, 102, 103]
    assert done.info["read"] == 102 == 99 + 3


def test_pinned_splits_hold_and_leave_no_copy_in_train(tmp_path, ingest, make):
    (tmp_path / "train.csv").write_text(make.reviews(60))
    (tmp_path / "dev.csv").write_text(make.reviews(20, start=50))
    (tmp_path / "test.csv").write_text(make.reviews(20, start=65))
    done = ingest(
        [
            {"uri": "train.csv", "split": "train"},
            {"uri": "dev.csv", "split": "validation"},
            {"uri": "test.csv", "split": "test"},
        ]
    )
    assert done.info["rows"] == {"train": 50, "validation": 15, "test": 20}
    assert {row["source"] for row in done.rows("test")} == {"test.csv"}
    held_out = {row["text"] for split in ("validation", "test") for row in done.rows(split)}
    assert not held_out & {row["text"] for row in done.rows("train")}
    assert not held_out & {row["text"] for row in done.rows(artifact="corpus")}


def test_auto_rows_give_way_to_pinned_ones(tmp_path, ingest, make):
    (tmp_path / "all.csv").write_text(make.reviews(200))
    (tmp_path / "test.csv").write_text(make.reviews(40))
    done = ingest([{"uri": "all.csv"}, {"uri": "test.csv", "split": "test"}], test=0.0)
    assert done.info["rows"]["test"] == 40
    assert sum(done.info["rows"].values()) == 200


def test_keep_all_leaves_an_official_file_whole(tmp_path, ingest, make):
    (tmp_path / "train.csv").write_text(make.reviews(60))
    official = make.reviews(10) + "review number 1,good\nreview number 2,good\n"
    (tmp_path / "test.csv").write_text(official)
    done = ingest(
        [
            {"uri": "train.csv"},
            {"uri": "test.csv", "split": "test", "keep_all": True},
        ],
        test=0.0,
    )
    assert sorted(f"{row['text']},{row['label']}" for row in done.rows("test")) == sorted(
        official.splitlines()[1:]
    )
    assert sum(done.info["rows"].values()) == 62
    ids = [row["id"] for row in done.rows()]
    assert len(set(ids)) == len(ids)
    assert done.info["read"] == 72 == 62 + done.info["duplicates"] + done.info["conflicts"]


def test_max_rows_keeps_a_stable_sample(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(300))
    whole = sorted(row["id"] for row in ingest([{"uri": "a.csv"}]).rows())
    done = ingest([{"uri": "a.csv"}], max_rows=100)
    assert sorted(row["id"] for row in done.rows()) == whole[:100]
    assert done.info["left_out"] == 200


def test_globs_and_archives_inside_archives(tmp_path, ingest, make):
    inner = make.tar({"deep/one.csv": make.reviews(50).encode(), "deep/two.csv": b""})
    (tmp_path / "outer.tar.gz").write_bytes(make.tar({"inner.tar.gz": inner, "x": b"x"}))
    (tmp_path / "more-1.csv").write_text(make.reviews(50, start=50))
    (tmp_path / "more-2.csv").write_text(make.reviews(50, start=100))
    done = ingest([{"uri": "outer.tar.gz!/inner.tar.gz!/deep/on*.csv"}, {"uri": "more-*.csv"}])
    assert sum(done.info["rows"].values()) == 150
    assert {row["source"] for row in done.rows()} == {
        "outer.tar.gz!/inner.tar.gz!/deep/on*.csv",
        "more-*.csv",
    }


def test_fsspec_uris_are_read(tmp_path, ingest, make):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/ingest/a.csv", make.reviews(60).encode())
    done = ingest([{"uri": "memory://ingest/*.csv"}])
    assert sum(done.info["rows"].values()) == 60


def test_the_corpus_takes_its_own_sources_and_no_held_out_text(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(100))
    (tmp_path / "free.txt").write_text(
        "".join(f"review number {i}\n" for i in range(100)) + "a free text\na  free text\n"
    )
    done = ingest([{"uri": "a.csv"}], corpus={"sources": [{"uri": "free.txt"}]})
    expected = {row["text"] for row in done.rows("train")} | {"a free text"}
    rows = done.rows(artifact="corpus")
    assert {row["text"] for row in rows} == expected
    assert len(rows) == len(expected)
    info = json.loads((tmp_path / "out/corpus/info.json").read_text())
    assert info["rows"] == len(expected)
    assert info["held_out"] == 100 - len(done.rows("train"))


def test_the_corpus_may_be_empty_and_still_has_its_columns(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(60))
    done = ingest([{"uri": "a.csv"}], corpus={"include_training_text": False})
    assert done.rows(artifact="corpus") == []
    schema = pq.read_schema(tmp_path / "out/corpus/part-00000.parquet")
    assert schema.names == ["id", "text"]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None
)
@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
            lambda text: not is_blank(text)
        ),
        min_size=1,
        max_size=20,
        unique=True,
    )
)  # fmt: skip
def test_any_text_comes_out_as_it_went_in(tmp_path, ingest, make, texts):
    base = [f"review number {number}" for number in range(60)]
    lines = [json.dumps({"text": text, "label": "x"}) for text in [*base, *texts]]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    clean = {"unicode": "none", "whitespace": False}
    done = ingest([{"uri": "a.jsonl"}], clean=clean)
    assert sorted(row["text"] for row in done.rows()) == sorted({*base, *texts})


def test_label_map_keys_that_no_row_has_are_noted(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(60))
    ingest([{"uri": "a.csv", "label_map": {"good": "fine", "Bad": "poor"}}])
    events = map(json.loads, (tmp_path / "events.jsonl").read_text().splitlines())
    notes = {event.get("note") for event in events if event.get("stage") == "reading rows"}
    assert "label_map: no row of a.csv has the label 'Bad'" in notes


def test_spill_groups_come_ordered_and_whole(tmp_path):
    spill = Spill(tmp_path / "spill")
    ids = [content_id(str(number % 700)) for number in range(2000)]
    for number, identity in enumerate(ids):
        spill.add({"id": identity, "number": number, "text": "ü\udcff"})
    groups = list(spill.groups())
    assert [group[0]["id"] for group in groups] == sorted(set(ids))
    assert all([row["number"] for row in group] == sorted(row["number"] for row in group)
               for group in groups)  # fmt: skip
    assert sum(map(len, groups)) == 2000


def test_shards_are_cut_at_a_number_of_rows(tmp_path, monkeypatch):
    from bertworks.data.rows import shards

    monkeypatch.setattr(shards, "_PART_ROWS", 100)
    monkeypatch.setattr(shards, "_BATCH_ROWS", 50)
    with shards.ShardWriter(tmp_path / "out", shards.CORPUS_SCHEMA) as writer:
        for number in range(250):
            writer.add({"id": f"{number:04d}", "text": "t"})
    files = sorted((tmp_path / "out").iterdir())
    assert [pq.read_metadata(file).num_rows for file in files] == [100, 100, 50]
