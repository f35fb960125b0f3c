"""One candidate graph: what was measured of it, and what the spec's limits say of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertworks.contracts.agent import AGENT
from bertworks.contracts.bundle import TIMINGS as TIMED
from bertworks.contracts.bundle import Check, EngineFile, Times, Tried
from bertworks.contracts.latency import Latency
from bertworks.evaluation.gating.drops import Drop
from bertworks.runtime.engines import Engine, Floats
from bertworks.runtime.inference import Runner
from bertworks.spec import Quantize
from bertworks.spec.task_kinds import lower_is_better
from bertworks.storage.artifacts import Artifact

TIMINGS = TIMED.name
OWN_DROP = "compress.quantize.max_drop"


@dataclass(frozen=True)
class Limits:
    """What the bundle will be held against; None: not asked.

    Attributes:
        own_drop: compress.quantize.max_drop.
        confidence: The level at which a drop counts as more than chance.
        max_drop, minimum, max_size_mb, max_latency_ms: As in the spec's gates.
        beside_mb: What the bundle holds beside the graph, 10^6 bytes.
    """

    own_drop: float
    confidence: float = 0.95
    max_drop: float | None = None
    minimum: float | None = None
    max_size_mb: float | None = None
    max_latency_ms: float | None = None
    beside_mb: float = 0.0

    @classmethod
    def of(cls, settings: Quantize, gates: Mapping[str, Any], beside_mb: float) -> Limits:
        """From the spec's compress.quantize, and what its gates ask."""
        asked = {
            name: gates.get(name)
            for name in ("max_drop", "minimum", "max_size_mb", "max_latency_ms")
        }
        return cls(settings.max_drop, settings.confidence, **asked, beside_mb=beside_mb)


@dataclass
class Candidate:
    """One graph on one engine, and what was measured of it.

    Attributes:
        name: As in the spec, for example "onnxruntime-int8".
        folder: Where its graph lies.
        engine: agent.json's "engine": name, file, options; None when it could not be built.
        metric: The run's metric on validation rows.
        at_best: What it may be on other rows by chance, at the spec's confidence.
        logits: Of the validation rows, one array a row.
        drop: How much worse it is than the float32 graph on the same rows.
        size_mb: Bytes of the graph, 10^6.
        batch_ms: Milliseconds a row in length-sorted batches, as the agent runs them; one a round.
        alone_ms: Milliseconds of one row at a time, the median over rows; one a round.
        latency: Of one row at a time, over all rounds.
        checks: What each limit says.
        chosen: Whether it goes into the bundle.
        reason: Why it was chosen or not; the error when it could not be built or run.
    """

    name: str
    folder: Path
    engine: EngineFile | None = None
    metric: float | None = None
    at_best: float | None = None
    drop: Drop | None = None
    size_mb: float | None = None
    batch_ms: list[float] = field(default_factory=list)
    alone_ms: list[float] = field(default_factory=list)
    latency: Latency | None = None
    checks: list[Check] = field(default_factory=list)
    chosen: bool = False
    reason: str = ""
    loaded: Engine | None = field(default=None, repr=False)
    runner: Runner | None = field(default=None, repr=False)
    logits: list[Floats] | None = field(default=None, repr=False)

    @property
    def ran(self) -> bool:
        """Whether it could be built and run."""
        return self.metric is not None and bool(self.batch_ms)

    @property
    def broken(self) -> list[Check]:
        """The limits that it does not meet."""
        return [check for check in self.checks if check.met is False]

    @property
    def rows_per_second(self) -> float | None:
        """In batches; the median round."""
        return 1e3 / float(np.median(self.batch_ms)) if self.batch_ms else None

    def cost_ms(self, prefer: str) -> NDArray[np.float64]:
        """Milliseconds that the choice goes by, one a round.

        A row in a batch ("throughput"), a row alone ("latency"), or the sum of the two: an engine
        that is fast in batches but stumbles over single rows serves badly.
        """
        batch, alone = np.array(self.batch_ms), np.array(self.alone_ms)
        return {"throughput": batch, "latency": alone, "balanced": batch + alone}[prefer]

    def judge(self, limits: Limits) -> None:
        """Holds what was measured so far against every limit."""
        checks = [_drop_check(self.drop, OWN_DROP, limits.own_drop)]
        checks.append(_drop_check(self.drop, "gates.max_drop", limits.max_drop))
        checks.append(_minimum_check(self, limits.minimum))
        checks.append(_size_check(self.size_mb, limits))
        checks.append(_latency_check(self.latency, limits.max_latency_ms))
        self.checks = [check for check in checks if check is not None]

    def tried(self) -> Tried:
        """The entry in agent.json's "candidates": what another run on the same data finds as well."""
        return Tried(self.name, self.metric, self.drop, self.size_mb, self.chosen)

    def times(self) -> Times:
        """The entry in timings.json: what the clock said, and all that follows from it."""
        latency = self.latency
        return Times(
            rows_per_second=self.rows_per_second,
            latency_ms=None if latency is None else latency.p50_ms,
            p95_ms=None if latency is None else latency.p95_ms,
            quiet_p95_ms=None if latency is None else latency.quiet_p95_ms,
            batch_ms=[round(value, 4) for value in self.batch_ms],
            alone_ms=[round(value, 4) for value in self.alone_ms],
            checks=self.checks,
            reason=self.reason,
        )


