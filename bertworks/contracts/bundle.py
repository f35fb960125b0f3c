"""What a bundle was chosen from: its candidates, what each lost, and how fast each is."""

from __future__ import annotations

from dataclasses import dataclass, field

from bertworks.contracts.files import OMIT, UNWRITTEN, File
from bertworks.contracts.latency import Load


@dataclass(frozen=True)
class Loss:
    """How much worse a model is than another on the same rows.

    Attributes:
        metric: By which metric.
        value: The loss; below 0 where it is better. For metrics where lower is better, turned round.
        low: One-sided lower bound, at `confidence`.
        high: One-sided upper bound, likewise.
        confidence: The level, for example 0.95.
        rows: How many rows both answered.
        changed: How many of the answers differ; null for numbers, which nearly all do.
    """

    metric: str
    value: float
    low: float
    high: float
    confidence: float
    rows: int
    changed: int | None


@dataclass(frozen=True)
class Check:
    """What one limit says of a candidate.

    Attributes:
        setting: Its name in the spec.
        limit: The limit.
        value: What was measured.
        met: Whether it is met; null where the machine was too busy to tell.
        said: Value and limit in words.
        excess: How far beyond the limit, in its own measure; 0 where it is met.
    """

    setting: str
    limit: float
    value: float
    met: bool | None
    said: str
    excess: float = field(default=0.0, metadata=UNWRITTEN)


@dataclass(frozen=True)
class Times:
    """What the clock said of a candidate, and all that follows from it.

    Attributes:
        rows_per_second: In batches; the median round.
        latency_ms: One row at a time, the median over rows.
        p95_ms: Its 95th percentile.
        quiet_p95_ms: That without the load of the machine.
        batch_ms: Milliseconds a row in length-sorted batches, one a round.
        alone_ms: Milliseconds of one row at a time, the median over rows, one a round.
        checks: What each limit says.
        reason: Why it was chosen or not; the error where it could not be built or run.
    """

    rows_per_second: float | None = None
    latency_ms: float | None = None
    p95_ms: float | None = None
    quiet_p95_ms: float | None = None
    batch_ms: list[float] = field(default_factory=list)
    alone_ms: list[float] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    reason: str = ""


@dataclass(frozen=True)
class Tried:
    """A candidate, as agent.json lists it: what another run on the same data finds as well.

    Attributes:
        name: As in the spec, for example "onnxruntime-int8".
        metric: The run's metric on validation rows.
        drop: How much worse it is than the float32 graph on the same validation rows.
        size_mb: Bytes of the graph, 10^6.
        chosen: Whether it is the one in the bundle.
        times: Of older bundles, which have no timings.json.
    """

    name: str
    metric: float | None = None
    drop: Loss | None = None
    size_mb: float | None = None
    chosen: bool = False
    times: Times | None = field(default=None, metadata=OMIT)


@dataclass(frozen=True)
class EngineFile:
    """What runs a bundle's graph.

    Attributes:
        name: "onnxruntime" or "openvino".
        file: The graph, a file of the bundle.
        options: Settings of the engine.
    """

    name: str
    file: str
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Timings:
    """timings.json of a bundle.

    Attributes:
        candidates: By name.
        load: How busy the machine was.
        threads: CPU threads that were measured with.
        metrics: Of the chosen one: rows_per_second, latency_ms and p95_ms.
    """

    candidates: dict[str, Times] = field(default_factory=dict)
    load: Load | None = None
    threads: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)


TIMINGS: File[Timings] = File("timings.json", Timings)
