"""Tells how far texts and answers have moved from those of the training, window by window."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bertworks.contracts.reference import REFERENCE, Reference
from bertworks.runtime.drift import Finding, Window
from bertworks.serving import log
from bertworks.serving.exchange import Exchange
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.models.registry import Registry
from bertworks.serving.observation.counting import answering
from bertworks.spec.observing import Observing

if TYPE_CHECKING:
    from prometheus_client import Gauge

ROWS_A_SECOND = 50
"""Rows that are looked at in a second, at most: their tokens are read once more for it."""


class Drifting:
    """An observer that compares what is asked with a bundle's reference.json.

    Args:
        models: What is served.
        settings: Rows of a window, and limits.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        models: Registry,
        settings: Observing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models, self._rows, self._clock = models, settings.drift_rows, clock
        self._limits = {"tokens": settings.max_text_drift, "labels": settings.max_label_drift}
        self._windows: dict[str, Window | None] = {}
        self._drifted: dict[str, set[str]] = {}
        self._budget, self._filled = float(ROWS_A_SECOND), clock()

    def answered(self, exchange: Exchange) -> None:
        """Counts the rows of an exchange; tells when a window is full."""
        if exchange.reason or not exchange.answers:
            return
        bundle = answering(self._models, exchange)
        window = None if bundle is None else self._window(exchange.model, bundle)
        if bundle is None or window is None:
            return
        rows = list(zip(exchange.rows, exchange.answers, strict=True))[: self._allowed()]
        if not rows:
            return
        encoded = bundle.agent.encode([row for row, _ in rows])
        for ids, (_, answer) in zip(encoded.ids, rows, strict=True):
            window.add(ids, answer)
            if window.rows >= self._rows:
                self._tell(exchange.model, bundle, window)
                window.clear()

    def _allowed(self) -> int:
        now = self._clock()
        grown = self._budget + ROWS_A_SECOND * (now - self._filled)
        self._budget, self._filled = min(grown, float(ROWS_A_SECOND)), now
        taken = int(self._budget)
        self._budget -= taken
        return taken

    def _window(self, model: str, bundle: LoadedBundle) -> Window | None:
        """The bundle's window; None where it has no reference, which is told once."""
        digest = bundle.identity.digest
        if digest not in self._windows:
            found = _reference(bundle.folder)
            self._windows[digest] = None if found is None else Window(found, self._limits)
            for old in list(self._windows)[:-4]:  # bundles that were swapped long ago
                self._windows.pop(old), self._drifted.pop(old, None)
            if found is None:
                log.LOGGER.info(
                    "%s version %s has no reference.json: its drift is not measured; a bundle that "
                    "is quantized anew has one", model, bundle.identity.served,
                )  # fmt: skip
        return self._windows[digest]

    def _tell(self, model: str, bundle: LoadedBundle, window: Window) -> None:
        findings, known = window.findings(), self._drifted.setdefault(bundle.identity.digest, set())
        show(model, findings)
        for one in findings:
            if one.drifted and one.measure not in known:
                log.LOGGER.warning(
                    "drift: %s version %s: the %s of the last %d rows are %.3f bits from those of "
                    "the training, above chance (limit %.3f); rows to label: bertworks label export",
                    model, bundle.identity.served, one.measure, one.rows, one.bits, one.limit,
                )  # fmt: skip
        known.clear()
        known.update(one.measure for one in findings if one.drifted)


def show(model: str, findings: list[Finding]) -> None:
    """Shows findings as gauges."""
    bits, limit, drifted = _gauges()
    for one in findings:
        bits.labels(model, one.measure).set(one.bits)
        limit.labels(model, one.measure).set(one.limit)
        drifted.labels(model, one.measure).set(int(one.drifted))


def latest(model: str) -> Mapping[str, float]:
    """The last window's bits by measure; none before one was full."""
    bits, _, _ = _gauges()
    samples = (one for family in bits.collect() for one in family.samples)
    return {
        one.labels["measure"]: one.value for one in samples if one.labels["model_name"] == model
    }


def _reference(folder: Path | None) -> Reference | None:
    if folder is None or not (folder / REFERENCE.name).is_file():
        return None
    return REFERENCE.read(folder)


@cache
def _gauges() -> tuple[Gauge, Gauge, Gauge]:
    from prometheus_client import Gauge

    labels = ["model_name", "measure"]
    return (
        Gauge(
            "bertworks_drift_bits",
            "Jensen-Shannon divergence of the last window from the training's rows, above chance, "
            "by measure: tokens, lengths, unknown (tokens), labels (of the answers).",
            labels,
        ),
        Gauge("bertworks_drift_limit_bits", "From where it counts as a drift.", labels),
        Gauge("bertworks_drift", "1 where the last window has drifted.", labels),
    )
