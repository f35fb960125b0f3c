"""How fast an agent answers: one row at a time, and in batches."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from bertworks.artifacts import MANIFEST, Artifact
from bertworks.cpus import available_threads
from bertworks.evaluation.data import Columns
from bertworks.evaluation.predict import texts_of
from bertworks.progress import stage
from bertworks.serving.runtime import Agent

ROWS = 200
IN_BATCHES = 512
WARM_UP = 20


def measure(agent: Agent, rows: Columns, source: Artifact) -> dict[str, Any]:
    """Times a bundle or model on test rows, from text to answer, tokenizing included.

    Args:
        agent: The loaded bundle or model, on all threads that this process may use.
        rows: Test rows, as from `data.test_rows`.
        source: Its artifact.

    Returns:
        p50_ms and p95_ms of one row at a time over 200 real rows after a warm-up,
        rows_per_second over 512 rows in batches, size_mb (10^6 bytes, all files), threads.
    """
    texts = texts_of(agent, rows)
    order = np.random.default_rng(0).permutation(len(texts))
    picked = [texts[row] for row in np.resize(order, ROWS)]
    agent.predict(picked[:WARM_UP])
    for text in picked[:WARM_UP]:
        agent.predict([text])
    spent = []
    with stage("latency", total=len(picked), unit="rows") as current:
        for text in picked:
            began = time.perf_counter()
            agent.predict([text])
            spent.append(1000 * (time.perf_counter() - began))
            current.advance()
    many = [texts[row] for row in np.resize(order, IN_BATCHES)]
    began = time.perf_counter()
    agent.predict(many)
    seconds = time.perf_counter() - began
    return {
        "p50_ms": round(float(np.percentile(spent, 50)), 3),
        "p95_ms": round(float(np.percentile(spent, 95)), 3),
        "rows_per_second": round(len(many) / seconds, 1),
        "size_mb": round(size_mb(source), 3),
        "threads": available_threads(),
    }


def size_mb(source: Artifact) -> float:
    """All files but the manifest, in 10^6 bytes."""
    files = (file for file in source.path.rglob("*") if file.is_file() and file.name != MANIFEST)
    return sum(file.stat().st_size for file in files) / 1e6
