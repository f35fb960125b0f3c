"""The benchmark of matching: agents on one small run's rows, the spec for STS-B, vectors in clusters."""

import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks import matching
from bertworks.spec import AgentSpec

sys.path[:0] = [str(Path(__file__).parent.parent / name) for name in ("conformance", "helpers")]

WORDS = ["film", "story", "plot", "cast", "paris", "night", "scene", "end"]


def asked(stream: random.Random) -> dict[str, str]:
    first, second = sorted(stream.sample(WORDS, 2))
    about = " ".join(stream.choices(["very", "the", "so"], k=stream.randint(1, 4)))
    return {"text": f"{about} {first} {second}", "document": f"so the {first} and {second} end"}


class Swapped:
    """Synonyms of one word."""

    def of(self, word):
        return ["tale"] if word == "story" else []


@pytest.mark.slow
def test_the_bundle_the_encoder_before_training_and_the_floor_answer_the_same_questions(
    tmp_path, monkeypatch
):
    from run_of import Case, Run

    run = Run(Case({"type": "matching"}, asked, None, {"epochs": 10}), tmp_path)
    places = {
        "examples": run.examples.path, "tokens": run.tokens.path, "model": run.model.path,
        "bundle": run.bundle.path, "base": run.examples.path.with_name("ingest-base"),
    }  # fmt: skip
    monkeypatch.setattr(matching.Synonyms, "fetched", Swapped)
    found = matching.asked(places, 1)
    rows = sum(run.examples.json("info.json")["rows"][split] for split in ("test",))
    assert found.questions["as asked"] == rows > found.questions["paraphrased"] > 0
    own = run.bundle_metrics.json("metrics.json")
    for entry in own:
        got = found.values["as asked", "bundle", entry["name"]]
        assert got == pytest.approx(entry["value"], abs=1e-6)
    for who in ("BM25", "untrained encoder"):
        gap, low, high = found.gaps["as asked", who, "mrr_at_10"]
        other = found.values["as asked", who, "mrr_at_10"]
        assert gap == pytest.approx(found.values["as asked", "bundle", "mrr_at_10"] - other)
        assert low <= gap <= high


def test_the_spec_for_sts_b_learns_from_pairs_that_people_found_alike(tmp_path):
    for split in ("train", "validation", "test"):
        pairs = [{"text_a": f"a {n}", "text_b": f"b {n}", "score": float(n)} for n in range(6)]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    (tmp_path / "work").mkdir()
    file = matching._stsb_spec(tmp_path, tmp_path / "work", "bge-small-en")
    spec = AgentSpec.model_validate(yaml.safe_load(file.read_text()))
    assert [one.split for one in spec.data.sources] == ["train", "validation", "test"]
    rows = [json.loads(line) for line in (tmp_path / "work/train.jsonl").open()]
    assert rows == [{"text": f"a {n}", "document": f"b {n}"} for n in (4, 5)]


def test_vectors_in_clusters_are_of_length_one_and_the_same_each_time():
    found = matching._clustered(300, 16, 1)
    assert np.allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    assert (found == matching._clustered(300, 16, 1)).all()
