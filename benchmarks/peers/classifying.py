"""What the sides of the agent benchmark share: the same requests, answered and timed the same way.

A side offers named ways to answer, from a list of texts to a list of labels: one or more for many
texts and for one. It tries them, keeps the fastest of each kind, and is measured with those, so that
each side runs at the settings that suit it best. Imports the standard library alone, as it runs in any
environment.
"""

import time
from collections.abc import Callable
from typing import Any

from benchmarks.harness.sides import serve

Predict = Callable[[list[str]], list[str]]
Ways = dict[str, Predict]
SIZES = (16, 32, 64, 128)
TRIES = 2


def in_batches(predict: Predict, sizes: tuple[int, ...] = SIZES, name: str = "") -> Ways:
    """Ways to answer many texts: in batches of each size, in the order given."""

    def way(size: int) -> Predict:
        return lambda texts: [
            label
            for start in range(0, len(texts), size)
            for label in predict(texts[start : start + size])
        ]

    return {f"{name}batches of {size}": way(size) for size in sizes}


class Classifier:
    """One side.

    Args:
        load: From the job (`texts` sorted by length, `short` texts, `calibration` texts, `model`,
            `folder` for conversions) to the ways for many texts and the ways for one.
    """

    def __init__(self, load: Callable[[dict[str, Any]], tuple[Ways, Ways]]) -> None:
        self._load = load
        self._texts: list[str] = []
        self._short: list[str] = []
        self._many: Predict = lambda texts: []
        self._one: Predict = lambda texts: []

    def serve(self) -> None:
        """Answers requests until standard input ends."""
        serve(self._answer)

    def _answer(self, request: Any) -> Any:
        if isinstance(request, dict):
            return self._prepare(request)
        return {
            "labels": lambda: self._many(self._texts),
            "throughput": lambda: _seconds(self._many, self._texts),
            "latency": lambda: [_seconds(self._one, [text]) for text in self._short],
        }[request]()

    def _prepare(self, job: dict[str, Any]) -> dict[str, str]:
        """Loads, and chooses the ways; each is warm when it is timed."""
        self._texts, self._short = job["texts"], job["short"]
        many, one = self._load(job)
        chosen_many = fastest(many, lambda way: way(self._texts))
        chosen_one = fastest(one, lambda way: [way([text]) for text in self._short])
        self._many, self._one = many[chosen_many], one[chosen_one]
        return {"many": chosen_many, "one": chosen_one}


def fastest(ways: Ways, work: Callable[[Predict], Any]) -> str:
    """The name of the way that does the work in the least time, once it is warm."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        work(way)
    for _ in range(TRIES if len(ways) > 1 else 0):
        for name, way in ways.items():
            began = time.perf_counter()
            work(way)
            times[name].append(time.perf_counter() - began)
    return min(times, key=lambda name: min(times[name], default=0.0))


def _seconds(way: Predict, texts: list[str]) -> float:
    began = time.perf_counter()
    way(texts)
    return time.perf_counter() - began
