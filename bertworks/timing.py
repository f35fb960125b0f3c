"""Timing on a machine that may be busy with other work.

Between what is measured a fixed float32 product is timed, on the same threads. How much slower than
at its best it is says how busy the machine was; its best times also tell whether there were moments
without other work at all, in which the least times of what is measured are those of a quiet machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertworks.compression.engines import SPIN

Milliseconds = NDArray[np.float64]

ROWS, WIDTH = 128, 512  # of the product: about the work of a short text in a small encoder
AT_BEST = 1.25  # products that took up to so many times the least one were not disturbed
BUSY = 1.6  # times the least product's time, at the 95th percentile; a quiet machine has 1.1 to 1.4
LEAST_SHARE = 0.15  # of undisturbed products: with fewer the machine has no quiet moments
LOW = 0.15  # the quantile that stands for undisturbed times
NEAR = 0.05  # share of the rows on either side of the 95th percentile that stand for it


class Product:
    """A fixed float32 matrix product in ONNX Runtime.

    Args:
        threads: CPU threads, as many as what is measured beside it has.
    """

    def __init__(self, threads: int) -> None:
        import onnx
        import onnxruntime

        stream = np.random.default_rng(0)
        weights = [
            onnx.numpy_helper.from_array(
                stream.standard_normal((WIDTH, WIDTH)).astype(np.float32), name
            )
            for name in ("a", "b")
        ]
        nodes = [
            onnx.helper.make_node("MatMul", ["x", "a"], ["y"]),
            onnx.helper.make_node("MatMul", ["y", "b"], ["z"]),
        ]
        shape = [ROWS, WIDTH]
        ends = [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
            for name in ("x", "z")
        ]
        graph = onnx.helper.make_graph(nodes, "product", ends[:1], ends[1:], weights)
        opset = [onnx.helper.make_opsetid("", 17)]
        model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
        settings.log_severity_level = 3
        settings.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN))
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
        )
        self._feeds = {"x": stream.standard_normal((ROWS, WIDTH)).astype(np.float32)}
        for _ in range(5):
            self.run()

    def run(self) -> None:
        """Computes it once."""
        self._session.run(None, self._feeds)


def milliseconds(work: Callable[..., object], *arguments: Any) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    work(*arguments)
    return 1e3 * (time.perf_counter() - began)


@dataclass(frozen=True)
class Load:
    """How busy the machine was.

    Attributes:
        best_ms: The least time of the product.
        slowdown: Its median time, in times of the least.
        p95_slowdown: Its 95th percentile, likewise.
        undisturbed: Share of the products that took at most 1.25 times the least.
        attempts: How many times it was measured until the machine was quiet, or patience was over.
    """

    best_ms: float
    slowdown: float
    p95_slowdown: float
    undisturbed: float
    attempts: int = 1

    @classmethod
    def of(cls, products: Sequence[float] | Milliseconds) -> Load:
        """From the product's times, in milliseconds; at least one."""
        times = np.asarray(products, float)
        best = float(times.min())
        return cls(
            best_ms=round(best, 4),
            slowdown=round(float(np.median(times)) / best, 3),
            p95_slowdown=round(float(np.percentile(times, 95)) / best, 3),
            undisturbed=round(float((times <= AT_BEST * best).mean()), 3),
        )

    @property
    def busy(self) -> bool:
        """Whether other work shows in a 95th percentile."""
        return self.p95_slowdown > BUSY

    @property
    def has_quiet_moments(self) -> bool:
        """Whether undisturbed times can be told from the others."""
        return not self.busy or self.undisturbed >= LEAST_SHARE

    def to_json(self) -> dict[str, Any]:
        """The record "load" of latency.json and timings.json."""
        return {**vars(self), "busy": self.busy}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Load:
        """Reads what `to_json` wrote."""
        return cls(**{name: record[name] for name in cls.__dataclass_fields__ if name in record})

    def __str__(self) -> str:
        return (
            f"a fixed product took {self.slowdown:.1f} times as long as at best, "
            f"{self.p95_slowdown:.1f} times at the 95th percentile"
        )


def undisturbed_p95(times: Milliseconds, lengths: Sequence[int]) -> float:
    """The 95th percentile over rows as a quiet machine would have it, in milliseconds.

    A row's time depends on its length alone. So it is read off the least times of all rows of about
    the 95th percentile's length: the tenth of the rows that lies around it.

    Args:
        times: Shape (passes, rows).
        lengths: Of the rows, in tokens or characters.
    """
    rows = times.shape[1]
    order = np.argsort(np.asarray(lengths), kind="stable")
    first = min(rows - 1, round((0.95 - NEAR) * rows))
    return float(np.quantile(times[:, order[first:]], LOW))


@dataclass(frozen=True)
class Latency:
    """How long one row takes alone, in milliseconds.

    Attributes:
        p50_ms, p95_ms: As measured, other work of the machine included.
        quiet_p95_ms: See `undisturbed_p95`.
        load: How busy the machine was.
    """

    p50_ms: float
    p95_ms: float
    quiet_p95_ms: float
    load: Load

    @classmethod
    def of(cls, times: Milliseconds, lengths: Sequence[int], load: Load) -> Latency:
        """From times of shape (passes, rows)."""
        p50, p95 = (float(value) for value in np.percentile(times, [50, 95]))
        return cls(round(p50, 3), round(p95, 3), round(undisturbed_p95(times, lengths), 3), load)

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

    def to_json(self) -> dict[str, Any]:
        """p50_ms, p95_ms, quiet_p95_ms and load."""
        return {
            "p50_ms": self.p50_ms,
            "p95_ms": self.p95_ms,
            "quiet_p95_ms": self.quiet_p95_ms,
            "load": self.load.to_json(),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Latency:
        """Reads latency.json; one without a load was written before loads were measured."""
        load = Load.from_json(record["load"]) if "load" in record else Load(0.0, 1.0, 1.0, 1.0)
        p95 = float(record["p95_ms"])
        return cls(
            float(record.get("p50_ms", p95)), p95, float(record.get("quiet_p95_ms", p95)), load
        )
