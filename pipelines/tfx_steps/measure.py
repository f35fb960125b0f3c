"""The metrics of `bertworks.evaluation` as a TFMA metric, so that the gate's number is the same."""

from __future__ import annotations

import json
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util

from bertworks.evaluation.measures import measure_of
from bertworks.evaluation.predictions import Predictions
from bertworks.spec import Task


class Measure(metric_types.Metric):
    """One of a task's metrics over the rows of a slice.

    Args:
        name: One of `bertworks.spec.TEST_METRICS`.
        task: The spec's task section.
    """

    def __init__(self, name: str, task: dict[str, Any]) -> None:
        super().__init__(
            metric_util.merge_per_key_computations(_computations), name=name, task=task
        )


metric_types.register_metric(Measure)


def _computations(
    name: str = "",
    task: dict[str, Any] | None = None,
    model_name: str = "",
    output_name: str = "",
    example_weighted: bool = False,
) -> list[Any]:
    key = metric_types.MetricKey(
        name=name,
        model_name=model_name,
        output_name=output_name,
        example_weighted=example_weighted,
    )
    combiner = _Gather(key, Task.model_validate(task))
    return [metric_types.MetricComputation(keys=[key], preprocessors=None, combiner=combiner)]


class _Gather(beam.CombineFn):
    """Keeps (truth, answer) of every row, since macro scores and correlations are no sums."""

    def __init__(self, key: Any, task: Task) -> None:
        self._key, self._task = key, task

    def create_accumulator(self) -> list[tuple[str, str]]:
        return []

    def add_input(self, accumulator: list[tuple[str, str]], element: Any) -> list[tuple[str, str]]:
        answers = element.get_predictions(model_name=self._key.model_name)
        accumulator.append((_text(element.get_labels()), _text(answers)))
        return accumulator

    def merge_accumulators(self, accumulators: Any) -> list[tuple[str, str]]:
        return [pair for accumulator in accumulators for pair in accumulator]

    def extract_output(self, accumulator: list[tuple[str, str]]) -> dict[Any, float]:
        if not accumulator:
            return {self._key: float("nan")}
        pairs = [(json.loads(truth), json.loads(answer)) for truth, answer in accumulator]
        measure = measure_of(predictions(self._task, pairs))
        values = measure(np.ones((1, len(pairs))))
        return {self._key: float(values[self._key.name][0])}


def predictions(task: Task, pairs: list[tuple[Any, dict[str, Any]]]) -> Predictions:
    """Truths and a server's answers in the shape that the metrics take."""
    truth, answers = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ids = [str(row) for row in range(len(pairs))]
    if task.type == "tagging":
        return Predictions(
            task,
            [],
            ids,
            truth,
            [one["tags"] for one in answers],
            [one["scores"] for one in answers],
        )
    if task.type == "regression":
        given = np.array([one["score"] for one in answers], float)
        return Predictions(task, [], ids, np.array(truth, float), given)
    labels = sorted({name for one in answers for name in one["scores"]} | _named(task, truth))
    place = {name: index for index, name in enumerate(labels)}
    chances = np.array([[one["scores"].get(name, 0.0) for name in labels] for one in answers])
    if not task.multi_label:
        return Predictions(
            task, labels, ids,
            np.array([place[one] for one in truth]),
            np.array([place[one["label"]] for one in answers]),
            chances,
        )  # fmt: skip
    return Predictions(
        task, labels, ids,
        _hot(truth, place), _hot([one["labels"] for one in answers], place), chances,
    )  # fmt: skip


def _named(task: Task, truth: list[Any]) -> set[str]:
    return {name for row in truth for name in row} if task.multi_label else set(truth)


def _hot(rows: list[list[str]], place: dict[str, int]) -> np.ndarray:
    found = np.zeros((len(rows), len(place)), dtype=np.int64)
    for row, names in enumerate(rows):
        found[row, [place[name] for name in names]] = 1
    return found


def _text(value: Any) -> str:
    return str(np.asarray(value, dtype=object).reshape(-1)[0])
