"""torch's matrix products on the CPU, timed for `benchmarks.efficiency`."""

import statistics
import time
from typing import Any

import torch

from benchmarks.harness.sides import serve


def rate(rows: int, inner: int, columns: int, kind: str, repeats: int) -> float:
    """Median FLOP/s of (rows, inner) times (inner, columns)."""
    left = torch.randn(rows, inner).to(getattr(torch, kind))
    right = torch.randn(inner, columns).to(getattr(torch, kind))

    def seconds() -> float:
        began = time.perf_counter()
        torch.matmul(left, right)
        return time.perf_counter() - began

    with torch.inference_mode():
        seconds()
        return 2 * rows * inner * columns / statistics.median(seconds() for _ in range(repeats))


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The FLOP/s of each shape."""
    return {
        "rates": [rate(*shape, request["kind"], request["repeats"]) for shape in request["shapes"]]
    }


if __name__ == "__main__":
    serve(answer)
