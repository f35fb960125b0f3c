"""Compares statistics with a schema: what breaks it, in words and as tensorflow_metadata proto."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from bertworks.data.validation.profile.scan import LENGTHS
from bertworks.data.validation.schema import SCHEMA_TYPES, common_statistics

FeatureStatistics: TypeAlias = statistics_pb2.FeatureNameStatistics
Kind: TypeAlias = anomalies_pb2.AnomalyInfo

_MAX_SHOWN = 10


@dataclass
class Anomaly:
    """One rule of the schema that a column breaks.

    Attributes:
        feature: The column.
        kind: A value of tensorflow_metadata's AnomalyInfo.Type.
        rule: The rule, in words.
        found: Split to what was found there.
        values: Values of the column that the schema does not know.
    """

    feature: str
    kind: int
    rule: str
    found: dict[str, str] = field(default_factory=dict)
    values: set[str] = field(default_factory=set)

    @property
    def message(self) -> str:
        """The rule and what was found, split by split."""
        found = ", ".join(f"{text} in {split}".strip() for split, text in self.found.items())
        return f"{self.rule}: {found}"


class _Broken(NamedTuple):
    """A broken rule in one split."""

    kind: int
    rule: str
    found: str
    values: frozenset[str] = frozenset()


def find_anomalies(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
    label_values: dict[str, set[str]],
) -> list[Anomaly]:
    """What in the data breaks the schema; one entry a column and rule. Empty splits meet it.

    Args:
        statistics: Those of the data to check.
        schema: What they should meet.
        label_values: Split to the values of the column that has a domain.
    """
    domains = {domain.name: set(domain.value) for domain in schema.string_domain}
    rules = {feature.name: feature for feature in schema.feature}
    merged: dict[tuple[str, int], Anomaly] = {}
    for dataset in statistics.datasets:
        if not dataset.num_examples:
            continue
        features = {feature.path.step[0]: feature for feature in dataset.features}
        for name in sorted({*features, *rules}):
            rule, found = rules.get(name), features.get(name)
            new: set[str] = set()
            if rule is not None and rule.domain:
                new = label_values.get(dataset.name, set()) - domains.get(rule.domain, set())
            for broken in _broken_rules(name, rule, found, new):
                anomaly = merged.setdefault(
                    (name, broken.kind), Anomaly(name, broken.kind, broken.rule)
                )
                anomaly.found[dataset.name] = broken.found
                anomaly.values |= broken.values
    return list(merged.values())


def anomalies_proto(anomalies: list[Anomaly], schema: schema_pb2.Schema) -> anomalies_pb2.Anomalies:
    """The anomalies in tensorflow_metadata's form, by column, with the schema as their baseline."""
    result = anomalies_pb2.Anomalies(baseline=schema)
    result.anomaly_name_format = anomalies_pb2.Anomalies.SERIALIZED_PATH
    for anomaly in anomalies:
        info = result.anomaly_info[anomaly.feature]
        if not info.reason:
            info.path.step.append(anomaly.feature)
            info.severity = anomalies_pb2.AnomalyInfo.ERROR
        info.reason.add(
            type=anomaly.kind, short_description=anomaly.rule, description=anomaly.message
        )
        info.short_description = "multiple errors" if len(info.reason) > 1 else anomaly.rule
        info.description = "; ".join(reason.description for reason in info.reason)
    return result


def _broken_rules(
    name: str, rule: schema_pb2.Feature | None, found: FeatureStatistics | None, new: set[str]
) -> Iterator[_Broken]:
    """The rules that a column breaks in one split; `new` are its values outside of its domain."""
    if rule is None:
        # Whether there are token lengths depends on the base, not on the data.
        if name not in LENGTHS:
            yield _Broken(Kind.SCHEMA_NEW_COLUMN, f"column {name!r} is new", "there")
        return
    required = rule.HasField("presence")
    if found is None:
        if required:
            yield _Broken(Kind.SCHEMA_MISSING_COLUMN, f"column {name!r} is missing", "not there")
        return
    common = common_statistics(found)
    if not common.num_non_missing:
        if required:
            message = f"column {name!r} has no values"
            yield _Broken(Kind.FEATURE_TYPE_NOT_PRESENT, message, "none")
        return
    actual = SCHEMA_TYPES[found.type]
    if actual != rule.type:
        message = f"column {name!r} should be {schema_pb2.FeatureType.Name(rule.type)}"
        yield _Broken(Kind.UNEXPECTED_DATA_TYPE, message, schema_pb2.FeatureType.Name(actual))
        return
    if required and common.num_missing:
        message = f"column {name!r} should have a value in every row"
        yield _Broken(
            Kind.FEATURE_TYPE_LOW_FRACTION_PRESENT, message, f"{common.num_missing} rows without"
        )
    if rule.HasField("shape") and not common.min_num_values == common.max_num_values == 1:
        message = f"column {name!r} should hold one value a row"
        yield _Broken(Kind.INVALID_FEATURE_SHAPE, message, "lists")
    if new:
        shown = ", ".join(repr(value) for value in sorted(new)[:_MAX_SHOWN])
        more = f" and {len(new) - _MAX_SHOWN} more" if len(new) > _MAX_SHOWN else ""
        message = f"column {name!r} has values that the schema does not know"
        yield _Broken(
            Kind.ENUM_TYPE_UNEXPECTED_STRING_VALUES, message, shown + more, frozenset(new)
        )
    yield from _broken_bounds(rule, found.num_stats)


def _broken_bounds(
    rule: schema_pb2.Feature, numbers: statistics_pb2.NumericStatistics
) -> Iterator[_Broken]:
    """The rules about a column's numbers that it breaks in one split."""
    if rule.HasField("int_domain"):
        low, high = rule.int_domain.min, rule.int_domain.max
        if numbers.max > high:
            message = f"{rule.name} should be at most {high}"
            yield _Broken(Kind.INT_TYPE_BIG_INT, message, f"up to {numbers.max:g}")
        if numbers.min < low:
            message = f"{rule.name} should be at least {low}"
            yield _Broken(Kind.INT_TYPE_SMALL_INT, message, f"down to {numbers.min:g}")
    if rule.HasField("float_domain"):
        strange = sum(one.num_nan + one.num_undefined for one in numbers.histograms[:1])
        if strange:
            message = f"column {rule.name!r} should hold finite numbers"
            yield _Broken(Kind.FLOAT_TYPE_HAS_NAN, message, f"{strange} others")
