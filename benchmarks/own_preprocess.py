"""Our side of the preprocessing benchmark: the transform step, in a process of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from bertworks.spec import Base, Task, Transform
from components.transform.step import Section, run


def main() -> None:
    """Writes the tokens artifact of the examples and the corpus in a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, help="folder of the artifacts examples and corpus")
    parser.add_argument("--base", type=Path, help="base artifact")
    parser.add_argument("--max-length", type=int)
    parser.add_argument("--output", type=Path, help="folder to write to")
    options = parser.parse_args()
    task = Task(max_length=options.max_length)
    run(
        Section(task=task, transform=Transform(), base=Base()),
        examples=options.rows / "examples",
        corpus=options.rows / "corpus",
        base=options.base,
        tokens=options.output / "tokens",
    )


if __name__ == "__main__":
    main()
