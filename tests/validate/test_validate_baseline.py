"""Schema and drift against an earlier run."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2

from bertworks.data.validation.profile.summary import divergence
from bertworks.errors import ArtifactError
from bertworks.spec import Task


@pytest.fixture
def data(make_reviews, make_splits):
    return lambda start=0, count=300, **more: make_splits(make_reviews(count, start, **more))


def anomalies(outcome):
    text = (outcome.path / "anomalies.pbtxt").read_text(encoding="utf-8")
    return text_format.Parse(text, anomalies_pb2.Anomalies())


def kinds(outcome):
    return {
        name: [anomalies_pb2.AnomalyInfo.Type.Name(reason.type) for reason in info.reason]
        for name, info in anomalies(outcome).anomaly_info.items()
    }


def test_like_data_meet_the_baseline(bench, data):
    first = bench.run(data())
    assert first.checks["drift"]["value"] is None and kinds(first) == {}
    second = bench.run(data(start=1000), settings={"baseline": str(first.path)})
    assert second.failed() == []
    assert second.checks["drift"]["value"] < 0.05
    assert (second.path / "schema.pbtxt").read_bytes() == (first.path / "schema.pbtxt").read_bytes()


def test_a_new_label_is_an_anomaly_with_its_rows(bench, data):
    first = bench.run(data())
    changed = data(start=1000)
    changed["train"][6]["label"] = changed["train"][8]["label"] = "mixed"
    outcome = bench.run(changed, settings={"baseline": str(first.path)})
    assert kinds(outcome) == {"label": ["ENUM_TYPE_UNEXPECTED_STRING_VALUES"]}
    check = outcome.checks["schema_anomalies"]
    assert check["rows"] == ["tr00000000000006", "tr00000000000008"]
    assert "'mixed' in train" in check["message"]
    assert "tr00000000000006" in outcome.error.message


def test_columns_that_come_go_or_change_type(bench, data):
    first = bench.run(data())
    changed = data()
    for rows in changed.values():
        for number, row in enumerate(rows):
            row["extra"] = "x"
            row["source"] = number
    outcome = bench.run(changed, settings={"baseline": str(first.path)})
    assert kinds(outcome) == {"extra": ["SCHEMA_NEW_COLUMN"], "source": ["UNEXPECTED_DATA_TYPE"]}
    gone = {split: [{"text": r["text"], "label": r["label"]} for r in rows]
            for split, rows in data().items()}  # fmt: skip
    outcome = bench.run(gone, settings={"baseline": str(first.path)})
    assert kinds(outcome) == {"source": ["SCHEMA_MISSING_COLUMN"]}
    assert "train" in outcome.error.message


def test_missing_values_are_an_anomaly(bench, data):
    first = bench.run(data())
    changed = data()
    changed["train"][0]["source"] = None
    outcome = bench.run(changed, settings={"baseline": str(first.path)})
    assert kinds(outcome) == {"source": ["FEATURE_TYPE_LOW_FRACTION_PRESENT"]}


def test_lengths_may_grow_twofold_but_not_tenfold(bench, data, make_sentence):
    first = bench.run(data())
    changed = data()
    changed["train"][2]["text"] = make_sentence(7777, 24)
    assert bench.run(changed, settings={"baseline": str(first.path)}).failed() == []
    changed["train"][2]["text"] = make_sentence(7777, 120)
    outcome = bench.run(changed, settings={"baseline": str(first.path)})
    assert kinds(outcome)["row.words"] == ["INT_TYPE_BIG_INT"]
    assert outcome.checks["schema_anomalies"]["rows"][0] == "tr00000000000002"


def test_splits_of_one_run_must_have_the_same_columns(bench, data):
    changed = data()
    for row in changed["test"]:
        del row["source"]
    assert kinds(bench.run(changed)) == {"source": ["SCHEMA_MISSING_COLUMN"]}


def test_a_scratch_base_against_a_baseline_with_tokens(bench, data):
    first = bench.run(data())
    assert bench.run(data(), settings={"baseline": str(first.path)}, scratch=True).failed() == []
    scratch = bench.run(data(), scratch=True)
    assert bench.run(data(), settings={"baseline": str(scratch.path)}).failed() == []


def test_drift_of_labels_length_and_vocabulary(bench, data, make_sentence):
    first = bench.run(data())
    settings = {"baseline": str(first.path)}
    skewed = data(start=1000)
    for row in [*skewed["train"][4:], *skewed["validation"], *skewed["test"]]:
        row["label"] = "pos"
    labels = bench.run(skewed, settings=settings).checks["drift"]
    assert "labels 0.2" in labels["message"] and not labels["passed"]
    longer = data(start=1000)
    for number, row in enumerate(longer["train"]):
        row["text"] = make_sentence(5000 + number, 24)
    assert "length 0.6" in bench.run(longer, settings=settings).checks["drift"]["message"]
    foreign = data(start=1000)
    for number, row in enumerate(foreign["train"]):
        row["text"] = " ".join(f"word{(number * 13 + n) % 97}" for n in range(12))
    check = bench.run(foreign, settings=settings).checks["drift"]
    assert check["value"] > 0.5 and "more often: word" in check["message"]


def test_drift_of_scores(bench, make_sentence):
    task = Task(type="regression")
    rows = [{"text": make_sentence(n), "score": n % 50 / 10} for n in range(200)]
    first = bench.run({"train": rows}, task)
    settings = {"baseline": str(first.path)}
    assert bench.run({"train": rows}, task, settings).checks["drift"]["value"] < 0.01
    moved = [{**row, "score": row["score"] + 4} for row in rows]
    assert not bench.run({"train": moved}, task, settings).checks["drift"]["passed"]


def test_a_baseline_of_another_kind_is_refused(bench, data):
    with pytest.raises(ArtifactError, match="statistics"):
        bench.run(data(), settings={"baseline": str(bench.base())})
    with pytest.raises(ArtifactError, match="not an artifact"):
        bench.run(data(), settings={"baseline": str(bench.root / "nowhere")})


def test_divergence_is_that_of_lin_less_chance():
    assert divergence([5, 5], [5, 5]) == 0
    assert divergence([10**9, 0], [0, 10**9]) == pytest.approx(1.0)
    assert divergence([], []) == divergence([0, 0], [1, 2]) == 0
    # By hand for (3/4, 1/4) and (1/4, 3/4): 1 - H(1/4) bits.
    million = 10**6
    assert divergence([3 * million, million], [million, 3 * million]) == pytest.approx(
        1 - 0.811278, abs=1e-5
    )


def test_small_samples_of_one_distribution_do_not_drift():
    generator = np.random.default_rng(3)
    shares = 1 / np.arange(1, 1025)
    shares /= shares.sum()
    first, second = (generator.multinomial(3000, shares).tolist() for _ in range(2))
    assert divergence(first, second) < 0.02
    large, small = generator.multinomial(2 * 10**9, shares), generator.multinomial(50, shares)
    assert divergence(large.tolist(), small.tolist()) < 0.1
