"""How much memory this process may still take, of the machine and of its container's limit."""

from __future__ import annotations

from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


def available_bytes(cgroups: Path = CGROUPS, meminfo: Path = MEMINFO) -> int | None:
    """Bytes that can be taken before the container or the machine is out of memory; None: unknown.

    What the kernel keeps of files and lets go of when it must counts as available.
    """
    known = [value for value in (_of_container(cgroups), _of_machine(meminfo)) if value is not None]
    return min(known, default=None)


def _of_container(cgroups: Path) -> int | None:
    two = "memory.max", "memory.current", "inactive_file"
    one = "memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"
    for limit, usage, inactive in (two, one):
        try:
            most = (cgroups / limit).read_text("ascii").strip()
            used = int((cgroups / usage).read_text("ascii"))
            stat = (cgroups / limit).with_name("memory.stat").read_text("ascii")
        except (OSError, ValueError):
            continue
        if most == "max":
            return None
        facts = dict(line.split() for line in stat.splitlines())
        return max(0, int(most) - used + int(facts.get(inactive, 0)))
    return None


def _of_machine(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text("ascii").splitlines()
    except OSError:
        return None
    found = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    kilobytes = next(found, None)
    return None if kilobytes is None else 1024 * int(kilobytes)
