"""Batches for the training loop, prepared ahead in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

AHEAD = 4


@dataclass(frozen=True)
class MicroBatch:
    """What one forward and backward pass takes.

    Attributes:
        arrays: Model inputs and targets by name; each has one dtype and rank in all batches.
        count: What the sum of the losses is to be divided by: rows, or words, or masked tokens.
        tokens: Real tokens inside, for the rate.
    """

    arrays: dict[str, np.ndarray]
    count: float
    tokens: int


class Feed(Protocol):
    """Where batches come from. All is a function of (epoch, step): resuming needs no state."""

    def steps(self, epoch: int) -> Sequence[Any]:
        """What each optimizer step of an epoch takes; every epoch has the same number."""

    def shape(self, item: Any) -> tuple[int, int]:
        """(rows, tokens a row) of the batch of one of `steps(epoch)`, or of a part of it."""

    def parts(self, item: Any, epoch: int, number: int, parts: int) -> list[MicroBatch]:
        """The micro-batches of one step.

        Args:
            item: One of `steps(epoch)`.
            epoch: Counts from 0.
            number: The item's place in the epoch.
            parts: How many micro-batches to split the step into.
        """


def ahead(feed: Feed, first: int, total: int, parts: int) -> Iterator[list[MicroBatch]]:
    """Yields the batches of optimizer steps `first` to `total`, made in a thread a few steps ahead."""
    made: queue.Queue[list[MicroBatch] | BaseException | None] = queue.Queue(AHEAD)
    stop = threading.Event()

    def put(item: list[MicroBatch] | BaseException | None) -> None:
        while not stop.is_set():
            try:
                made.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for batches in _in_order(feed, first, total, parts):
                put(batches)
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:  # handed to the training thread, which raises it
            put(error)

    worker = threading.Thread(target=work, name="feed", daemon=True)
    worker.start()
    try:
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        worker.join()


def _in_order(feed: Feed, first: int, total: int, parts: int) -> Iterator[list[MicroBatch]]:
    per_epoch = len(feed.steps(0))
    done = first
    while done < total:
        epoch, start = divmod(done, per_epoch)
        items = feed.steps(epoch)
        for number in range(start, min(per_epoch, start + total - done)):
            yield feed.parts(items[number], epoch, number, parts)
            done += 1
