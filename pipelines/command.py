"""How the user called this program, so that a command in a message can be typed as it stands."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

NAME = "bertworks"


def called() -> str:
    """`bertworks` where the shell finds it; else the path it was called by (.venv/bin/bertworks)."""
    own = sys.argv[0]
    if Path(own).name != NAME:
        return NAME
    found = shutil.which(NAME)
    return NAME if found and Path(found).resolve() == Path(own).resolve() else own
