"""How a benchmark was called, to stand beside what it measured."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any


def arguments_of(options: argparse.Namespace, defaults: Mapping[str, Any]) -> str:
    """What was given beyond the defaults and changes what is measured, as make takes it.

    Args:
        options: As parsed.
        defaults: Option to value; those that do not change what is measured are left out.
    """
    given = [
        f"--{name.replace('_', '-')} {getattr(options, name)}"
        for name, default in defaults.items()
        if getattr(options, name) != default
    ]
    return f' ARGS="{" ".join(given)}"' if given else ""
