"""torch's matrix products, timed for `benchmarks.efficiency`: on a GPU where torch sees one."""

import statistics
import time
from typing import Any

import torch

from benchmarks.harness.sides import serve

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CALLS = 50 if DEVICE == "cuda" else 1  # as in benchmarks/own_products.py


def rate(rows: int, inner: int, columns: int, kind: str, repeats: int) -> float:
    """Median FLOP/s of (rows, inner) times (inner, columns)."""
    left = torch.randn(rows, inner, device=DEVICE).to(getattr(torch, kind))
    right = torch.randn(inner, columns, device=DEVICE).to(getattr(torch, kind))

    def seconds() -> float:
        began = time.perf_counter()
        for _ in range(CALLS):
            result = torch.matmul(left, right)
        result[0, 0].item()
        return (time.perf_counter() - began) / CALLS

    with torch.inference_mode():
        seconds()
        return 2 * rows * inner * columns / statistics.median(seconds() for _ in range(repeats))


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The FLOP/s of each shape."""
    return {
        "rates": [rate(*shape, request["kind"], request["repeats"]) for shape in request["shapes"]]
    }


if __name__ == "__main__":
    # TensorFlow's default for float32 products on a GPU: operands rounded to TF32.
    torch.backends.cuda.matmul.allow_tf32 = True
    serve(answer)
