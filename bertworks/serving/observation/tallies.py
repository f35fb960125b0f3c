"""Histograms and counters that one thread fills, cheaply, and Prometheus reads when it scrapes.

prometheus_client's own take a lock and look up their labels at each value, which with ten values a
request is several times as slow.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Metric

Labels = tuple[str, ...]


class Tally:
    """Values by labels. One thread fills it; others may read.

    Args:
        name: Of the metric, without ending.
        about: What it is, for people.
        labels: Names of the labels.
        buckets: Upper ends of a histogram's buckets; none: a counter.
    """

    def __init__(
        self, name: str, about: str, labels: Sequence[str], buckets: Sequence[float] = ()
    ) -> None:
        self.name, self._about, self._labels = name, about, tuple(labels)
        self._buckets = tuple(buckets)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def add(self, labels: Labels, value: float = 1.0) -> None:
        """Takes a histogram's value, or counts one more."""
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts.setdefault(labels, [0] * (len(self._buckets) + 1))
            self._sums[labels] = 0.0
        counts[bisect_left(self._buckets, value) if self._buckets else 0] += 1
        self._sums[labels] += value

    def forget(self, beginning: Labels) -> None:
        """Drops the series whose labels begin so."""
        for labels in [one for one in self._counts if one[: len(beginning)] == beginning]:
            del self._counts[labels], self._sums[labels]

    def collect(self) -> Iterator[Metric]:
        """The metric as Prometheus has it."""
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        if not self._buckets:
            counter = CounterMetricFamily(self.name, self._about, labels=self._labels)
            for labels, counts in list(self._counts.items()):
                counter.add_metric(labels, counts[0])
            yield counter
            return
        histogram = HistogramMetricFamily(self.name, self._about, labels=self._labels)
        ends = [*map(str, map(float, self._buckets)), "+Inf"]
        for labels, counts in list(self._counts.items()):
            total, cumulated = 0, []
            for end, count in zip(ends, list(counts), strict=True):
                total += count
                cumulated.append((end, total))
            histogram.add_metric(labels, cumulated, self._sums.get(labels, 0.0))
        yield histogram
