"""Runs notebooks with this interpreter as their kernel, whatever kernels a person has."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbclient
import pytest

REPOSITORY = Path(__file__).parents[2]


def execute(notebook: Any, folder: Path, kernels: Path) -> None:
    """Runs every cell in `folder`; the outputs are put into the notebook."""
    install = [sys.executable, "-m", "ipykernel", "install", "--prefix", str(kernels)]
    subprocess.run(install, check=True, capture_output=True)
    resources = {"metadata": {"path": str(folder)}}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("JUPYTER_PATH", str(kernels / "share/jupyter"))
        patched.setenv("IPYTHONDIR", str(kernels / "ipython"))
        patched.setenv("PYTHONPATH", str(REPOSITORY))
        nbclient.NotebookClient(notebook, timeout=1200, resources=resources).execute()
