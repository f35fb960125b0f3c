"""What answers are like, for Prometheus: seconds by stage, batches, how sure they are, what they say.

Labels of meters hold nothing that a client wrote: models and versions are those that serve, labels those
of the agent, as many as `MOST_LABELS`. Of a model's versions the series of the last few are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from bertworks.runtime.drift import names_of
from bertworks.serving.engine.lane import Lane
from bertworks.serving.exchange import Exchange, Observers
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.models.registry import Registry
from bertworks.serving.observation.tallies import Tally

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

MOST_LABELS = 50
"""Labels of an agent that are counted by name; the others together, as OTHER."""
MOST_VERSIONS = 4
"""Versions of a model whose series are kept."""
OTHER, NONE = "(other)", "(none)"
_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1, 2, 4, 8)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
_TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
_SCORES = (-10, -3, -1, -0.3, -0.1, 0, 0.1, 0.3, 0.5, 0.7, 1, 2, 3, 4, 5, 10, 30, 100)
_SURE = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


class Counting:
    """An observer that counts.

    Args:
        models: What is served.
    """

    def __init__(self, models: Registry) -> None:
        self._models, self._all = models, _registered()
        self._labels: OrderedDict[tuple[str, str], dict[str, None]] = OrderedDict()

    def answered(self, exchange: Exchange) -> None:
        """Counts an exchange."""
        name = exchange.model if exchange.version else ""
        if not name:
            return
        for stage, seconds in stages(exchange).items():
            self._all.stages.add((name, stage), seconds)
        if exchange.reason or not exchange.answers:
            return
        bundle = answering(self._models, exchange)
        if bundle is None:
            return
        key = name, exchange.version
        known = self._known(key, bundle)
        for sure in bundle.agent.handler.sureness(exchange.answers).tolist():
            if sure == sure:  # not every task's answers tell
                self._all.sure.add(key, sure)
        for answer in exchange.answers:
            if not bundle.agent.handler.target.has_labels:
                self._all.scores.add(key, float(answer["score"]))
                continue
            for label in names_of(answer):
                shown = label or NONE
                self._all.labels.add((*key, shown if shown in known else OTHER))

    def batched(self, lane: Lane, rows: int, padded: int, tokens: int, seconds: float) -> None:
        """Counts a batch of the engine; see `Batcher`."""
        self._all.batch_rows.labels(lane.name).observe(rows)
        self._all.batch_tokens.labels(lane.name).observe(padded)
        self._all.tokens.labels(lane.name).inc(tokens)
        self._all.padding.labels(lane.name).inc(padded - tokens)
        self._all.batch_seconds.labels(lane.name).observe(seconds)

    def tokenized(self, lane: Lane, rows: int, seconds: float) -> None:
        """Counts a piece of tokenizing; see `Batcher`."""
        self._all.tokenizing.labels(lane.name).observe(seconds)

    def watch(self, observers: Observers, waiting: Callable[[], int]) -> None:
        """Shows how many rows wait, and what observers missed."""
        self._all.waiting.set_function(waiting)
        self._all.failed.set_function(lambda: observers.failed)
        self._all.dropped.set_function(lambda: observers.dropped)

    def _known(self, key: tuple[str, str], bundle: LoadedBundle) -> dict[str, None]:
        """The labels that are counted by name; forgets what a version long gone has left."""
        if key in self._labels:
            return self._labels[key]
        names = [label.partition("-")[2] or label for label in bundle.agent.labels if label != "O"]
        self._labels[key] = dict.fromkeys([*names[:MOST_LABELS], NONE])
        own = [one for one in self._labels if one[0] == key[0]]
        for old in own[:-MOST_VERSIONS]:
            self._forget(old)
        return self._labels[key]

    def _forget(self, key: tuple[str, str]) -> None:
        del self._labels[key]
        for meter in (self._all.labels, self._all.sure, self._all.scores):
            meter.forget(key)


def answering(models: Registry, exchange: Exchange) -> LoadedBundle | None:
    """The bundle that answered; None where it is gone by now."""
    for model in models:
        if model.name == exchange.model:
            for bundle in model.router.bundles:
                if bundle.identity.digest == exchange.digest:
                    return bundle
    return None


def stages(exchange: Exchange) -> dict[str, float]:
    """Seconds by stage; what is left of the whole is the answer's way out."""
    known = {stage: seconds for stage, seconds in exchange.seconds.items() if stage != "whole"}
    rest = exchange.seconds.get("whole", 0.0) - sum(known.values())
    return {**known, "write": max(rest, 0.0)}


class _Registered(NamedTuple):
    stages: Tally
    sure: Tally
    scores: Tally
    labels: Tally
    tokenizing: Histogram
    batch_rows: Histogram
    batch_tokens: Histogram
    batch_seconds: Histogram
    tokens: Counter
    padding: Counter
    waiting: Gauge
    failed: Gauge
    dropped: Gauge


@cache
def _registered() -> _Registered:
    """Registered once a process: Prometheus refuses a name twice."""
    from prometheus_client import REGISTRY, Counter, Gauge, Histogram

    model, version = ["model_name"], ["model_name", "model_version"]
    made = _Registered(
        stages=Tally(
            "bertworks_stage_seconds",
            "Seconds of a request by stage: read (the body), wait (in line), decode, queue (for a "
            "thread), compute (tokenizing too), review, encode, write.",
            [*model, "stage"],
            _SECONDS,
        ),
        sure=Tally("bertworks_answer_confidence", "How sure answers are.", version, _SURE),
        scores=Tally("bertworks_answer_score", "Scores of a regression.", version, _SCORES),
        labels=Tally(
            "bertworks_answer_labels", "Labels, or types of entity, of answers.",
            [*version, "label"],
        ),
        tokenizing=Histogram(
            "bertworks_tokenize_seconds", "Seconds of tokenizing, a piece of work each.", model,
            buckets=_SECONDS,
        ),
        batch_rows=Histogram("bertworks_batch_rows", "Rows of a batch.", model, buckets=_ROWS),
        batch_tokens=Histogram(
            "bertworks_batch_tokens", "Tokens of a batch, padding counted.", model, buckets=_TOKENS
        ),
        batch_seconds=Histogram(
            "bertworks_batch_seconds", "Seconds of a batch.", model, buckets=_SECONDS
        ),
        tokens=Counter("bertworks_tokens", "Tokens computed, padding not counted.", model),
        padding=Counter("bertworks_padding_tokens", "Tokens of padding computed.", model),
        waiting=Gauge("bertworks_rows_waiting", "Rows that wait for a thread of the engine."),
        failed=Gauge("bertworks_observers_failed", "Times that an observer of answers failed."),
        dropped=Gauge(
            "bertworks_observers_dropped", "Exchanges that observers were too slow to be told of."
        ),
    )  # fmt: skip
    for tally in (made.stages, made.sure, made.scores, made.labels):
        REGISTRY.register(tally)
    return made