def table(bundle: Artifact) -> list[Tried]:
    """The candidates of a bundle, with their times; of older bundles too, which have both in one."""
    found = AGENT.read(bundle).candidates or []
    times = TIMED.read(bundle).candidates if (bundle / TIMINGS).is_file() else {}
    return [replace(one, times=times.get(one.name) or one.times or Times()) for one in found]


def _drop_check(drop: Drop | None, setting: str, limit: float | None) -> Check | None:
    if drop is None or limit is None:
        return None
    met = not drop.beyond(limit)
    excess = 0.0 if met else (drop.low - limit) / max(limit, drop.resolution)
    said = f"{drop}, {setting} is {limit:g}"
    return Check(setting, limit, drop.value, met, said, excess)


def _minimum_check(one: Candidate, limit: float | None) -> Check | None:
    """Validation rows only hint at the test score: below by more than chance, or not at all."""
    if one.drop is None or one.metric is None or one.at_best is None or limit is None:
        return None
    sign = -1.0 if lower_is_better(one.drop.metric) else 1.0
    short = sign * (limit - one.at_best)
    said = (
        f"{one.drop.metric} {one.metric:.4f} on {one.drop.rows} validation rows, by chance at best "
        f"{one.at_best:.4f}; gates.minimum is {limit:g}"
    )
    excess = max(0.0, short / max(abs(limit), 1e-9))
    return Check("gates.minimum", limit, one.metric, short <= 0, said, excess)


def _size_check(size_mb: float | None, limits: Limits) -> Check | None:
    limit = limits.max_size_mb
    if size_mb is None or limit is None:
        return None
    whole = size_mb + limits.beside_mb
    said = f"{whole:.1f} MB with the tokenizer, gates.max_size_mb is {limit:g}"
    excess = max(0.0, whole / limit - 1.0)
    return Check("gates.max_size_mb", limit, round(whole, 3), whole <= limit, said, excess)


def _latency_check(latency: Latency | None, limit: float | None) -> Check | None:
    if latency is None or limit is None:
        return None
    met, value = latency.within(limit), latency.judged_ms
    said = f"p95 {value:.2f} ms a row, gates.max_latency_ms is {limit:g}"
    if met is None:
        said += f"; the machine was too busy to tell: {latency.load}"
    elif latency.load.busy:
        said += f" (without the load; {latency.p95_ms:.2f} ms as measured: {latency.load})"
    excess = 0.0 if met is not False else value / limit - 1.0
    return Check("gates.max_latency_ms", limit, value, met, said, excess)


def names(candidates: Sequence[Candidate]) -> str:
    """Their names, in words."""
    return ", ".join(one.name for one in candidates)
