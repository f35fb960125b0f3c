"""The schema's text-aware constraints, on top of what TFDV infers from the training rows."""

from __future__ import annotations

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from bertworks.spec import Checks, Task
from bertworks.tasks import for_task
from bertworks.text.windows import most_tokens
from pipelines.tfx.steps.rows import CHARACTERS, FIT, LABEL, PIECES, WORDS

LENGTHS = (WORDS, CHARACTERS)
SEVERITIES = {FIT: "too_long", PIECES: "unknown_tokens"}
"""Features whose anomalies have a severity of their own in validate.checks."""


def constrain(
    inferred: schema_pb2.Schema,
    statistics: statistics_pb2.DatasetFeatureStatistics,
    task: Task,
    checks: Checks,
) -> schema_pb2.Schema:
    """The schema that the splits must meet.

    - A row has at most task.max_length tokens (or what its windows hold); its words and characters
      are at most twice those of the longest training row, rounded up to a power of two, as
      `bertworks.data.validation` has it.
    - The share of rows that are cut is at most checks.max_too_long, that of unknown tokens at most
      checks.max_unknown_tokens: as the mass of a two-valued feature that must be in its domain.
    - Only the labels have a list of values; TFDV infers one for any column with few.

    It also says which tensors `components.transform.analyze` reads, and in which form.

    Args:
        inferred: TFDV's schema.
        statistics: Those of the train split.
        task: What is learned.
        checks: Limits and severities; "ignore" leaves a constraint out.
    """
    schema = schema_pb2.Schema()
    schema.CopyFrom(inferred)
    domains = {domain.name: sorted(domain.value) for domain in schema.string_domain}
    del schema.string_domain[:]
    for feature in schema.feature:
        name = feature.name
        if feature.HasField("domain"):
            values = domains[feature.domain]
            feature.ClearField("domain")
            if name == LABEL:
                feature.string_domain.name = name
                feature.string_domain.value.extend(values)
        if name in LENGTHS:
            feature.int_domain.min = 0
            feature.int_domain.max = 1 << (2 * _longest(statistics, name) - 1).bit_length()
        if name == "length":
            feature.int_domain.min, feature.int_domain.max = 1, most_tokens(task)
        if feature.HasField("value_count"):
            feature.value_count.ClearField("max")
            feature.value_count.min = 0
    _share(schema, FIT, "whole", checks.max_too_long, checks.too_long)
    _share(schema, PIECES, "known", checks.max_unknown_tokens, checks.unknown_tokens)
    _tensors(schema, task)
    return schema


def _share(
    schema: schema_pb2.Schema, name: str, good: str, most_others: float, severity: str
) -> None:
    feature = next(one for one in schema.feature if one.name == name)
    if severity == "ignore":
        return
    feature.string_domain.name = name
    feature.string_domain.value.append(good)
    feature.distribution_constraints.min_domain_mass = 1.0 - most_others


def _longest(statistics: statistics_pb2.DatasetFeatureStatistics, name: str) -> int:
    for feature in statistics.features:
        if feature.path.step[0] == name:
            return max(1, int(feature.num_stats.max))
    return 1


def _tensors(schema: schema_pb2.Schema, task: Task) -> None:
    """Lists are sparse tensors, single values are scalars, whatever the rows at hand look like."""
    representations = schema.tensor_representation_group[""].tensor_representation
    for feature in schema.feature:
        representation = representations[feature.name]
        if feature.name in _scalars(task):
            representation.dense_tensor.column_name = feature.name
            representation.dense_tensor.shape.SetInParent()
        else:
            representation.varlen_sparse_tensor.column_name = feature.name


def _scalars(task: Task) -> set[str]:
    target = for_task(task).target
    return {"id", "position", "length", *([target.column] if target.numeric else [])}
