"""Work on shards while something else is waited for."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from components.transform.shards import Job, Shard, encode_shard

SWITCH_SECONDS = 0.0005  # how long the thread may have to wait for an interpreter that is importing


@contextlib.contextmanager
def encoding(shards: Sequence[Shard], job: Job) -> Iterator[None]:
    """Encodes shards on a thread while the block runs; the last one begun is finished after it.

    Loading TensorFlow keeps one core busy for seconds, while tokenizing is done outside of Python's
    lock. Shards that are not reached here are encoded by Beam; the bytes are the same.
    """
    stop = threading.Event()

    def work() -> None:
        for shard in shards:
            if stop.is_set():
                return
            encode_shard(shard, job)

    before = sys.getswitchinterval()
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        sys.setswitchinterval(SWITCH_SECONDS)
        try:
            yield
        finally:
            stop.set()
            sys.setswitchinterval(before)
        working.result()
