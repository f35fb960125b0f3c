"""Starting is quick: budgets with room for a busy machine; the README has the medians."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        ("import bertworks", 0.1),
        (
            "import sys; sys.argv = ['bertworks', '--help']\n"
            "from pipelines.cli import app\napp(standalone_mode=False)",
            0.5,
        ),
    ],
    ids=["import", "help"],
)
def test_start_up(code: str, limit: float) -> None:
    def seconds(program: str) -> float:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", program], cwd=REPOSITORY, check=True, capture_output=True
        )
        return time.perf_counter() - began

    # The interpreter's own start is not ours: the best of five of each, the difference counts.
    own = min(seconds(code) for _ in range(5))
    bare = min(seconds("pass") for _ in range(5))
    assert own - bare < limit


def test_nothing_heavy_is_imported_for_help() -> None:
    code = (
        "import sys\nfrom pipelines import cli\n"
        "heavy = {'tensorflow', 'keras', 'kfp', 'pandas', 'numpy', 'apache_beam', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
