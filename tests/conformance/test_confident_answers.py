"""A whole small run whose answers say how sure they are, from the sources to both protocols."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asgi import post
from run_of import Case, Row, Run

from bertworks.contracts.agent import AGENT
from bertworks.contracts.confidence import CONFIDENCE
from bertworks.contracts.decision import DECISION
from bertworks.contracts.examples import EXAMPLES
from bertworks.data.validation.profile.rows import SPLITS
from bertworks.evaluation.data import outside_rows, read_split
from bertworks.runtime.agent import Agent
from bertworks.runtime.loading import ask
from pipelines.cli.predictions import predict_stream

FIELDS = ["confident", "out_of_scope", "set"]
WORDS = {
    "cold": "snow ice frost winter",
    "hot": "sun sand desert summer",
    "wet": "rain sea lake pond",
}
OTHERS = "tax invoice ledger audit"


def row(stream: random.Random) -> Row:
    """A text of four words that say its label."""
    label = stream.choice(sorted(WORDS))
    words = stream.choices(WORDS[label].split(), k=4)
    return {"text": f"{' '.join(words)} {stream.randrange(1000)}", "label": label}


CASE = Case(
    {"type": "classification"},
    row,
    learns=0.9,
    more={
        "data": {
            "sources": [
                {"uri": "rows.jsonl"},
                {"uri": "others.jsonl", "out_of_scope": True, "columns": {"text": "query"}},
            ],
            "validation": 0.25,
            "test": 0.25,
        },
        "compress": {
            "prune": {
                "precision": "float32",
                "batch_size": 16,
                "learning_rate": 5e-3,
                "epochs": 1,
                "speedup": 1.1,
                "importance_rows": 16,
            },
            "quantize": {
                "candidates": ["onnxruntime-int8"],
                "max_drop": 1.0,
                "calibration_rows": 16,
            },
        },
        "confidence": {
            "abstain": {"coverage": 0.8},
            "conformal": 0.9,
        },
        "gates": {
            "beat_floor": False,
            "max_drop": 1.0,
            "min_coverage": 0.2,
            "max_calibration_error": 0.5,
            "min_out_of_scope_recall": 0.0,
        },
    },
)


class RunWithOthers(Run):
    """With texts that are of none of the labels, one of them twice and one that has a label."""

    def __init__(self, case: Case, folder: Path) -> None:
        stream = random.Random(3)
        texts = [" ".join(stream.choices(OTHERS.split(), k=5)) + f" {n}" for n in range(40)]
        labelled = case.row(random.Random(7))["text"]
        lines = [json.dumps({"query": text}) for text in [*texts, texts[0], labelled]]
        (folder / "others.jsonl").write_text("\n".join(lines))
        super().__init__(case, folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    yield RunWithOthers(CASE, tmp_path_factory.mktemp("confident"))


def test_texts_out_of_scope_are_kept_apart(run: Run) -> None:
    info = EXAMPLES.read(run.examples)
    assert info.read == 150 and sum(info.rows.values()) + (info.duplicates or 0) == 150
    outside = info.out_of_scope
    assert outside is not None
    assert (outside.rows, outside.duplicates, outside.labelled, outside.rejected) == (40, 1, 1, 0)
    texts = outside_rows(run.examples)["text"]
    assert len(texts) == 40
    known = {text for split in SPLITS for text in read_split(run.examples, split)["text"]}
    assert not known & set(texts)
    told = [one.text for one in run.results["ingest"].notices]
    assert any("their text has a label elsewhere" in text for text in told)
    assert run.results["ingest"].metrics["out_of_scope_rows"] == 40
    assert sum(len(read_split(run.tokens, split)["id"]) for split in SPLITS) == sum(
        info.rows.values()
    )
    corpus = run.examples.path.with_name("ingest-corpus")
    assert not any(word in text for text in read_split_corpus(corpus) for word in OTHERS.split())


def read_split_corpus(folder: Path) -> list[str]:
    import pyarrow.parquet as pq

    return [
        text
        for file in folder.glob("*.parquet")
        for text in pq.read_table(file)["text"].to_pylist()
    ]


def test_the_bundle_keeps_what_was_chosen_and_the_evaluation_says_what_it_comes_to(
    run: Run,
) -> None:
    known = AGENT.read(run.bundle).calibration
    assert known is not None and known.temperature != 1.0 and known.asked.out_of_scope == 0.05
    assert known.vector == 16 and (run.bundle / "scope.npy").is_file()
    assert known.rows == len(read_split(run.examples, "validation")["id"])
    found = CONFIDENCE.read(run.bundle_metrics)
    assert found.temperature == known.temperature and set(found.splits) == {"validation", "test"}
    validation, test = found.splits["validation"], found.splits["test"]
    assert validation.rows == known.rows
    assert validation.coverage is not None and validation.coverage >= 0.8
    assert validation.refused is not None and validation.refused <= 0.05
    assert validation.set_coverage is not None and validation.set_coverage >= 0.9
    assert test.curve[-1].coverage == 1.0 and test.curve[-1].accuracy == pytest.approx(
        test.accuracy
    )
    assert found.out_of_scope is not None and found.out_of_scope.rows == 40
    (source,) = found.out_of_scope.sources
    assert (source.uri, source.rows) == ("others.jsonl", 40)
    result = run.results["evaluate-bundle"]
    assert result.metrics["out_of_scope_recall"] == found.out_of_scope.recall
    assert result.metrics["calibration_error"] == pytest.approx(test.error)
    (told,) = [one.text for one in result.notices if one.text.startswith("calibration error")]
    assert "confident:" in told and "of the 40 texts" in told and "hold the true one" in told
    assert "How sure" in (run.bundle_metrics / "view.html").read_text("utf-8")
    assert "<h2>How sure</h2>" in run.report and "This part cannot be shown" not in run.report
    assert not (run.metrics / CONFIDENCE.name).exists()


def test_the_gates_judge_it(run: Run) -> None:
    rules = {rule.name: rule for rule in DECISION.read(run.decision).rules}
    assert {"min_coverage", "max_calibration_error", "min_out_of_scope_recall"} <= set(rules)
    assert all(rule.passed for rule in rules.values())


def test_labels_are_those_of_the_graph_itself(run: Run) -> None:
    test = read_split(run.examples, "test")
    test["truth"] = run.handler.truth(test, list(run.handler.labels))
    found = ask(run.agent, test, run.spec.data.clean)
    raw = np.stack(found.logits) * run.agent.info.temperature
    answers = run.agent.predict(test["text"], cleaned=run.spec.data.clean)
    labels = [run.handler.labels[place] for place in raw.argmax(axis=1)]
    assert [one["label"] for one in answers] == labels


def test_answers_carry_the_fields_everywhere(run: Run, tmp_path: Path) -> None:
    texts = [*read_split(run.examples, "test")["text"][:4], *outside_rows(run.examples)["text"][:4]]
    answers = run.agent.predict(texts)
    assert all(
        list(one)[-4:] == [*FIELDS, "truncated"] and one["label"] in one["set"] for one in answers
    )
    assert all(not one["confident"] for one in answers if one["out_of_scope"])
    # Alone as in company.
    assert [run.agent.predict([text])[0]["confident"] for text in texts] == [
        one["confident"] for one in answers
    ]
    plain = json.loads(json.dumps(answers))
    first = post(run.app, "/v1/models/one:predict", {"instances": texts})
    assert first.json()["predictions"] == plain
    assert second(run, texts)["confident"] == ("BOOL", [one["confident"] for one in plain])
    assert second(run, texts)["set"][1] == [json.dumps(one["set"]) for one in plain]
    only = second(run, texts, ["out_of_scope"])
    assert only == {"out_of_scope": ("BOOL", [one["out_of_scope"] for one in plain])}
    (tmp_path / "asked.txt").write_text("\n".join(texts))
    predict_stream(run.bundle.path, [], tmp_path / "asked.txt", tmp_path / "out.csv", "csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [one["confident"] for one in table] == [str(one["confident"]) for one in plain]
    assert [json.loads(one["set"]) for one in table] == [one["set"] for one in plain]


def second(run: Run, texts: list[str], only: list[str] | None = None) -> dict[str, Any]:
    """The outputs of a V2 answer: datatype and data by name."""
    body: dict[str, Any] = {
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}]
    }
    if only:
        body["outputs"] = [{"name": name} for name in only]
    found = post(run.app, "/v2/models/one/infer", body)
    assert found.status == 200, found.body
    return {one["name"]: (one["datatype"], one["data"]) for one in found.json()["outputs"]}


def test_a_bundle_that_was_asked_nothing_says_nothing(run: Run) -> None:
    calibration = run.agent.info.calibration
    assert calibration is not None
    bare = replace(calibration, confident_from=None, in_scope_from=None, set_from=None)
    info = replace(run.agent.info, calibration=bare)
    agent = Agent(info, run.agent._tokenizer, run.agent._runner._engine)
    (answer,) = agent.predict(["snow ice"])
    assert list(answer) == ["label", "score", "scores", "truncated"]
