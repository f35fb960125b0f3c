import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE / "golden"))


@pytest.fixture(scope="session")
def peers():
    """Runs a script with the Python of the environment that has torch and transformers."""
    python = Path(os.environ.get("BERTWORKS_PEERS", ROOT / ".venv-peers/bin/python"))
    if not python.exists():
        pytest.skip(f"needs torch and transformers: set BERTWORKS_PEERS to a Python ({python})")

    def run(script, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            [python, HERE / script, *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]

    return run
