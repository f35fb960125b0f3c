"""TensorFlow's matrix products, timed for `benchmarks.efficiency`."""

from __future__ import annotations

import statistics
import time
from typing import Any

import tensorflow as tf

from benchmarks.harness.sides import serve
from bertworks.training.precision import prepare_devices


def rate(rows: int, inner: int, columns: int, kind: str, repeats: int) -> float:
    """Median FLOP/s of (rows, inner) times (inner, columns)."""
    left = tf.cast(tf.random.stateless_normal((rows, inner), (1, 2)), kind)
    right = tf.cast(tf.random.stateless_normal((inner, columns), (3, 4)), kind)
    product = tf.function(tf.matmul, autograph=False)
    # A GPU answers before it has computed: many products, then one number that needs the last.
    calls = 50 if tf.config.list_physical_devices("GPU") else 1

    def seconds() -> float:
        began = time.perf_counter()
        for _ in range(calls):
            result = product(left, right)
        result[0, 0].numpy()
        return (time.perf_counter() - began) / calls

    seconds()
    return 2 * rows * inner * columns / statistics.median(seconds() for _ in range(repeats))


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The FLOP/s of each shape, and the GPUs that computed it."""
    rates = [rate(*shape, request["kind"], request["repeats"]) for shape in request["shapes"]]
    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu)["device_name"] for gpu in gpus]
    return {"rates": rates, "gpus": names}


if __name__ == "__main__":
    prepare_devices()
    serve(answer)
