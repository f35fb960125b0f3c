"""What every task must do. A new one inherits the tests by one line:

class TestMine(TaskConformance): case = Case({"type": "mine"}, row=my_row, learns=0.9)
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest
from asgi import post
from run_of import ROWS, Case, Run

from bertworks.batch.texts import Form, read
from bertworks.compression.candidates import table
from bertworks.contracts.metrics import METRICS, value_of
from bertworks.data.validation.profile.rows import SPLITS
from bertworks.errors import SpecError
from bertworks.evaluation.data import labelled_rows, read_split
from bertworks.evaluation.gating.champion import champion_predictions
from bertworks.evaluation.gating.drops import Drop
from bertworks.evaluation.gating.gates import against_champion
from bertworks.evaluation.measures import measure_of
from bertworks.evaluation.predictions import load, save
from bertworks.evaluation.tokenized import answers_on_tokens
from bertworks.models.layout import all_shapes
from bertworks.models.weights import load_folder
from bertworks.retraining.rows import read_keys
from bertworks.spec import metrics_of, task_metric
from bertworks.spec import task_kinds as spec_tasks
from bertworks.tasks.predictions import Predictions
from bertworks.text.encode import encode
from bertworks.text.tokenizer import Tokenizer
from bertworks.training.rows import read_rows, with_company
from pipelines.cli.hints import question

STEPS = ("finetune", "evaluate", "evaluate-bundle", "prune", "quantize", "gate")


class TaskConformance:
    """The suite; a subclass says which case."""

    case: ClassVar[Case]

    @pytest.fixture(scope="class")
    def run(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
        yield Run(self.case, tmp_path_factory.mktemp("run"))

    # What it declares

    def test_a_spec_knows_the_task_and_its_metrics(self, run: Run) -> None:
        task, kind = run.spec.task, run.spec.task.kind
        assert spec_tasks.kinds()[kind.name] is kind and kind.type in spec_tasks.types()
        assert task_metric(task) == kind.metric and metrics_of(task) == kind.metrics
        assert task.form in (*kind.forms, "pair") and len(set(kind.metrics)) == len(kind.metrics)
        for metric in kind.metrics:
            settings = run.settings(f"gates.metric={metric}")
            assert {settings[step]["metric"] for step in STEPS} == {metric}
        with pytest.raises(SpecError) as refused:
            run.settings("gates.metric=no_such")
        assert all(metric in str(refused.value) for metric in kind.metrics)

    # Data

    def test_rows_come_through_ingest_and_back(self, run: Run) -> None:
        handler, info = run.handler, run.examples.json("info.json")
        assert info["read"] == ROWS and not info["rejected"]
        target = handler.target
        columns = {"id", *handler.form.columns, target.column, "source"}
        stored: list[Any] = []
        for split in SPLITS:
            assert info["rows"][split]
            for file in (run.examples / split).glob("*.parquet"):
                assert columns == set(pq.read_schema(file).names)
            stored += read_split(run.examples, split)[target.column]
        assert set(info["labels"]) == {name for row in stored for name in target.names(row)}
        assert bool(info["labels"]) == target.has_labels
        truth = target.indexes(stored, handler.labels)
        assert [target.named(truth, row, handler.labels) for row in range(len(stored))] == stored
        labels = {row: key.labels for row, key in read_keys(run.examples, run.spec.task).items()}
        ids = [name for split in SPLITS for name in read_split(run.examples, split)["id"]]
        assert [set(labels[name]) for name in ids] == [set(target.names(row)) for row in stored]

    def test_rows_that_do_not_agree_are_settled(self, run: Run) -> None:
        target = run.handler.target
        rows = read_split(run.examples, "train")
        values = [rows[target.column][row] for row in range(3)]
        twice = [{target.column: values[0]}] * 3 + [{target.column: values[1]}]
        settled = target.settled(twice, "median" if target.numeric else "majority")
        assert settled == values[0]

    def test_validate_sees_what_there_is_to_tell_apart(self, run: Run) -> None:
        checks = {one["name"]: one for one in run.statistics.json("checks.json")}
        assert checks["single_class"]["passed"] and checks["single_class"]["value"] >= 1
        if not run.handler.target.has_labels:
            assert checks["label_balance"]["message"].endswith("has no labels")
        else:
            assert "has the smallest share" in checks["label_balance"]["message"]

    def test_tokens_are_what_serving_reads(self, run: Run) -> None:
        handler, info = run.handler, run.tokens.json("info.json")
        target = handler.target
        assert info["labels"] == target.ordered(run.examples.json("info.json")["labels"])
        assert (info["score"] is not None) == target.numeric
        rows = read_rows(run.tokens / "train", target.learned)
        batch, count = target.batch(rows.targets, np.arange(4))
        assert len(batch) == 4 and count > 0 and batch.dtype in (np.int32, np.float32)
        assert (rows.type_ids is not None) == handler.form.two_texts
        test = read_split(run.examples, "test")
        theirs = dict(
            zip(*(read_split(run.tokens, "test")[n] for n in ("id", "input_ids")), strict=True)
        )
        encoded = run.agent.encode(handler.form.rows(test), cleaned=run.spec.data.clean)
        assert [theirs[name] for name in test["id"]] == [list(ids) for ids in encoded.ids]

    # Training

    def test_it_learns(self, run: Run) -> None:
        assert run.model.kind == "model"
        value = run.results["finetune"].metrics[f"validation_{run.spec.metric}"]
        if self.case.learns is None:
            assert math.isfinite(value)
            return
        better = spec_tasks.lower_is_better(run.spec.metric)
        assert value <= self.case.learns if better else value >= self.case.learns

    # Scores

    def answers(self, run: Run) -> Predictions:
        return load(run.metrics / "predictions.parquet", run.spec.task, list(run.handler.labels))

    def test_every_metric_is_measured_in_one_way(self, run: Run) -> None:
        answers, kind = self.answers(run), run.spec.task.kind
        one = np.ones((1, len(answers)))
        found = measure_of(answers)(one)
        assert set(found) == set(kind.metrics)
        listed = {entry["name"]: entry for entry in run.metrics.json("metrics.json")}
        assert set(listed) <= set(kind.metrics) and kind.metric in listed
        for name, entry in listed.items():
            assert entry["value"] == pytest.approx(float(found[name][0]), abs=1e-9)
        # Nothing is better than the truth itself.
        perfect = Predictions(
            answers.task, answers.labels, answers.ids, answers.truth, answers.truth
        )
        for name, values in measure_of(perfect)(one).items():
            assert not run.handler.is_better(name, float(found[name][0]), float(values[0])), name

    def test_training_judges_as_the_evaluation_does(self, run: Run) -> None:
        handler = run.handler
        alone = read_rows(run.tokens / "test", handler.target.learned)
        rows = with_company(alone, run.tokens, everything=True)
        types = None if rows.type_ids is None else list(rows.type_ids)
        logits = run.agent.predict_logits(list(rows.input_ids), types)
        ours = answers_on_tokens(handler, rows.truth, logits, rows.ids)
        theirs = load(run.bundle_metrics / "predictions.parquet", ours.task, ours.labels)
        place = {name: row for row, name in enumerate(ours.ids)}
        ours = ours.take(np.array([place[name] for name in theirs.ids]))
        one = np.ones((1, len(ours)))
        for name, values in measure_of(theirs)(one).items():
            mine = float(measure_of(ours)(one)[name][0])
            assert mine == pytest.approx(float(values[0]), abs=1e-5, nan_ok=True), name
            asked = handler.metric(name, rows.truth, logits)
            assert asked == pytest.approx(np.nan_to_num(mine), abs=1e-5), name
        with pytest.raises(SpecError, match=r"must be one of"):
            handler.metric("no_such", rows.truth, logits)

    def test_the_evaluation_holds_what_the_contract_says(self, run: Run) -> None:
        found, result = run.metrics, run.results["evaluate"]
        assert found.metadata["metric"] == run.spec.metric == run.spec.task.kind.metric
        assert found.metadata["value"] == result.metrics[found.metadata["metric"]]
        assert set(found.parents) == {"agent", "examples", "tokens"}
        count = len(read_split(run.examples, "test")["id"])
        entries = found.json("metrics.json")
        assert all(set(one) == {"name", "value", "low", "high", "slice", "rows"} for one in entries)
        assert all(one["rows"] == count for one in entries)
        floor = {one["name"] for one in found.json("floor.json")}
        assert floor and floor <= set(run.spec.task.kind.metrics)
        answers = self.answers(run)
        assert answers.ids == sorted(answers.ids) and len(answers) == count
        for error in found.json("errors.json"):
            assert set(error) - {"spans"} == {"id", "text", "truth", "prediction", "score"}
            assert error["truth"] != error["prediction"] and error["score"] > 0
        html = (found / result.html).read_text()
        assert "<script" not in html and "http" not in html.replace("http://www.w3.org", "")

    def test_answers_survive_their_file(self, run: Run, tmp_path: Path) -> None:
        answers = self.answers(run)
        save(tmp_path / "again.parquet", answers)
        again = load(tmp_path / "again.parquet", answers.task, answers.labels)
        for row in range(len(answers)):
            assert again.named(again.truth, row) == answers.named(answers.truth, row)
            assert again.named(again.prediction, row) == answers.named(answers.prediction, row)
        assert again.confidence() == pytest.approx(answers.confidence(), nan_ok=True)
        scores = answers.handler.scores
        wrong = [
            not scores.agree(
                answers.named(answers.truth, row), answers.named(answers.prediction, row)
            )
            for row in range(len(answers))
        ]
        assert (answers.handler.scores.badness(answers) > 0).tolist() == wrong

    def test_means_of_slices_are_metrics(self, run: Run) -> None:
        answers = self.answers(run)
        scores, overall = answers.handler.scores, measure_of(answers)(np.ones((1, len(answers))))
        means = {
            mean.name: float(np.average(mean.values, weights=mean.weights))
            for mean in scores.means(answers)
            if mean.weights.any()
        }
        named = scores.of_means(means)
        shared = set(named) & set(overall)
        assert shared
        for name in shared:
            assert named[name] == pytest.approx(float(overall[name][0])), name
        slices = scores.label_slices(answers)
        assert slices is None or len(slices) == len(answers)

    # Compression

    def test_a_narrower_model_is_the_same_task(self, run: Run) -> None:
        config, weights, _ = load_folder(run.pruned.path)
        head = run.handler.head()
        assert {name: array.shape for name, array in weights.items()} == all_shapes(config, head)
        assert sum(config.num_heads) < 4 or sum(config.intermediate_sizes) < 64
        scores = run.results["prune"].metrics
        for stage in ("_teacher", "_before_distillation", ""):
            assert math.isfinite(scores[f"validation_{run.spec.metric}{stage}"])
        agent, before = (one.json("agent.json") for one in (run.pruned, run.model))
        assert (agent["task"], agent["labels"]) == (before["task"], before["labels"])

    def test_the_bundle_holds_what_the_contract_says(self, run: Run) -> None:
        agent, model = run.bundle.json("agent.json"), run.model.json("agent.json")
        for name in ("format", "task", "labels", "max_length", "score", "base"):
            assert agent[name] == model[name]
        chosen = [one for one in table(run.bundle) if one.chosen]
        assert len(chosen) == 1 and chosen[0].drop.metric == run.spec.metric
        assert (run.bundle / agent["engine"]["file"]).is_file()

    def test_the_gate_goes_by_the_runs_metric(self, run: Run) -> None:
        decision = run.decision.json("decision.json")
        assert decision["passed"] and decision["metric"] == run.spec.metric
        value = value_of(METRICS.read(run.bundle_metrics), run.spec.metric)
        assert decision["challenger"] == value

    def test_a_drop_between_two_models_is_told(self, run: Run) -> None:
        ours = load(
            run.bundle_metrics / "predictions.parquet", run.spec.task, self.answers(run).labels
        )
        drop = Drop.between(ours, self.answers(run), run.spec.metric, 0.95)
        assert math.isfinite(drop.value) and run.spec.metric in str(drop)
        assert (drop.changed is None) == run.handler.target.numeric

    # Serving

    def served(self, run: Run) -> tuple[list[Any], list[dict[str, Any]]]:
        test = read_split(run.examples, "test")
        rows = run.handler.form.rows(test)[:5]
        return rows, run.agent.predict(rows)

    def test_v1_answers_as_the_agent_does(self, run: Run) -> None:
        rows, answers = self.served(run)
        asked = [list(row) if isinstance(row, tuple) else row for row in rows]
        found = post(run.app, "/v1/models/one:predict", {"instances": asked})
        assert found.status == 200, found.body
        assert found.json()["predictions"] == json.loads(json.dumps(answers))
        columns = run.handler.form.columns
        named = [
            dict(zip(columns, [row] if len(columns) == 1 else row, strict=True)) for row in asked
        ]
        found = post(run.app, "/v1/models/one:predict", {"instances": named})
        assert found.json()["predictions"] == json.loads(json.dumps(answers))
        for wrong in ({"instances": [7]}, {"instances": [{"nothing": "x"}]}):
            refused = post(run.app, "/v1/models/one:predict", wrong)
            assert 400 <= refused.status < 500

    def test_v2_answers_as_the_agent_does(self, run: Run) -> None:
        form = run.handler.form
        test = read_split(run.examples, "test")
        texts = list(zip(*(test[name][:5] for name in form.columns), strict=True))
        plain = [[t if isinstance(t, str) else " ".join(t) for t in row] for row in texts]
        inputs = [
            {"name": name, "datatype": "BYTES", "shape": [5], "data": [row[place] for row in plain]}
            for place, name in enumerate(form.inputs)
        ]
        found = post(run.app, "/v2/models/one/infer", {"inputs": inputs})
        assert found.status == 200, found.body
        outputs = {one["name"]: one for one in found.json()["outputs"]}
        kinds = [(one["name"], one["datatype"]) for one in outputs.values()]
        assert kinds == [("prediction", "BYTES"), *run.handler.tensors, ("truncated", "BOOL")]
        rows = [tuple(row) if len(row) > 1 else row[0] for row in plain]
        answers = json.loads(json.dumps(run.agent.predict(rows)))
        assert [json.loads(one) for one in outputs["prediction"]["data"]] == answers
        for name, _ in run.handler.tensors:
            assert outputs[name]["data"] == [answer[name] for answer in answers]

    def test_files_to_predict_for_are_read(self, run: Run, tmp_path: Path) -> None:
        form = Form.of(run.agent)
        test = read_split(run.examples, "test")
        names = run.handler.form.columns
        lines = [
            json.dumps(dict(zip(names, row, strict=True)))
            for row in zip(*(test[name] for name in names), strict=True)
        ]
        (tmp_path / "asked.jsonl").write_text("\n".join(lines))
        rows = [one.row for one in read([], tmp_path / "asked.jsonl", form)]
        assert rows == run.handler.form.rows(test)
        assert all(run.handler.form.accepts(row) for row in rows)
        assert len(run.agent.predict([run.handler.form.sample])) == 1
        assert question(run.spec.task.model_dump(), run.examples.path)

    def test_a_servers_answers_score_as_the_evaluation_does(self, run: Run) -> None:
        test, target = read_split(run.examples, "test"), run.handler.target
        asked = run.agent.predict(run.handler.form.rows(test), cleaned=run.spec.data.clean)
        ours = run.handler.of_answers(test[target.column], asked)
        found = measure_of(ours)(np.ones((1, len(ours))))
        for entry in run.bundle_metrics.json("metrics.json"):
            assert float(found[entry["name"]][0]) == pytest.approx(entry["value"], abs=1e-5)

    # Retraining

    def test_a_champion_is_asked_for_the_rows_of_a_challenger(self, run: Run) -> None:
        labels = list(run.handler.labels)
        more = [] if not run.handler.target.has_labels else [*labels, "zz-new"]
        theirs = champion_predictions(run.bundle, run.examples, run.spec.task, more)
        ours = load(run.bundle_metrics / "predictions.parquet", run.spec.task, more)
        gap = against_champion(ours, theirs, run.spec.metric, seed=1)
        assert gap.value == pytest.approx(0.0, abs=1e-9)
        rows = labelled_rows(run.spec.task, run.examples, labels)
        assert len(rows["truth"]) == len(theirs)

    # The report

    def test_the_report_explains_it(self, run: Run) -> None:
        assert "This part cannot be shown" not in run.report
        for title in ("Scores", "Sample predictions", "Data", "Compression", "Learning curves"):
            assert f"<h2>{title}</h2>" in run.report
        assert f"<h3>{run.handler.target.title}" in run.report
        assert run.spec.metric.replace("_", " ") in run.report.lower()
        if run.metrics.json("confusion.json") is not None:
            assert "<h2>Confusion matrix</h2>" in run.report

    def test_encoding_is_the_same_in_every_batch(self, run: Run) -> None:
        (file,) = (run.examples / "train").glob("*.parquet")
        (batch,) = pq.read_table(file).combine_chunks().to_batches()
        tokenizer = Tokenizer.load(run.tokens.path)
        whole, counts = encode(run.spec.task, tokenizer, batch)
        one, _ = encode(run.spec.task, tokenizer, batch.slice(3, 1))
        assert one.to_pylist() == whole.slice(3, 1).to_pylist()
        assert counts["rows"] == len(batch)
        assert bool(counts["label_values"]) != run.handler.target.numeric
