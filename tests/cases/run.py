"""Runs a folder of cases, each a small spec with its data, and prints what happened to each.

    python -m tests.cases.run PATH [NAME ...] [--all]

PATH holds one folder a case, with `spec.yaml`, its data, and a `README` whose "Right:" says what should
happen; what this program looks at stands in `expected.py`. Most cases are decided by the ingest and
validate steps in a second; those that need a trained agent run with `--all`. Exits with 1 when one is
not right.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bertworks.errors import BertworksError
from tests.cases.expected import EXPECTED, Outcome
from tests.cases.steps import data_steps, in_company, whole_way


def main() -> int:
    """Runs the cases of the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="folder with one folder a case")
    parser.add_argument("names", nargs="*", help="only these cases")
    parser.add_argument("--all", action="store_true", help="also those that train an agent")
    options = parser.parse_args()
    folders = [one for one in sorted(options.path.iterdir()) if one.is_dir()]
    folders = [one for one in folders if not options.names or one.name in options.names]
    table = Table("case", "right", "what happened", "", show_lines=True)
    wrong = 0
    for folder in folders:
        right = (folder / "README").read_text(encoding="utf-8").partition("Right:")[2].strip()
        happened, verdict = judge(folder, train=options.all)
        wrong += verdict == "FAIL"
        table.add_row(*(escape(cell) for cell in (folder.name, right, happened, verdict)))
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    console.print(f"{len(folders)} cases, {wrong} not right")
    return int(wrong > 0)


def judge(folder: Path, train: bool) -> tuple[str, str]:
    """What happened to a case, in words, and "pass", "FAIL" or "skip"."""
    expected = EXPECTED.get(folder.name)
    if expected is None:
        return "no expectation in tests/cases/expected.py", "skip"
    if expected.trains and not train:
        return "trains an agent: --all", "skip"
    with tempfile.TemporaryDirectory(prefix="cases-") as scratch:
        copy = Path(scratch) / folder.name
        shutil.copytree(folder, copy)
        copy.chmod(0o755)
        try:
            way = whole_way if expected.trains else data_steps
            outcome = (in_company if expected.in_company else way)(copy)
        except BertworksError as error:
            outcome = Outcome(error=error)
        except Exception as error:
            return f"{type(error).__name__}: {error}"[:300], "FAIL"
        try:
            return outcome.told(), "pass" if expected.check(outcome) else "FAIL"
        except (AssertionError, KeyError, IndexError, TypeError) as error:
            return f"{outcome.told()} ({type(error).__name__}: {error})", "FAIL"


if __name__ == "__main__":
    os.environ.setdefault("BERTWORKS_EVENTS", os.devnull)  # here: a caller keeps its environment
    sys.exit(main())
