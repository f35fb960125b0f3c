"""Evaluator: TFMA on the bundle's own answers, from the text on, against the last blessed bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tfx import v1 as tfx
from tfx.components.evaluator import executor
from tfx.dsl.components.base import executor_spec

from bertworks.evaluation.data import Columns
from bertworks.runtime.loading import load_agent
from bertworks.spec import AgentSpec, Evaluate, Gates, Task
from bertworks.spec.task_kinds import lower_is_better
from bertworks.storage.artifacts import open_artifact
from bertworks.tasks import for_task, form_of
from pipelines.tfx.steps.kinds import SERVING
from pipelines.tfx.steps.rows import target_feature

CANDIDATE, BASELINE = "candidate", "baseline"
STRICTLY = 1e-9
"""TFMA's change threshold lets equal values pass: a challenger must be better."""

config = tfma.proto.config_pb2


class FreshExecutor(executor.Executor):
    """TFX's executor, except that a bundle is not compared with itself.

    When nothing changed, the last blessed bundle is the one at hand: it cannot be better than itself,
    and stays blessed.
    """

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
        baseline = input_dict.get("baseline_model")
        if baseline and _digest(baseline[0].uri) == _digest(input_dict["model"][0].uri):
            input_dict = {**input_dict, "baseline_model": []}
        super().Do(input_dict, output_dict, exec_properties)


class Evaluator(tfx.components.Evaluator):
    """TFX's Evaluator with that executor."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(FreshExecutor)


def _digest(uri: str) -> str:
    return open_artifact(Path(uri) / SERVING, verify=False).digest


def eval_config(spec: AgentSpec) -> Any:
    """What TFMA measures, by which slices, and the thresholds that bless.

    `gates.minimum` is the absolute threshold of the gates' metric; `gates.beat_champion` is the
    relative one: a strictly positive change against the last blessed bundle.
    """
    # A threshold that names no slice would be asked of every slice.
    overall = config.PerSliceMetricThreshold(
        slicing_specs=[config.SlicingSpec()], threshold=_threshold(spec.gates, spec.metric)
    )
    metrics = [
        config.MetricConfig(
            class_name="Measure",
            module="pipelines.tfx.steps.measure",
            config=json.dumps({"name": name, "task": spec.task.model_dump(mode="json")}),
            per_slice_thresholds=[overall] if name == spec.metric else [],
        )
        for name in spec.task.kind.metrics
    ]
    slices = [config.SlicingSpec()]
    slices += [
        config.SlicingSpec(feature_keys=[name]) for name in slice_keys(spec.task, spec.evaluate)
    ]
    return config.EvalConfig(
        model_specs=[
            config.ModelSpec(name=CANDIDATE, model_type=tfma.TF_GENERIC),
            config.ModelSpec(name=BASELINE, model_type=tfma.TF_GENERIC, is_baseline=True),
        ],
        slicing_specs=slices,
        metrics_specs=[config.MetricsSpec(metrics=metrics)],
    )


def slice_keys(task: Task, evaluate: Evaluate) -> list[str]:
    """The spec's slices; a number or a list of tags is no slice."""
    target = for_task(task).target
    no_label = target.numeric or target.many
    return [name for name in evaluate.slices if not (name == "label" and no_label)]


def _threshold(gates: Gates, metric: str) -> Any:
    lower = lower_is_better(metric)
    threshold = config.MetricThreshold()
    if gates.minimum is not None:
        bounds = threshold.value_threshold
        (bounds.upper_bound if lower else bounds.lower_bound).value = gates.minimum
    else:
        # Without any threshold TFX blesses nothing.
        threshold.value_threshold.lower_bound.value = float(np.finfo(np.float64).min)
    if gates.beat_champion:
        directions = config.MetricDirection
        change = threshold.change_threshold
        change.direction = directions.LOWER_IS_BETTER if lower else directions.HIGHER_IS_BETTER
        change.absolute.value = -STRICTLY if lower else STRICTLY
    return threshold


