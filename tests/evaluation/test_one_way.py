"""What is scored is what is answered: the evaluation's numbers are those of rows asked one by one."""

import numpy as np
import pytest

from bertworks.compression.builders import BUILDERS, Source
from bertworks.contracts.files import to_json
from bertworks.evaluation import data
from bertworks.runtime import loading as predict
from bertworks.runtime.agent import Agent
from bertworks.runtime.inference import batches
from bertworks.storage import artifacts
from bertworks.storage.artifacts import open_artifact

TASKS = {
    "classes": {},
    "pairs": {"pair": True},
    "many": {"multi_label": True},
    "numbers": {"type": "regression"},
    "tags": {"type": "tagging"},
}


def bundle_of(given, root, name):
    """A bundle of one engine, calibrated on the training rows."""
    model = open_artifact(given.model, "model")
    source = Source.read(model)
    rows = data.read_split(open_artifact(given.tokens), "train", ["input_ids"])["input_ids"]
    kinds = [[0] * len(ids) for ids in rows] if source.pair else None
    with artifacts.write(root / name, kind="bundle", producer="test") as folder:
        engine = to_json(BUILDERS[name](source, batches(rows, kinds), folder))
        (folder / "tokenizer.json").write_bytes((model / "tokenizer.json").read_bytes())
        artifacts.write_json(folder / "agent.json", {**model.json("agent.json"), "engine": engine})
    return Agent.load(root / name)


@pytest.mark.parametrize("name", ["onnxruntime-int8", "openvino-int8"])
@pytest.mark.parametrize("task", TASKS)
def test_evaluated_as_asked_one_by_one(tiny, tmp_path, task, name):
    given = tiny(**TASKS[task])
    agent = bundle_of(given, tmp_path, name)
    rows = data.test_rows(given.task, open_artifact(given.examples), open_artifact(given.tokens))
    judged = predict.predict(agent, rows)
    texts = agent.form.rows(rows)
    assert len(texts) == len(judged) > 20
    for row, text in enumerate(texts):
        (answer,) = agent.predict([text])
        said = judged.named(judged.prediction, row)
        if task == "numbers":
            assert answer["score"] == pytest.approx(said, abs=1e-5)
        elif task == "tags":
            assert answer["tags"] == said
        elif task == "many":
            assert answer["labels"] == said
            np.testing.assert_allclose(
                list(answer["scores"].values()), judged.probabilities[row], atol=1e-5
            )
        else:
            assert answer["label"] == said
            assert answer["score"] == pytest.approx(
                float(judged.probabilities[row].max()), abs=1e-5
            )
