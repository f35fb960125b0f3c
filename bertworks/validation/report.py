"""What the step says at its end: numbers for the run's page, or an error that names the rows."""

from __future__ import annotations

from pathlib import Path

from bertworks import html
from bertworks.errors import DataError
from bertworks.validation.checks import Check
from bertworks.validation.rows import SPLITS
from bertworks.validation.scan import Scan
from bertworks.validation.view import Texts, excerpt

_SHOWN_ROWS = 5
_TEXT_LENGTH = 80
_MEASURED = (
    "encoding_damage", "too_long", "unknown_tokens", "near_duplicates", "leakage", "drift",
)  # fmt: skip


def metrics(scan: Scan, checks: list[Check]) -> dict[str, float]:
    """Rows a split, labels, the shares that the checks measured, and how many checks failed."""
    numbers: dict[str, float] = {f"rows_{split}": scan.rows[split] for split in SPLITS}
    numbers["labels"] = len(scan.labels.total())
    numbers |= {
        check.name: check.value
        for check in checks
        if check.name in _MEASURED and check.value is not None
    }
    numbers["checks_failed"] = sum(not check.passed for check in checks)
    return numbers


def refuse(checks: list[Check], texts: Texts, view: Path) -> None:
    """Raises when a check of severity "error" failed.

    Raises:
        DataError: Names the checks, the first rows that broke them, and the page that shows more.
    """
    failed = [check for check in checks if not check.passed and check.severity == "error"]
    if not failed:
        return
    lines = [f"The data failed {len(failed)} of {len(checks)} checks."]
    for check in failed:
        lines.append(f"- {check.name}: {html.cut(check.message, 500)}")
        for row in check.rows[:_SHOWN_ROWS]:
            split, text = texts.get(row, ("", ""))
            lines.append(f"    {row} ({split}): {excerpt(check, text, _TEXT_LENGTH)!r}")
    raise DataError(
        "\n".join(lines),
        f"Open {view} to see all of it. Then mend the data, or change limits and severities in the "
        "spec's validate.checks; where a change against the baseline is meant, run once with "
        "--set validate.baseline=none.",
    )
