"""A spec with its steps for each test, and the helpers that other tests have as well."""

import sys
from pathlib import Path

from tests.fixes.taking import bench

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS / name) for name in ("helpers", "cluster", "deploy")]

__all__ = ["bench"]
