"""docs/performance.md from benchmarks/results: `make bench-page`.

Only what stands between the two marks is written; the prose and the log around it stay as typed. Plots
are SVG files in docs/performance/.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import charts
from benchmarks.harness.results import FOLDER, Result, goal_text, ratio_text, shown
from benchmarks.harness.sides import REPOSITORY
from bertworks.storage.replacing import replacing

PAGE = REPOSITORY / "docs/performance.md"
BEGIN = "<!-- results: written by `make bench-page` -->"
END = "<!-- end of results -->"
ORDER = (
    "preprocess",
    "finetune",
    "pretrain",
    "efficiency",
    "efficiency-gpu",
    "agent",
    "seeds",
    "auto",
    "presets",
    "pruning",
    "cost",
    "overhead",
    "start-up",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads every result and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=FOLDER, help="folder of the result files")
    parser.add_argument("--page", type=Path, default=PAGE, help="the Markdown file with the marks")
    options = parser.parse_args(arguments)
    results = load(options.results)
    write(results, options.page)
    print(f"wrote {options.page}: {len(results)} benchmarks")


def load(folder: Path) -> list[Result]:
    """All results of a folder in the page's order.

    Raises:
        SystemExit: There are none, or one cannot be read.
    """
    results = []
    for file in sorted(folder.glob("*.json")):
        try:
            results.append(Result.load(file))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SystemExit(
                f"error: {file} cannot be read: {type(error).__name__}: {error}\n"
                f"  fix: make bench-{file.stem}"
            ) from None
    if not results:
        raise SystemExit(f"error: there are no results in {folder}.\n  fix: make bench")
    known = {name: place for place, name in enumerate(ORDER)}
    return sorted(results, key=lambda result: (known.get(result.name, len(known)), result.name))


def write(results: Sequence[Result], page: Path) -> None:
    """Puts the results between the page's marks, and the plots into the folder of the page's name.

    Raises:
        SystemExit: The page has no marks.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"error: {page} lacks the marks.\n  fix: add {BEGIN} and {END}")
    folder = page.with_suffix("")
    plots = {name: plot for result in results for name, plot in _plots(result).items()}
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        if old.name not in plots:
            old.unlink()
    for name, plot in plots.items():
        (folder / name).write_text(plot, encoding="utf-8")
    body = "\n\n".join([_overview(results), *(_section(one, folder.name) for one in results)])
    with replacing(page) as beside:
        beside.write_text(f"{before}{BEGIN}\n\n{body}\n\n{END}{after}", encoding="utf-8")


def _overview(results: Sequence[Result]) -> str:
    """All rows of which something was asked."""
    lines = ["| benchmark | what | peer | measured | asked |", "|---|---|---|---|---|"]
    for result in results:
        for row in result.rows:
            if row.goal is None:
                continue
            measured = f"{shown(row.own)} {row.unit}" if row.ratio is None else ratio_text(row)
            lines.append(
                f"| [{result.name}](#{result.name}) | {row.what} | {row.peer or '-'} | {measured} | "
                f"{goal_text(row)} |"
            )
    met = [row.met for result in results for row in result.rows if row.met is not None]
    return "\n".join([*lines, "", f"{sum(met)} of {len(met)} goals are met."])


def _section(result: Result, folder: str) -> str:
    parts = [
        f"### {result.name}",
        f"{result.title}. `{result.command}`; {result.data}; seed {result.seed}; "
        f"{result.machine}; {result.measured}.",
        result.markdown(),
        *(f"![{_spoken(name)}]({folder}/{name})" for name in _plots(result)),
    ]
    return "\n\n".join(parts)


def _spoken(name: str) -> str:
    return Path(name).stem.replace("-", " ")


def _plots(result: Result) -> dict[str, str]:
    """File name to SVG: the ratios, then one plot for each group of curves."""
    plots = {}
    compared = [row for row in result.rows if row.ratio is not None]
    if compared:
        plots[f"{result.name}-ratios.svg"] = charts.ratio_chart(compared)
    for name, curves in result.curves.items():
        plain = "".join(one if one.isalnum() else "-" for one in name.lower())
        plots[f"{result.name}-{plain}.svg"] = charts.line_chart(curves, *result.axes)
    return plots


if __name__ == "__main__":
    main()
