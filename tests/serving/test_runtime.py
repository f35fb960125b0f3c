"""Answers from bundles: order, batching, tagging offsets, damaged files, threads."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import TEXTS, bundle_of, make_model

from bertworks.errors import ArtifactError, DataError
from bertworks.runtime.agent import Agent
from bertworks.storage import artifacts
from bertworks.text import words


@pytest.fixture(scope="module")
def sequence(tmp_path_factory):
    root = tmp_path_factory.mktemp("sequence")
    model = make_model(root / "model", {"type": "classification"}, ["bad", "good", "so"])
    return Agent.from_model(model), Agent.load(bundle_of(model, root / "bundle"))


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    root = tmp_path_factory.mktemp("tagger")
    model = make_model(root / "model", {"type": "tagging"}, ["B-X", "I-X", "O"])
    return Agent.load(bundle_of(model, root / "bundle"))


def test_bundle_answers_as_the_model(sequence):
    model, bundle = sequence
    assert bundle.predict(TEXTS) == model.predict(TEXTS)


def test_answers_keep_the_order_whatever_the_batches(sequence):
    agent, _ = sequence
    rows = [TEXTS[index % len(TEXTS)] * (1 + index % 4) for index in range(50)]
    one_by_one = [agent.predict([row])[0] for row in rows]
    together = agent.predict(rows)
    assert [one["label"] for one in together] == [one["label"] for one in one_by_one]
    np.testing.assert_allclose(
        [one["score"] for one in together], [one["score"] for one in one_by_one], atol=1e-5
    )
    assert len({round(one["score"], 4) for one in together}) > 5


def test_scores_are_probabilities(sequence):
    answer = sequence[0].predict(["good film"])[0]
    assert set(answer) == {"label", "score", "scores", "truncated"}
    assert sum(answer["scores"].values()) == pytest.approx(1.0)
    assert answer["score"] == max(answer["scores"].values()) == answer["scores"][answer["label"]]


def test_no_rows_no_answers(sequence, tagger):
    assert sequence[0].predict([]) == []
    assert tagger.predict([]) == []


def test_empty_and_very_long_texts_are_answered(sequence):
    answers = sequence[0].predict(["", "good " * 500, "\x00"])
    assert [set(one) for one in answers] == [{"label", "score", "scores", "truncated"}] * 3
    assert [one["truncated"] for one in answers] == [False, True, False]


def test_threads_share_an_agent(sequence):
    agent = sequence[1]
    alone = [agent.predict([text]) for text in TEXTS]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: agent.predict([text]), TEXTS * 8)) == alone * 8


@pytest.mark.parametrize("row", [["a", "b"], 3, None, {"text": "a"}])
def test_rows_of_the_wrong_shape_are_refused(sequence, row):
    with pytest.raises(DataError, match="Row 2 must be a text. Received"):
        sequence[0].predict(["fine", row])


def test_pairs(tmp_path):
    model = make_model(tmp_path / "model", {"type": "classification", "pair": True}, ["no", "yes"])
    agent = Agent.from_model(model)
    answers = agent.predict([("good film", "bad film"), ["bad film", "good film"]])
    assert answers[0]["score"] != pytest.approx(answers[1]["score"], abs=1e-6)
    encoded = agent.encode([("good film", "bad")])
    assert encoded.types == [[0, 0, 0, 0, 1, 1]]
    with pytest.raises(DataError, match="two texts"):
        agent.predict(["one text"])


def test_regression_is_scaled_back(tmp_path):
    scale = {"mean": 10.0, "std": 4.0, "min": 0.0, "max": 20.0}
    agent = Agent.from_model(
        make_model(tmp_path / "model", {"type": "regression"}, [], score=scale)
    )
    raw = agent.predict_logits(agent.encode(TEXTS).ids)
    expected = [float(row[0]) * 4.0 + 10.0 for row in raw]
    assert [one["score"] for one in agent.predict(TEXTS)] == pytest.approx(expected)


def test_multi_label(tmp_path):
    task = {"type": "classification", "multi_label": True}
    agent = Agent.from_model(make_model(tmp_path / "model", task, ["x", "y"]))
    for answer in agent.predict(TEXTS):
        assert answer["labels"] == [name for name, p in answer["scores"].items() if p > 0.5]


def test_tagging_gives_offsets_into_the_text(tagger):
    text = "  good film, bad story."
    answer = tagger.predict([text])[0]
    assert answer["tokens"] == ["good", "film", ",", "bad", "story", "."]
    assert len(answer["tags"]) == len(answer["scores"]) == 6
    for entity in answer["entities"]:
        assert text[entity["start"] : entity["end"]] == entity["text"]


def test_tagging_of_word_lists_equals_that_of_the_text(tagger):
    from_text = tagger.predict(["good film , bad"])[0]
    from_words = tagger.predict([["good", "film", ",", "bad"]])[0]
    assert from_text == from_words


def test_words_behind_the_longest_row_are_marked(tagger):
    assert tagger.most_tokens > tagger.max_length  # read in windows
    words = tagger.most_tokens + 20
    answer = tagger.predict(["good " * words])[0]
    assert answer["truncated"] is True and len(answer["tags"]) == words
    assert answer["tags"][tagger.most_tokens - 2 :] == ["O"] * 22
    assert 0.0 not in answer["scores"][: tagger.most_tokens - 2]
    assert not tagger.predict(["good \x00"])[0]["truncated"]


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_words_stand_where_they_say_and_leave_out_only_space(text):
    placed = words.split(text)
    assert all(text[word.start : word.end] == word.text for word in placed)
    rest = text
    for word in reversed(placed):
        rest = rest[: word.start] + rest[word.end :]
    assert not rest.strip()


def test_words_of_several_scripts():
    assert [word.text for word in words.split("U.S. a.b co-op's 北京 Zürich.")] == [
        "U.S.", "a.b", "co-op's", "北", "京", "Zürich", ".",
    ]  # fmt: skip


def test_a_flipped_byte_is_noticed(tmp_path):
    model = make_model(tmp_path / "model", {"type": "classification"}, ["a", "b"])
    bundle = bundle_of(model, tmp_path / "bundle")
    graph = bundle / "model.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model\.onnx is damaged"):
        Agent.load(bundle)


def test_a_model_is_no_bundle_and_an_unknown_engine_is_named(tmp_path):
    model = make_model(tmp_path / "model", {"type": "classification"}, ["a", "b"])
    with pytest.raises(ArtifactError, match="'model', where 'bundle' is needed"):
        Agent.load(model)
    other = bundle_of(model, tmp_path / "bundle", engine={"name": "abacus", "file": "model.onnx"})
    with pytest.raises(ArtifactError, match="onnxruntime, openvino. Received: 'abacus'"):
        Agent.load(other)


def test_a_graph_that_the_engine_refuses(tmp_path):
    model = make_model(tmp_path / "model", {"type": "classification"}, ["a", "b"])
    bundle = bundle_of(model, tmp_path / "bundle", graph=b"not a graph")
    with pytest.raises(ArtifactError, match="onnxruntime cannot load"):
        Agent.load(bundle)


def test_loading_needs_no_training_library(tmp_path):
    import subprocess
    import sys

    model = make_model(tmp_path / "model", {"type": "classification"}, ["a", "b"])
    bundle = bundle_of(model, tmp_path / "bundle")
    code = (
        "import json, sys\n"
        "from bertworks.runtime.agent import Agent\n"
        f"print(len(Agent.load({str(bundle)!r}).predict(['good film'])))\n"
        "heavy = ['tensorflow', 'keras', 'transformers', 'torch', 'pandas', 'sklearn', 'onnx']\n"
        "print(json.dumps([name for name in heavy if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, loaded = done.stdout.split("\n")[:2]
    assert int(count) == 1 and json.loads(loaded) == []


@pytest.mark.parametrize("labels", [["bad"], ["bad", "good", "odd"]])
def test_labels_that_do_not_fit_the_graph_are_named(tmp_path, labels):
    model = make_model(tmp_path / "model", {"type": "classification"}, ["bad", "good"])
    bundle = bundle_of(model, tmp_path / "bundle")
    with artifacts.write(tmp_path / "changed", kind="bundle", producer="test") as folder:
        for file in bundle.iterdir():
            if file.name != "manifest.json":
                (folder / file.name).write_bytes(file.read_bytes())
        info = json.loads((folder / "agent.json").read_text()) | {"labels": labels}
        (folder / "agent.json").write_text(json.dumps(info))
    with pytest.raises(ArtifactError, match=f"names {len(labels)} outputs, its graph gives 2"):
        Agent.load(tmp_path / "changed")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"max_length": -1}, "agent.json cannot be read(.|\n)*max_length"),
        ({"max_length": 10**9}, "agent.json cannot be read(.|\n)*max_length"),
        ({"format": 99}, "its format is 99"),
        ({"labels": ["a", "a", "b"]}, "labels must be texts, none twice"),
        ({"labels": ["a", 1, "b"]}, "labels must be texts, none twice"),
        ({"task": {"type": "tagging", "max_length": 16}}, "says tagging"),
    ],
)
def test_an_agent_json_that_does_not_fit_is_named(tmp_path, changed, message):
    model = make_model(tmp_path / "model", {"type": "classification"}, ["bad", "good", "so"])
    bundle = artifacts.open_artifact(bundle_of(model, tmp_path / "bundle"), "bundle")
    with artifacts.write(tmp_path / "changed", kind="bundle", producer="quantize") as out:
        for name in ("model.onnx", "tokenizer.json"):
            (out / name).write_bytes((bundle / name).read_bytes())
        artifacts.write_json(out / "agent.json", {**bundle.json("agent.json"), **changed})
    with pytest.raises(ArtifactError, match=message):
        Agent.load(tmp_path / "changed")
