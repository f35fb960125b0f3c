"""Timing on a machine that may be busy with other work.

Between what is measured a fixed float32 product is timed, on the same threads. How much slower than
at its best it is says how busy the machine was; its best times also tell whether there were moments
without other work at all, in which the least times of what is measured are those of a quiet machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertworks.contracts.latency import Latency, Load
from bertworks.runtime.engines import SPIN

Milliseconds = NDArray[np.float64]

ROWS, WIDTH = 128, 512  # of the product: about the work of a short text in a small encoder
AT_BEST = 1.25  # products that took up to so many times the least one were not disturbed
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


def load_of(products: Sequence[float] | Milliseconds) -> Load:
    """How busy the machine was, from the product's times in milliseconds; at least one."""
    times = np.asarray(products, float)
    best = float(times.min())
    return Load(
        best_ms=round(best, 4),
        slowdown=round(float(np.median(times)) / best, 3),
        p95_slowdown=round(float(np.percentile(times, 95)) / best, 3),
        undisturbed=round(float((times <= AT_BEST * best).mean()), 3),
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


def latency_of(times: Milliseconds, lengths: Sequence[int], load: Load) -> Latency:
    """How long one row takes alone, from times of shape (passes, rows) in milliseconds."""
    p50, p95 = (float(value) for value in np.percentile(times, [50, 95]))
    return Latency(round(p50, 3), round(p95, 3), round(undisturbed_p95(times, lengths), 3), load)
