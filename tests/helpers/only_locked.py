"""Runs a module as `python -m` does where only the packages of a lock are: others seem not installed.

python only_locked.py REQUIREMENTS_TXT MODULE ARGUMENTS...
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import re
import runpy
import sys
from collections.abc import Sequence
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType


def canonical(name: str) -> str:
    """A distribution's name as locks write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def absent(lock: Path) -> set[str]:
    """The modules here that only distributions have which are not in the lock."""
    locked = set(re.findall(r"^([a-z0-9._-]+)==", lock.read_text("utf-8"), re.MULTILINE))
    own = {"bertworks"}
    return {
        module
        for module, owners in packages_distributions().items()
        if not (locked | own) & set(map(canonical, owners))
    }


class Without(importlib.abc.MetaPathFinder):
    """Finds what is on the path, but for some modules."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] in self._names:
            return None
        return importlib.machinery.PathFinder.find_spec(name, path, target)


def main(lock: str, module: str, *arguments: str) -> None:
    at = sys.meta_path.index(importlib.machinery.PathFinder)
    sys.meta_path[at] = Without(absent(Path(lock)))
    sys.path[0] = str(Path.cwd())
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
