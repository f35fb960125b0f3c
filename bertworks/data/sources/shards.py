"""Files that say of themselves which part of how many they are: train-00000-of-00003.parquet."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from bertworks.notices import Notice
from bertworks.shortened import listed

_PART = re.compile(r"(?<!\d)(\d+)-of-(\d+)(?!\d)(?!.*\d-of-\d)")
_MOST = 100_000  # parts, beyond which the numbers mean something else
_SHOWN = 5


def notices(names: Iterable[str]) -> Iterator[Notice]:
    """What is missing of files that are parts of one; parts are counted from 0, or from 1.

    Args:
        names: Of all files that are read, with their folders.
    """
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for name in names:
        if part := _PART.search(name):
            found[name[: part.start()], part[2], name[part.end() :]].add(part[1])
    for (before, of, behind), parts in found.items():
        there, total = {int(one) for one in parts}, int(of)
        if total > _MOST:
            continue
        first = 1 if total in there and 0 not in there else 0
        every = set(range(first, first + total))
        if there < every:
            width = len(max(parts, key=len))
            missing = [f"{before}{one:0{width}}-of-{of}{behind}" for one in sorted(every - there)]
            are = "is" if len(missing) == 1 else "are"
            text = f"{len(missing)} of {total} parts {are} not read: {listed(missing, _SHOWN)}"
            yield Notice(text, "warning", len(missing))
