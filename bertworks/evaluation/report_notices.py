"""The report's table of what the steps dropped, cut, merged or warn of."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from bertworks import html
from bertworks.artifacts import Artifact
from bertworks.notices import read_notices, tally

_KINDS = {"warning": "warn", "note": "plain"}


def section(run: dict[str, Any], opened: dict[str, Artifact]) -> Markup:
    """A row a notice, step by step, the warnings first; nothing where there is none."""
    told = [
        (step["name"], notice)
        for step in run.get("steps") or []
        for notice in read_notices(step.get("notices") or ())
    ]
    if not told:
        return Markup("")
    rows = [
        [step, html.badge(notice.level, _KINDS[notice.level]), notice.text, notice.more]
        for step, notice in told
    ]
    summary = Markup('<p class="soft">{}</p>').format(tally(notice for _, notice in told))
    return summary + html.table(["step", "", "what it tells", "more"], rows)
