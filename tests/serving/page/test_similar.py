"""Training rows that are like a text: kept where the spec asks, found by shared tokens."""

import json

import pytest
from tiny_model import MAX_LENGTH, bundle_of, make_model, make_tokens

from bertworks.contracts.shown import SHOWN, ShownExample
from bertworks.errors import ArtifactError, DataError
from bertworks.runtime.agent import Agent
from bertworks.serving.page.similar import Similar
from bertworks.spec import Quantize, Task
from bertworks.storage.artifacts import write
from components.quantize.shown import shown_examples
from tests.helpers.steps import quantize

SINGLE, TAGS = {"type": "classification"}, {"type": "tagging"}
PAIR = {**SINGLE, "pair": True}
SERVE = {"page": {"examples": 3}}


@pytest.fixture
def agent_of(tmp_path):
    def make(task):
        labels = ["O", "B-X"] if task == TAGS else ["a", "b"]
        return Agent.load(bundle_of(make_model(tmp_path / "m", task, labels), tmp_path / "b"))

    return make


def test_rows_that_share_rare_words_come_first(agent_of):
    rows = ["the good film", "the bad story", "the very good plot", "so so"]
    found = Similar(agent_of(SINGLE), [ShownExample([row], "x") for row in rows])
    assert len(found) == 4
    like = found.like("the plot")
    assert [one.text for one in like][:1] == ["the very good plot"]
    assert "so so" not in [one.text for one in like]
    assert all(0 < one.similarity <= 1 for one in like)
    assert found.like("the good film")[0].similarity == pytest.approx(1)
    assert found.like("b") == []
    assert len(found.like("the", most=2)) == 2


def test_pairs_and_words(agent_of, tmp_path):
    found = Similar(agent_of(PAIR), [ShownExample(["good film", "bad story"], "same")])
    (one,) = found.like(("good", "plot"))
    assert (one.text, one.label) == ("good film / bad story", "same")


def test_words(agent_of):
    found = Similar(agent_of(TAGS), [ShownExample(["good", "film"], "film (X)")])
    assert found.like("good story")[0].text == "good film"
    assert found.like(["film"])[0].label == "film (X)"


def test_a_bundle_without_rows_has_none_and_a_damaged_file_is_told(agent_of, tmp_path):
    agent = agent_of(SINGLE)
    assert Similar.of_bundle(agent, tmp_path) is None
    SHOWN.write(tmp_path, [ShownExample(["good film"], "a")])
    kept = Similar.of_bundle(agent, tmp_path)
    assert kept is not None and kept.like("film")[0].label == "a"
    (tmp_path / SHOWN.name).write_text("{}")
    with pytest.raises(ArtifactError, match=r"examples\.json cannot be read"):
        Similar.of_bundle(agent, tmp_path)


@pytest.mark.parametrize(
    ("task", "columns", "texts", "truth"),
    [
        (SINGLE, {"text": ["t"], "label": ["good"]}, ["t"], "good"),
        (PAIR, {"text_a": ["t"], "text_b": ["u"], "label": ["good"]}, ["t", "u"], "good"),
        ({**SINGLE, "multi_label": True}, {"text": ["t"], "labels": [["a", "b"]]}, ["t"], "a, b"),
        ({**SINGLE, "multi_label": True}, {"text": ["t"], "labels": [[]]}, ["t"], "no label"),
        ({"type": "regression"}, {"text": ["t"], "score": [2.5]}, ["t"], "2.5"),
        (TAGS, {"tokens": [["a", "b", "c"]], "tags": [["O", "B-X", "I-X"]]}, ["a", "b", "c"], "b c (X)"),
        (TAGS, {"tokens": [["a"]], "tags": [["O"]]}, ["a"], "no entity"),
    ],
)  # fmt: skip
def test_rows_of_every_task_are_kept_as_a_person_reads_them(tmp_path, task, columns, texts, truth):
    place = examples_of(tmp_path, columns)
    (one,) = shown_examples(Task.model_validate(task), SERVE, place, seed=1)
    assert (one.texts, one.truth) == (texts, truth)


def test_none_are_kept_unless_asked_for(tmp_path):
    place = examples_of(tmp_path, {"text": list("abcdef"), "label": ["x"] * 6})
    assert shown_examples(Task(), {}, place, seed=1) == []
    assert shown_examples(Task(), {"page": {"examples": 0}}, None, seed=1) == []
    kept = shown_examples(Task(), SERVE, place, seed=1)
    assert len(kept) == 3 and kept == shown_examples(Task(), SERVE, place, seed=1)
    with pytest.raises(DataError, match="asks for 3 training rows"):
        shown_examples(Task(), SERVE, None, seed=1)


def examples_of(folder, columns):
    import pyarrow as pa
    import pyarrow.parquet as pq

    with write(folder / "examples", kind="examples", producer="ingest") as out:
        (out / "train").mkdir()
        pq.write_table(pa.table(columns), out / "train" / "part-00000.parquet")
        (out / "info.json").write_text(json.dumps({}))
    return folder / "examples"


def test_the_bundle_that_is_made_keeps_them(tmp_path):
    make_model(tmp_path / "model", SINGLE, ["a", "b"])
    make_tokens(tmp_path / "tokens", SINGLE, ["a", "b"])
    rows = {"text": ["good film", "bad story", "so so", "the plot"], "label": list("abab")}
    task = Task.model_validate({"max_length": MAX_LENGTH, **SINGLE})
    settings = Quantize(candidates=["onnxruntime-fp32"], measure_rows=16, calibration_rows=16)
    quantize(
        {"task": task.model_dump(mode="json"), "quantize": settings.model_dump(mode="json"),
         "serve": SERVE},
        model=tmp_path / "model", tokens=tmp_path / "tokens", bundle=tmp_path / "bundle",
        examples=examples_of(tmp_path, rows),
    )  # fmt: skip
    agent = Agent.load(tmp_path / "bundle")
    kept = Similar.of_bundle(agent, tmp_path / "bundle")
    assert kept is not None and len(kept) == 3
