"""What the step says at its end: numbers for the run's page, or an error that names the rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bertworks.contracts.statistics import Check
from bertworks.data.validation.profile.rows import SPLITS
from bertworks.data.validation.profile.scan import Scan
from bertworks.errors import DataError
from bertworks.notices import Notice
from bertworks.pages.statistics import Texts, excerpt
from bertworks.pages.text import cut
from bertworks.spec import Validate

_SHOWN_ROWS = 5
_TEXT_LENGTH = 80
_MEASURED = (
    "encoding_damage", "too_long", "unknown_tokens", "trimmed_words", "near_duplicates", "leakage",
    "drift",
)  # fmt: skip
_COMPARING = ("near_duplicates", "leakage")
# Checks whose limit has a name of its own in validate.checks.
_LIMITS = {
    "encoding_damage": "max_encoding_damage", "too_long": "max_too_long",
    "unknown_tokens": "max_unknown_tokens",
    "trimmed_words": "max_trimmed_words", "near_duplicates": "max_near_duplicates",
    "leakage": "max_leakage", "label_balance": "min_label_share", "rare_labels": "min_label_rows",
    "drift": "max_drift",
}  # fmt: skip
VIEW = "view.html"


def metrics(scan: Scan, checks: list[Check]) -> dict[str, float]:
    """Rows a split, labels, the shares that the checks measured, and how many checks failed.

    A task that predicts a number has no labels, and so no number of them.
    """
    numbers: dict[str, float] = {f"rows_{split}": scan.rows[split] for split in SPLITS}
    if labels := len(scan.labels.total()):
        numbers["labels"] = labels
    numbers |= {
        check.name: check.value
        for check in checks
        if check.name in _MEASURED and check.value is not None
    }
    numbers["checks_failed"] = sum(not check.passed for check in checks)
    return numbers


def notices(scan: Scan, checks: list[Check], settings: Validate) -> list[Notice]:
    """A warning for every check of severity "warning" that failed, and what was not looked at."""
    found = [
        Notice(_sentence(check), "warning", check.count, VIEW)
        for check in checks
        if not check.passed and check.severity == "warning"
    ]
    rows, compared = sum(scan.rows.values()), sum(scan.compared.values())
    compare = any(c.name in _COMPARING and c.severity != "ignore" for c in checks)
    if compare and compared < rows and settings.max_near_duplicate_rows <= compared:
        text = f"{rows - compared:,} of {rows:,} rows were not searched for near-duplicates"
        limit = f"validate.max_near_duplicate_rows = {settings.max_near_duplicate_rows:,}"
        found.append(Notice(f"{text}: {limit}", "note", rows - compared))
    return found


def _sentence(check: Check) -> str:
    """What a check found, with its limit's name in the spec."""
    limit = _LIMITS.get(check.name)
    setting = f"validate.checks.{limit or check.name}"
    held = f" = {check.limit:g}" if limit and check.limit is not None else ""
    return f"{check.name}: {cut(check.message, 300)} ({setting}{held})"


def refuse(checks: list[Check], texts: Texts, view: Path, told: Sequence[Notice] = ()) -> None:
    """Raises when a check of severity "error" failed; `told` goes with it.

    Raises:
        DataError: Names the checks, the first rows that broke them, and the page that shows more.
    """
    failed = [check for check in checks if not check.passed and check.severity == "error"]
    if not failed:
        return
    lines = [f"The data failed {len(failed)} of {len(checks)} checks."]
    for check in failed:
        lines.append(f"- {check.name}: {cut(check.message, 500)}")
        for row in check.rows[:_SHOWN_ROWS]:
            split, text = texts.get(row, ("", ""))
            lines.append(f"    {row} ({split}): {excerpt(check, text, _TEXT_LENGTH)!r}")
    error = DataError(
        "\n".join(lines),
        f"Open {view} to see all of it. Then mend the data, or change limits and severities in the "
        "spec's validate.checks; where a change against the baseline is meant, run once with "
        "--set validate.baseline=none.",
    )
    error.notices = told
    raise error
