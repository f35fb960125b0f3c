"""The tune step in a process of its own, to be killed."""

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    from tests.helpers.steps import tune

    given = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    inputs = Path(given["inputs"])
    tune(
        given["section"],
        tokens=inputs / "tokens",
        initial=inputs / "base",
        tuned=Path(sys.argv[2]),
    )
