"""The project's wheel, built from this checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def installed(folder: Path) -> Path:
    """Builds the wheel in a folder and unpacks it: the folder that stands for site-packages."""
    told = subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "-b", folder / "build",
         "egg_info", "-e", folder, "bdist_wheel", "-d", folder],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    site = folder / "site"
    zipfile.ZipFile(next(folder.glob("*.whl"))).extractall(site)
    return site


def run(site: Path, code: str) -> str:
    """What a program prints that finds the project there and nowhere else."""
    told = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=site.parent, capture_output=True, text=True,
        env={"PYTHONPATH": str(site), "PATH": "/usr/bin"},
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    return told.stdout
