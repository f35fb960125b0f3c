"""The schema: inferred from the first run's statistics, checked against those of later runs."""

from __future__ import annotations

from typing import TypeAlias

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from bertworks.data.validation.profile.scan import LENGTHS

FeatureStatistics: TypeAlias = statistics_pb2.FeatureNameStatistics

SCHEMA_TYPES = {
    FeatureStatistics.STRING: schema_pb2.BYTES,
    FeatureStatistics.BYTES: schema_pb2.BYTES,
    FeatureStatistics.INT: schema_pb2.INT,
    FeatureStatistics.FLOAT: schema_pb2.FLOAT,
}
"""The schema's type for each type of statistics."""

_BOUNDED = ("row.words", "row.characters")


def infer_schema(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    label_column: str,
    label_values: dict[str, set[str]],
) -> schema_pb2.Schema:
    """The schema that the data meet.

    Types, presence (a column without gaps must stay so) and, for the label column, the list of its
    values. Lengths get an upper bound with room to grow: twice the longest row, rounded up to a
    power of two, since new text should not fail for being a word longer.

    Args:
        statistics: Those of all splits.
        label_column: The column whose values are listed.
        label_values: Split to its values; none when it holds numbers.
    """
    schema = schema_pb2.Schema()
    by_name: dict[str, list[FeatureStatistics]] = {}
    for dataset in statistics.datasets:
        for feature in dataset.features:
            by_name.setdefault(feature.path.step[0], []).append(feature)
    for name, found in sorted(by_name.items()):
        feature = schema.feature.add(name=name, type=SCHEMA_TYPES[found[0].type])
        if name in LENGTHS:
            _derived_length(feature, found)
            continue
        _presence_and_shape(feature, [common_statistics(one) for one in found])
        if feature.type == schema_pb2.FLOAT:
            feature.float_domain.disallow_nan = feature.float_domain.disallow_inf = True
        values = set().union(*label_values.values())
        if name == label_column and values:
            schema.string_domain.add(name=name, value=sorted(values))
            feature.domain = name
    return schema


def common_statistics(feature: FeatureStatistics) -> statistics_pb2.CommonStatistics:
    """The part of the statistics that features of every type have."""
    return getattr(feature, feature.WhichOneof("stats")).common_stats


def _derived_length(feature: schema_pb2.Feature, found: list[FeatureStatistics]) -> None:
    """A length that is computed from the text, not a column: marked so, and bounded."""
    feature.lifecycle_stage = schema_pb2.VALIDATION_DERIVED
    feature.validation_derived_source.CopyFrom(found[0].validation_derived_source)
    if feature.name in _BOUNDED:
        longest = max(1, int(max(one.num_stats.max for one in found)))
        feature.int_domain.min = 0
        feature.int_domain.max = 1 << (2 * longest - 1).bit_length()


def _presence_and_shape(
    feature: schema_pb2.Feature, common: list[statistics_pb2.CommonStatistics]
) -> None:
    """Whether every row has the column, and whether it holds one value or a list."""
    if not any(one.num_missing for one in common):
        feature.presence.min_fraction = 1.0
        feature.presence.min_count = 1
    filled = [one for one in common if one.num_non_missing]
    if any(not one.min_num_values == one.max_num_values == 1 for one in filled):
        feature.value_count.min = 0
    elif feature.HasField("presence"):
        feature.shape.dim.add(size=1)
