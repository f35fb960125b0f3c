"""Champion against challenger, as the page shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bertworks.serving.page.figures import Panel

TITLE = "Champion against challenger"
HEAD = ["figure", "limit", "mean", "from", "to", "compared"]


def trial_panel(status: Mapping[str, Any]) -> Panel | None:
    """The trial of a challenger; None: nothing is tried.

    Args:
        status: As `Upgrading.status`.
    """
    trial = status.get("trial")
    if trial is None:
        return None
    said = f"{_arm('Champion', trial['champion'])} {_arm('Challenger', trial['challenger'])}"
    if trial.get("clear"):
        said += f" The evidence is clear: {trial['reason']}"
    rows: list[list[str | float]] = [
        [
            figure["name"],
            figure["limit"],
            *(_shown(figure[part]) for part in ("value", "low", "high")),
            figure["compared"],
        ]
        for figure in trial["figures"]
    ]
    return Panel(TITLE, HEAD, rows, said, [1, 2, 3, 4, 5])


def _shown(value: float | None) -> str | float:
    return "–" if value is None or not math.isfinite(value) else round(value, 4)


def _arm(role: str, arm: Mapping[str, Any]) -> str:
    median = "" if arm["seconds"] is None else f", median {1000 * arm['seconds']:.1f} ms"
    asked = f"{arm['requests']} requests, {arm['errors']} errors"
    return f"{role}: version {arm['version']}, {asked}{median}."
