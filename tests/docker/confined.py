"""Which images are tested, and how containers start: as pods of the restricted Pod Security Standard."""

import os
from pathlib import Path

IMAGES = os.environ.get("TEST_IMAGES", "pipeline serving pipeline-gpu tfx dialogue").split()
"""Which images the tests are about; `make images-test` names those that it built."""

CONFINED = {
    "read_only": True,
    "tmpfs": {"/tmp": "rw,exec,mode=1777"},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}


def user() -> str:
    """Root leaves the image's user; others run as themselves, so that they own what is written."""
    return "10001:10001" if os.getuid() == 0 else f"{os.getuid()}:0"


def readable(folder: Path) -> Path:
    """The folder, which any user may read from now on."""
    for place in (folder, *folder.rglob("*")):
        place.chmod(0o755 if place.is_dir() else 0o644)
    return folder
