"""The parts of a search on one machine: processes where it has CPUs for them, else one after another."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from bertworks.cpus import available_threads

CPUS_EACH = 2
"""With fewer a process the parts take as long as one after another, and the memory of all."""
Work = Callable[..., None]


def at_once(parts: int) -> bool:
    """Whether there are CPUs for so many processes."""
    return available_threads() >= CPUS_EACH * parts


def do_all(work: Work, parts: Sequence[Sequence[Any]]) -> None:
    """Does the work of every part, at once where `at_once` says so.

    Args:
        work: What to do, of a module that another process can import.
        parts: The arguments of each.
    """
    if not at_once(len(parts)):
        for arguments in parts:
            work(*arguments)
        return
    cpus = sorted(os.sched_getaffinity(0))[: available_threads()]
    shares = [cpus[number :: len(parts)] for number in range(len(parts))]
    # Not forks: TensorFlow has threads here already.
    with ProcessPoolExecutor(len(parts), multiprocessing.get_context("spawn")) as pool:
        begun = [
            pool.submit(_on, share, work, arguments)
            for share, arguments in zip(shares, parts, strict=True)
        ]
        for one in begun:
            one.result()


def _on(cpus: Collection[int], work: Work, arguments: Sequence[Any]) -> None:
    """Does a part's work on its share of the CPUs."""
    os.sched_setaffinity(0, cpus)
    work(*arguments)
