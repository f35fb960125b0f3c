"""Candidates in memory: measured as asked, on a machine that is as busy as asked."""

from functools import cache
from pathlib import Path

import numpy as np

from bertworks.compression.candidates import Candidate, Limits
from bertworks.evaluation.gating.drops import Drop, best_by_chance
from bertworks.evaluation.predictions import Predictions
from bertworks.spec import Task
from bertworks.timing import latency_of, load_of

LENGTHS = list(range(8, 48))
NAMES = ("onnxruntime-fp32", "onnxruntime-int8", "openvino-bf16", "openvino-int8")


def answers(wrong, rows=867, task=None):
    """Right on all rows but those listed."""
    given = np.zeros(rows, int)
    given[list(wrong)] = 1
    ids = [str(row) for row in range(rows)]
    return Predictions(task or Task(), ["a", "b"], ids, np.zeros(rows, int), given)


@cache
def scored(lost, won, rows, confidence):
    """Drop and metric of a candidate; the float32 graph misses the last 160 rows."""
    missed = range(rows - 160, rows)
    now = answers([*range(lost), *list(missed)[won:]], rows)
    drop = Drop.between(now, answers(missed, rows), "accuracy", confidence)
    return drop, best_by_chance(now, "accuracy", confidence)


def load(times, rounds, stream):
    """What other work does to times, shape (rounds, n): bursts that last for several of them."""
    flat = times.reshape(-1).copy()
    place = 0
    while place < len(flat):
        place += int(stream.exponential(12))
        size = 1 + int(stream.exponential(8))
        flat[place : place + size] *= stream.uniform(1.5, 8.0)
        place += size
    return flat.reshape(times.shape)


def measured(spec, *, rounds=9, busy=0, rows=867, limits=None, noise=0.02):
    """Candidates with the limits' verdicts.

    Args:
        spec: Name to (size in MB, milliseconds a row in batches, rows lost, rows won).
        busy: Seed of the other work; 0: a quiet machine.
    """
    stream = np.random.default_rng(busy or 1)
    products = 1.0 + np.abs(stream.normal(0, noise, rounds * 24))
    if busy:
        products = load(products, rounds, stream)
    machine = load_of(products)
    found = []
    # Column by column: each round times every candidate, so a burst hits neighbours alike.
    clean = {name: 1.0 + np.abs(stream.normal(0, noise, (rounds, 41))) for name in spec}
    stacked = np.stack([clean[name] for name in spec], axis=1)  # (rounds, candidates, 41)
    if busy:
        stacked = load(stacked, rounds, stream)
    for place, (name, (size, ms, lost, won)) in enumerate(spec.items()):
        times = stacked[:, place]
        alone = times[:, 1:] * ms * 2 * (np.array(LENGTHS) / 28)
        one = Candidate(name, Path(), metric=0.0, size_mb=size)
        confidence = (limits or Limits(0.005)).confidence
        one.drop, (one.metric, one.at_best) = scored(lost, won, rows, confidence)
        one.batch_ms = (times[:, 0] * ms).tolist()
        one.alone_ms = np.median(alone, axis=1).tolist()
        one.latency = latency_of(alone, LENGTHS, machine)
        one.judge(limits or Limits(0.005))
        found.append(one)
    return found
