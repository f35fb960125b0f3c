"""Metrics by slice, computed by TensorFlow Model Analysis.

Every number here is a weighted mean over rows (accuracy: 1 where the row is right; entity recall: the
share found, weighted by the entities there are), so TFMA computes them all with one metric under
several row weights. TFMA is imported nowhere else: it takes seconds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertworks.contracts.metrics import Metric
from bertworks.errors import SpecError
from bertworks.evaluation.data import Columns
from bertworks.storage import temporary
from bertworks.tasks.measuring import quarters
from bertworks.tasks.predictions import Predictions
from bertworks.tasks.scores import RowMean

MOST_VALUES = 20
"""A column with more different values is cut: numbers into quarters, text into the most frequent."""


def slice_metrics(predictions: Predictions, rows: Columns, by: list[str]) -> list[Metric]:
    """Metrics of every slice, as entries of metrics.json with `slice` such as "length=5 to 17".

    Args:
        predictions: Truth and answers.
        rows: The same rows' columns, in the same order (`length` in tokens, `source`, extra ones).
        by: What to slice by: length, source, label, or a column of `rows`.

    Raises:
        SpecError: There is no such column.
    """
    found_values = ((name, slice_values(predictions, rows, name)) for name in by)
    columns = {name: values for name, values in found_values if values is not None}
    if not columns or not len(predictions):
        return []
    scores = predictions.handler.scores
    means = scores.means(predictions)
    table = _analyze(columns, means)
    found = []
    for part, (count, values) in sorted(table.items(), key=lambda item: _natural(item[0])):
        for name, value in scores.of_means(values).items():
            if math.isfinite(value):
                found.append(Metric(name, value, slice=part, rows=count))
    return found


def slice_values(predictions: Predictions, rows: Columns, name: str) -> list[Any] | None:
    """The slice that each row belongs to (multi-label: the slices); None where it makes no sense."""
    if name == "label":
        return predictions.handler.scores.label_slices(predictions)
    if name not in rows:
        raise SpecError(
            f"evaluate.slices names {name!r}, but the rows have no such column.",
            "Use length, source, label, or keep the column with data.sources[].columns.extra.",
        )
    values = rows[name]
    if name == "length" or (_numeric(values) and len(set(values)) > MOST_VALUES):
        return quarters(np.asarray(values, dtype=float))
    texts = ["(none)" if value is None else str(value) for value in values]
    frequent = {value for value, _ in Counter(texts).most_common(MOST_VALUES)}
    return [value if value in frequent else "(other)" for value in texts]


def _analyze(
    columns: dict[str, list[Any]], means: list[RowMean]
) -> dict[str, tuple[int, dict[str, float]]]:
    """Slice name ("column=value") to its number of rows and its means, in one TFMA run."""
    import tensorflow_model_analysis as tfma

    # Columns get names of their own: a column of the data may be called like one of TFMA's keys.
    frame: dict[str, Sequence[object] | np.ndarray] = {"prediction": np.zeros(len(means[0].values))}
    names = {}
    for index, (name, values) in enumerate(columns.items()):
        names[f"slice{index}"] = name
        frame[f"slice{index}"] = [
            [value] if isinstance(value, str) else list(value) for value in values
        ]
    for index, mean in enumerate(means):
        frame[f"value{index}"], frame[f"weight{index}"] = mean.values, mean.weights
    found: dict[str, tuple[int, dict[str, float]]] = {}
    with temporary.scratch() as work:
        folder = str(work)
        _run(frame, _config(means, list(names)), folder)
        for mean in means:
            # TFMA drops the name of a model that is alone.
            name = mean.name if len(means) > 1 else ""
            result = tfma.load_eval_result(folder, model_name=name)
            for key, outputs in result.slicing_metrics:
                part = ", ".join(f"{names[column]}={value}" for column, value in key)
                numbers = outputs[""][""]
                count = int(numbers["example_count"]["doubleValue"])
                known = found.setdefault(part, (count, {}))[1]
                known[mean.name] = float(numbers["mean_label"].get("doubleValue", math.nan))
    return found


def _config(means: list[RowMean], slices: list[str]) -> Any:
    import tensorflow_model_analysis as tfma

    schema = tfma.proto.config_pb2
    names = [mean.name for mean in means]
    return schema.EvalConfig(
        model_specs=[
            schema.ModelSpec(
                name=name,
                prediction_key="prediction",
                label_key=f"value{index}",
                example_weight_key=f"weight{index}",
            )
            for index, name in enumerate(names)
        ],
        slicing_specs=[schema.SlicingSpec(feature_keys=[name]) for name in slices],
        metrics_specs=[
            schema.MetricsSpec(
                model_names=names,
                metrics=[schema.MetricConfig(class_name="ExampleCount")],
                example_weights=schema.ExampleWeightOptions(unweighted=True),
            ),
            schema.MetricsSpec(
                model_names=names,
                metrics=[schema.MetricConfig(class_name="MeanLabel")],
                example_weights=schema.ExampleWeightOptions(weighted=True),
            ),
        ],
    )


def _run(frame: Mapping[str, object], config: Any, folder: str) -> None:
    """What `tfma.analyze_raw_data` does, on a runner that is named outright.

    TFMA would take Beam's DirectRunner, which may hand over to Prism, a program it has to download.
    """
    import apache_beam as beam
    import pyarrow as pa
    import tensorflow_model_analysis as tfma
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner
    from tfx_bsl.arrow import table_util

    rows = table_util.CanonicalizeRecordBatch(pa.RecordBatch.from_pydict(frame))
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create([rows])
            | tfma.ExtractEvaluateAndWriteResults(
                eval_config=config,
                writers=tfma.default_writers(folder, eval_config=config),
                output_path=folder,
            )
        )


def _numeric(values: list[Any]) -> bool:
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _natural(part: str) -> tuple[str, float, str]:
    """Slices in the order of their numbers where they begin with one."""
    column, _, value = part.partition("=")
    try:
        return column, float(value.split(" ")[0]), value
    except ValueError:
        return column, math.inf, value
