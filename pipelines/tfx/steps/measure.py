"""The metrics of `bertworks.evaluation` as a TFMA metric, so that the gate's number is the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util

from bertworks.evaluation.measures import measure_of
from bertworks.spec import Task
from bertworks.tasks import for_task


class Measure(metric_types.Metric):
    """One of a task's metrics over the rows of a slice.

    Args:
        name: One of the metrics that the task declares.
        task: The spec's task section.
    """

    def __init__(self, name: str, task: Mapping[str, object]) -> None:
        super().__init__(
            metric_util.merge_per_key_computations(_computations), name=name, task=task
        )


metric_types.register_metric(Measure)


def _computations(
    name: str = "",
    task: Mapping[str, object] | None = None,
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
        truth, answers = ([pair[side] for pair in pairs] for side in (0, 1))
        measure = measure_of(for_task(self._task).of_answers(truth, answers))
        values = measure(np.ones((1, len(pairs))))
        return {self._key: float(values[self._key.name][0])}


def _text(value: Any) -> str:
    return str(np.asarray(value, dtype=object).reshape(-1)[0])
