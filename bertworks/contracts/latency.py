"""How fast an agent answers, and how busy the machine was when that was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bertworks.contracts.files import File

BUSY = 1.6  # times the least product's time, at the 95th percentile; a quiet machine has 1.1 to 1.4
LEAST_SHARE = 0.15  # of undisturbed products: with fewer the machine has no quiet moments


@dataclass(frozen=True)
class Load:
    """How busy the machine was: a fixed float32 product was timed between the rows.

    Attributes:
        best_ms: The least time of the product.
        slowdown: Its median time, in times of the least.
        p95_slowdown: Its 95th percentile, likewise.
        undisturbed: Share of the products that took at most 1.25 times the least.
        attempts: How many times it was measured until the machine was quiet, or patience was over.
        busy: Whether other work shows in a 95th percentile: p95_slowdown is more than 1.6.
    """

    best_ms: float
    slowdown: float
    p95_slowdown: float
    undisturbed: float
    attempts: int = 1

    WRITTEN: ClassVar[tuple[str, ...]] = ("busy",)

    @property
    def busy(self) -> bool:
        """Whether other work shows in a 95th percentile."""
        return self.p95_slowdown > BUSY

    @property
    def has_quiet_moments(self) -> bool:
        """Whether undisturbed times can be told from the others."""
        return not self.busy or self.undisturbed >= LEAST_SHARE

    def __str__(self) -> str:
        return (
            f"a fixed product took {self.slowdown:.1f} times as long as at best, "
            f"{self.p95_slowdown:.1f} times at the 95th percentile"
        )


@dataclass(frozen=True)
class Latency:
    """How long one row takes alone, in milliseconds.

    Attributes:
        p50_ms: The median, other work of the machine included.
        p95_ms: The 95th percentile, likewise.
        quiet_p95_ms: The p95 without the load: the 15 % quantile of the times of rows of about the
            95th percentile's length.
        load: How busy the machine was.
    """

    p50_ms: float
    p95_ms: float
    quiet_p95_ms: float
    load: Load

    @property
    def judged_ms(self) -> float:
        """The 95th percentile that a limit is held against: on a busy machine that without the load."""
        return min(self.p95_ms, self.quiet_p95_ms) if self.load.busy else self.p95_ms

    def within(self, limit: float) -> bool | None:
        """Whether the 95th percentile is at most `limit` milliseconds; None: the machine cannot tell.

        What is slow on a machine without quiet moments may be the machine's fault: it is neither met
        nor broken.
        """
        if self.judged_ms <= limit:
            return True
        return False if self.load.has_quiet_moments else None


@dataclass(frozen=True)
class Speed(Latency):
    """latency.json: text to answer, a model as a float32 ONNX graph.

    Attributes:
        rows_per_second: In batches.
        size_mb: 10^6 bytes, all files but the manifest.
        threads: CPU threads that it ran on.
    """

    rows_per_second: float = 0.0
    size_mb: float = 0.0
    threads: int = 1


def _before_loads(record: Any) -> Any:
    """Files of before loads were measured tell one p95, and nothing of the machine."""
    p95 = record["p95_ms"]
    quiet = {"best_ms": 0.0, "slowdown": 1.0, "p95_slowdown": 1.0, "undisturbed": 1.0}
    return {"p50_ms": p95, "quiet_p95_ms": p95, "load": quiet, **record}


LATENCY: File[Speed] = File("latency.json", Speed, migrate=_before_loads)
