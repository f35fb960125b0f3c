"""The Python that can learn policies: it has torch, stable-baselines3 and gymnasium.

Nothing else needs these, so that they are in an environment of their own: `.venv-dialogue` beside the
code, made by `make .venv-dialogue/.done`; in the image `bertworks/dialogue` what LEARNER names.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import bertworks
from bertworks.errors import EnvironmentFault

LEARNER = "BERTWORKS_LEARNER"
BESIDE = ".venv-dialogue/bin/python"


def learner() -> list[str]:
    """The beginning of a command that learns a policy.

    Raises:
        EnvironmentFault: No such Python is there.
    """
    named = os.environ.get(LEARNER)
    if named:
        if not Path(named).is_file():
            raise EnvironmentFault(
                f"{LEARNER} names no Python. Received: {named!r}",
                "Make the environment (make .venv-dialogue/.done) and name its bin/python, or unset it.",
            )
        return [named]
    house = Path(bertworks.__file__).resolve().parents[1]
    if (house / BESIDE).is_file():
        # It has the packages, and not bertworks itself.
        return ["env", f"PYTHONPATH={house}", str(house / BESIDE)]
    if find_spec("sb3_contrib") is not None:
        return [sys.executable]
    raise EnvironmentFault(
        "What learns policies of dialogues is not installed: torch, stable-baselines3, gymnasium.",
        "`make .venv-dialogue/.done` sets it up; or name a Python that has requirements/dialogue.txt "
        f"by {LEARNER}; or let rules choose: dialogue.learn.enabled: false.",
    )
