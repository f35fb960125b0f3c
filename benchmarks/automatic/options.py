"""The options of benchmarks that make one result a data set and seed, and keep each."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.automatic.sets import SETS
from benchmarks.harness.results import FOLDER


def parser(description: str | None, root: str) -> argparse.ArgumentParser:
    """The options that all of them have.

    Args:
        description: The module's docstring.
        root: Where runs are kept, unless told.
    """
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [one.name for one in SETS]
    made.add_argument("--data", type=Path, help="folder of the data sets; sentiment needs none")
    made.add_argument("--only", nargs="+", default=names, metavar="NAME", help=", ".join(names))
    made.add_argument("--seeds", type=int, nargs="+", default=[42])
    made.add_argument("--root", type=Path, default=Path(root), help="where the runs are kept")
    made.add_argument(
        "--results", type=Path, default=FOLDER, help="where the results and the table are kept"
    )
    made.add_argument("--again", action="store_true", help="make what is kept already, too")
    return made


def read(options: argparse.ArgumentParser) -> argparse.Namespace:
    """What was given, with whole paths: commands run elsewhere."""
    given = options.parse_args()
    given.root = given.root.absolute()
    given.data = given.data.absolute() if given.data else None
    return given


def is_kept(file: Path, given: argparse.Namespace) -> bool:
    """Whether a result is there and stays; says so."""
    if given.again or not file.is_file():
        return False
    print(f"{file.name} is there: not made again", file=sys.stderr)
    return True
