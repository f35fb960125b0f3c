"""Puts the suites and the tests' helpers on the path."""

import sys
from pathlib import Path

import pytest

for folder in (Path(__file__).parent, Path(__file__).parent.parent / "helpers"):
    sys.path.insert(0, str(folder))

pytest.register_assert_rewrite("task_suite", "engine_suite", "place_suite")
