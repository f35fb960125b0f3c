"""Feature statistics as tensorflow_metadata protos, in the form that TFDV writes and reads."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from tensorflow_metadata.proto.v0 import statistics_pb2

from bertworks.data.validation.profile.columns import Column, TextColumn
from bertworks.data.validation.profile.rows import SPLITS
from bertworks.data.validation.profile.scan import LENGTHS, Scan

BUCKETS = 10
"""Buckets of a numeric histogram, as in TFDV."""

_TOP_VALUES = 20
_RANKS = 200

Numbers = npt.NDArray[np.float64]
Histogram: TypeAlias = statistics_pb2.Histogram
Feature: TypeAlias = statistics_pb2.FeatureNameStatistics


def statistics(scan: Scan, text_columns: list[str]) -> statistics_pb2.DatasetFeatureStatisticsList:
    """One dataset a split, named after it, with the features in alphabetical order.

    The lengths row.words, row.characters and row.tokens (the last from a sample of rows) are
    features marked as derived from the text columns.
    """
    result = statistics_pb2.DatasetFeatureStatisticsList()
    for split in SPLITS:
        dataset = result.datasets.add(name=split, num_examples=scan.rows[split])
        for name, column in sorted(scan.columns[split].items()):
            feature = dataset.features.add()
            feature.path.step.append(name)
            _fill(feature, column)
            if name in LENGTHS:
                source = feature.validation_derived_source
                source.deriver_name = f"bertworks {LENGTHS[name]}"
                for text in text_columns:
                    source.source_path.add(step=[text])
    return result


def _fill(feature: Feature, column: Column) -> None:
    """Fills in the statistics that fit the column's type."""
    if isinstance(column, TextColumn):
        feature.type = Feature.STRING
        _common(feature.string_stats.common_stats, column.rows, column.sizes())
        _strings(feature.string_stats, column)
        return
    feature.type = Feature.INT if column.is_integer else Feature.FLOAT
    values = column.values()
    _common(feature.num_stats.common_stats, column.rows, np.ones(len(values), np.int64))
    _numbers(feature.num_stats, values)


def _common(
    common: statistics_pb2.CommonStatistics, rows: int, sizes: npt.NDArray[np.int64]
) -> None:
    """Presence and the number of values: `sizes` are the values of each row that has any."""
    common.num_non_missing = len(sizes)
    common.num_missing = rows - len(sizes)
    if not len(sizes):
        return
    common.min_num_values, common.max_num_values = int(sizes.min()), int(sizes.max())
    common.avg_num_values = float(sizes.mean())
    common.tot_num_values = int(sizes.sum())
    common.num_values_histogram.CopyFrom(_quantiles(sizes.astype(np.float64)))


def _strings(stats: statistics_pb2.StringStatistics, column: TextColumn) -> None:
    """Distinct and frequent values; the average length is in bytes, as in TFDV."""
    stats.unique = column.unique()
    stats.avg_length = column.bytes / column.values if column.values else 0.0
    for rank, (value, count) in enumerate(column.top.most_common(_RANKS)):
        if rank < _TOP_VALUES:
            stats.top_values.add(value=value, frequency=count)
        stats.rank_histogram.buckets.add(
            low_rank=rank, high_rank=rank, label=value, sample_count=count
        )


def _numbers(stats: statistics_pb2.NumericStatistics, every: Numbers) -> None:
    """Moments and histograms of the finite values; the others are counted in the histograms."""
    values = every[np.isfinite(every)]
    histograms = [Histogram(type=Histogram.STANDARD), Histogram(type=Histogram.QUANTILES)]
    if len(values):
        stats.mean, stats.std_dev = float(values.mean()), float(values.std())
        stats.min, stats.max = float(values.min()), float(values.max())
        stats.median = float(np.median(values))
        stats.num_zeros = int((values == 0).sum())
        histograms = [_standard(values), _quantiles(values)]
    for histogram in histograms:
        histogram.num_nan = int(np.isnan(every).sum())
        histogram.num_undefined = int(np.isinf(every).sum())
        stats.histograms.add().CopyFrom(histogram)


def _standard(values: Numbers) -> Histogram:
    """Buckets of equal width."""
    low, high = float(values.min()), float(values.max())
    counts, edges = np.histogram(values, BUCKETS, (low, high if high > low else low + 1.0))
    histogram = Histogram(type=Histogram.STANDARD)
    for index, count in enumerate(counts):
        histogram.buckets.add(
            low_value=edges[index], high_value=edges[index + 1], sample_count=count
        )
    return histogram


def _quantiles(values: Numbers) -> Histogram:
    """Buckets of equal counts."""
    edges = np.quantile(values, np.linspace(0, 1, BUCKETS + 1))
    histogram = Histogram(type=Histogram.QUANTILES)
    for index in range(BUCKETS):
        histogram.buckets.add(
            low_value=edges[index], high_value=edges[index + 1], sample_count=len(values) / BUCKETS
        )
    return histogram