def custom_eval_shared_model(
    eval_saved_model_path: str, model_name: str, eval_config: Any, **_: Any
) -> Any:
    """What TFX calls for each model: the bundle, loaded by the runtime that serves it."""
    return tfma.default_eval_shared_model(
        eval_saved_model_path=eval_saved_model_path,
        model_name=model_name,
        eval_config=eval_config,
        custom_model_loader=tfma.ModelLoader(
            construct_fn=lambda: load_agent(open_artifact(eval_saved_model_path))
        ),
    )


def custom_extractors(
    eval_shared_model: Any, eval_config: Any, tensor_adapter_config: Any
) -> list[Any]:
    """What TFX calls for the way from rows to labels and answers."""
    models = tfma.utils.verify_and_update_eval_shared_models(eval_shared_model)
    keys = {key for slicing in eval_config.slicing_specs for key in slicing.feature_keys}
    answers = tfma.extractors.Extractor(
        stage_name="BertworksAnswers",
        ptransform=_Answers({one.model_name: one.model_loader for one in models}, sorted(keys)),
    )
    return [
        answers,
        tfma.extractors.UnbatchExtractor(),
        tfma.extractors.SliceKeyExtractor(eval_config=eval_config),
    ]


class _Answers(beam.PTransform):
    def __init__(self, loaders: dict[str, tfma.ModelLoader], slices: list[str]) -> None:
        super().__init__()
        self._loaders, self._slices = loaders, slices

    def expand(self, extracts: Any) -> Any:
        return extracts | "Answer" >> beam.ParDo(_Answer(self._loaders, self._slices))


@beam.typehints.with_input_types(tfma.Extracts)
@beam.typehints.with_output_types(tfma.Extracts)
class _Answer(tfma.utils.DoFnWithModels):
    """Adds labels, answers and slice columns: JSON of what the row says and of what a server says."""

    def __init__(self, loaders: dict[str, tfma.ModelLoader], slices: list[str]) -> None:
        super().__init__(loaders)
        self._slices = slices

    def process(self, element: Any) -> Iterator[Any]:
        agents = self._loaded_models
        task = next(iter(agents.values())).task
        batch = element[tfma.ARROW_RECORD_BATCH_KEY]
        rows = _columns(batch, task)
        # The rows were cleaned as the candidate cleans; a bundle of before may do it otherwise.
        cleaned = agents.get(CANDIDATE, next(iter(agents.values()))).clean
        answers = {
            name: _texts(
                [_plain(one) for one in agent.predict(agent.form.rows(rows), cleaned=cleaned)]
            )
            for name, agent in agents.items()
        }
        single = len(answers) == 1
        yield {
            tfma.LABELS_KEY: _texts(rows["truth"]),
            tfma.PREDICTIONS_KEY: next(iter(answers.values())) if single else answers,
            tfma.FEATURES_KEY: {
                name: np.array([[_slice(name, row)] for row in _lists(batch, name)], dtype=object)
                for name in self._slices
            },
        }


def _columns(batch: Any, task: Task) -> Columns:
    """Text and truth of an Arrow batch of tf.Examples."""
    found: Columns = {}
    form = form_of(task)
    for name in form.columns:
        words = _lists(batch, name)
        listed = form.pretokenized and name == form.columns[0]
        found[name] = words if listed else [row[0] if row else "" for row in words]
    truth = _lists(batch, target_feature(task))
    found["truth"] = truth if for_task(task).target.many else [row[0] for row in truth]
    return found


def _lists(batch: Any, name: str) -> list[list[Any]]:
    """A column as one list a row, bytes read as UTF-8."""
    return [
        [one.decode() if isinstance(one, bytes) else one for one in row or []]
        for row in batch.column(batch.schema.get_field_index(name)).to_pylist()
    ]


def _slice(name: str, row: list[Any]) -> str:
    """The slice of a row: lengths by powers of two, a list by its members."""
    if name == "length":
        low = 1 << (max(1, int(row[0])).bit_length() - 1)
        return f"{low} to {2 * low - 1}"
    return ", ".join(map(str, row)) or "(none)"


def _plain(answer: Mapping[str, object]) -> dict[str, object]:
    return {
        name: answer[name]
        for name in ("label", "labels", "intent", "intent_score", "tags", "score", "scores")
        if name in answer
    }


def _texts(values: list[Any]) -> Any:
    texts = [json.dumps(value, ensure_ascii=False) for value in values]
    return np.array([[text] for text in texts], dtype=object)
