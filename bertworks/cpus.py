"""How many CPUs this process may use, of the machine and of its container's share, and what they can.

A container with a limit of two CPUs on a machine with 64 sees all 64; threads for all of them are then
stopped most of the time, and everything takes many times longer.
"""

from __future__ import annotations

import math
import os
from collections.abc import MutableMapping
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
CPUINFO = Path("/proc/cpuinfo")
# What TensorFlow, oneDNN and the linear algebra under NumPy take their number of threads from.
VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def available_threads() -> int:
    """CPUs that this process may use, at least 1; a share of one counts as a whole."""
    usable = len(os.sched_getaffinity(0))
    share = quota()
    return usable if share is None else max(1, min(usable, math.ceil(share)))


def quota(cgroups: Path = CGROUPS) -> float | None:
    """CPUs that the container's limit allows; None without a limit."""
    try:
        limit, period = (cgroups / "cpu.max").read_text("ascii").split()  # version 2
    except (OSError, ValueError):
        try:  # version 1
            limit = (cgroups / "cpu/cpu.cfs_quota_us").read_text("ascii").strip()
            period = (cgroups / "cpu/cpu.cfs_period_us").read_text("ascii").strip()
        except OSError:
            return None
    try:
        return int(limit) / int(period) if int(limit) > 0 else None
    except (ValueError, ZeroDivisionError):
        return None  # "max": no limit


def bound_threads(environment: MutableMapping[str, str]) -> None:
    """Tells libraries of a container's limit, before they are imported; what is set stays."""
    if quota() is not None:
        for name in VARIABLES:
            environment.setdefault(name, str(available_threads()))


def instructions(cpuinfo: Path = CPUINFO) -> set[str]:
    """The CPUs' features as Linux names them on x86, "avx2" for example; none where it tells none."""
    return {
        flag for line in _told(cpuinfo) if line.startswith("flags") for flag in line.split()[2:]
    }


def vendor(cpuinfo: Path = CPUINFO) -> str:
    """Who made the CPU, as Linux tells it on x86, "AuthenticAMD" for one; empty where it tells none."""
    vendors = (line.split()[-1] for line in _told(cpuinfo) if line.startswith("vendor_id"))
    return next(vendors, "")


def _told(cpuinfo: Path) -> list[str]:
    """What the system says of the CPUs; nothing where it says nothing."""
    try:
        return cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
