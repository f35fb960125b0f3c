"""The statistics artifact: files, protos, determinism, and what a failing run leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from bertworks.errors import ArtifactError, DataError
from bertworks.spec import Task
from bertworks.storage.artifacts import open_artifact, write


@pytest.fixture
def data(make_reviews, make_splits):
    return make_splits(make_reviews(100))


def read_statistics(path):
    content = (path / "statistics.binpb").read_bytes()
    return statistics_pb2.DatasetFeatureStatisticsList.FromString(content)


def feature(dataset, name):
    return next(one for one in dataset.features if list(one.path.step) == [name])


def test_files_and_parents(bench, data):
    outcome = bench.run(data)
    artifact = open_artifact(outcome.path, "statistics")
    assert artifact.producer == "validate"
    assert set(artifact.parents) == {"examples", "base"}
    assert {file.name for file in outcome.path.iterdir()} == {
        "manifest.json", "statistics.binpb", "schema.pbtxt", "anomalies.pbtxt", "checks.json",
        "profile.json", "view.html",
    }  # fmt: skip
    for check in json.loads((outcome.path / "checks.json").read_text(encoding="utf-8")):
        assert set(check) == {"name", "severity", "passed", "message", "rows", "value", "limit"}
    schema = text_format.Parse((outcome.path / "schema.pbtxt").read_text(), schema_pb2.Schema())
    assert list(schema.string_domain[0].value) == ["neg", "pos"]
    text_format.Parse((outcome.path / "anomalies.pbtxt").read_text(), anomalies_pb2.Anomalies())
    told = outcome.result
    assert (told.notices, told.html, told.confusion) == ([], "view.html", None)
    assert outcome.result.metrics["rows_train"] == 80
    assert all(isinstance(value, (int, float)) for value in outcome.result.metrics.values())


def test_statistics_of_text_and_numbers(bench, make_sentence):
    scores = [0.0, 1.0, 2.0, 3.0, 10.0]
    rows = [{"text": make_sentence(n, 3 + n), "score": s} for n, s in enumerate(scores)]
    rows.append({"text": "the sea", "score": None})
    outcome = bench.run({"train": rows, "validation": []}, Task(type="regression"))
    assert "labels" not in outcome.result.metrics  # a number is none
    datasets = read_statistics(outcome.path).datasets
    assert [(d.name, d.num_examples) for d in datasets] == [
        ("train", 6), ("validation", 0), ("test", 0),
    ]  # fmt: skip
    score = feature(datasets[0], "score")
    assert score.type == statistics_pb2.FeatureNameStatistics.FLOAT
    numbers = score.num_stats
    assert (numbers.common_stats.num_non_missing, numbers.common_stats.num_missing) == (5, 1)
    assert numbers.mean == pytest.approx(np.mean(scores))
    assert numbers.std_dev == pytest.approx(np.std(scores))
    assert (numbers.min, numbers.median, numbers.max, numbers.num_zeros) == (0, 2, 10, 1)
    for histogram in numbers.histograms:
        assert sum(bucket.sample_count for bucket in histogram.buckets) == pytest.approx(5)
    words = feature(datasets[0], "row.words")
    assert (words.num_stats.min, words.num_stats.max) == (2, 7)
    assert words.validation_derived_source.source_path[0].step == ["text"]
    assert feature(datasets[0], "row.tokens").num_stats.max == 9
    text = feature(datasets[0], "text").string_stats
    assert text.unique == 6
    assert text.avg_length == pytest.approx(np.mean([len(row["text"].encode()) for row in rows]))


def test_top_values_and_lists(bench, make_sentence):
    rows = [
        {"text": make_sentence(n), "labels": labels}
        for n, labels in enumerate([["a"], ["a", "b"], [], ["c", "a"]])
    ]
    outcome = bench.run({"train": rows}, Task(multi_label=True))
    labels = feature(read_statistics(outcome.path).datasets[0], "labels").string_stats
    assert [(top.value, top.frequency) for top in labels.top_values] == [
        ("a", 3), ("b", 1), ("c", 1),
    ]  # fmt: skip
    common = labels.common_stats
    assert (common.min_num_values, common.max_num_values, common.tot_num_values) == (0, 2, 5)
    assert [bucket.label for bucket in labels.rank_histogram.buckets] == ["a", "b", "c"]


def test_the_same_input_gives_the_same_bytes(bench, data):
    first, second = bench.run(data), bench.run(data)
    assert open_artifact(first.path).digest == open_artifact(second.path).digest


def test_a_failed_check_keeps_the_artifact_and_names_rows_and_page(bench, data):
    data["train"][4]["text"] = ""
    data["train"][5]["label"] = "once"
    outcome = bench.run(data)
    assert isinstance(outcome.error, DataError)
    artifact = open_artifact(outcome.path, "statistics")
    assert artifact.metadata["failed"] == ["empty_rows", "rare_labels"]
    assert "tr00000000000004 (train): ''" in outcome.error.message
    assert f"tr00000000000005 (train): '{data['train'][5]['text'][:60]}" in outcome.error.message
    assert str(outcome.path / "view.html") in outcome.error.fix


def test_a_missing_text_column_is_one_clear_error(bench, make_reviews):
    rows = [{"sentence": row["text"], "label": row["label"]} for row in make_reviews(4)]
    with pytest.raises(DataError, match="no column 'text'.*sentence"):
        bench.run({"train": rows})


def test_a_damaged_input_is_refused(bench, data):
    examples = bench.examples(data, Task())
    file = examples / "train" / "part-00000.parquet"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match="damaged"):
        bench.step(examples, Task())
    assert not (bench.root / "statistics-direct").exists()


@pytest.mark.parametrize("content", [None, "{}", "not json"])
def test_a_base_without_a_readable_tokenizer_is_refused(bench, data, content):
    with write(bench.root / "base-False", kind="base", producer="ingest") as folder:
        if content is not None:
            (folder / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactError, match="tokenizer.json cannot be read"):
        bench.step(bench.examples(data, Task()), Task())


def test_damage_is_shown_where_it_stands(bench, data, make_sentence):
    data["train"][0]["text"] = (
        make_sentence(500, 200) + " caf\u00c3\u00a9 " + make_sentence(501, 200)
    )
    settings = {"checks": {"encoding_damage": "error", "max_encoding_damage": 0}}
    outcome = bench.run(data, settings=settings)
    assert "cafÃ©" in outcome.html and "cafÃ©" in outcome.error.message


def test_other_arrow_types_of_text(bench, data):
    names = [("id", pa.large_string()), ("text", pa.large_string()), ("label", pa.large_string())]
    outcome = bench.run(data, schema=pa.schema(names))
    assert outcome.failed() == [] and outcome.result.metrics["labels"] == 2


class Tags(HTMLParser):
    """Collects the tags of a page and what it would load."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]


def test_the_view_is_self_contained(bench, data):
    data["train"][0]["text"] = "\ufffd <script>alert(1)</script> & \"q\" <img src='http://x'>"
    data["train"][1]["label"] = "<b>bold</b>"
    outcome = bench.run(data, settings={"checks": {"rare_labels": "warning"}})
    page = Tags(outcome.html)
    assert page.links == []
    assert not page.tags & {"script", "img", "link", "iframe", "b"}
    assert "&lt;script&gt;" in outcome.html
    assert len(outcome.html) < 100_000


def test_the_step_does_not_import_tensorflow():
    program = "import sys, components.validate.step; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
