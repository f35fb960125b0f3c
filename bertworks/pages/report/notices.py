"""The report's list of what the steps dropped, cut, merged or warn of."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from bertworks.contracts.runs import RunRecord, RunStep
from bertworks.notices import Notice, tally
from bertworks.pages import html
from bertworks.storage.artifacts import Artifact

_KINDS = {"warning": "warn", "note": "plain"}
SHOWN = 8
"""More notes of one step than these are folded; a warning never is."""


def section(run: RunRecord, opened: dict[str, Artifact]) -> Markup:
    """Step by step, the warnings first; nothing where there is nothing to tell."""
    steps = [(step, step.told()) for step in run.steps]
    told = [notice for _, notices in steps for notice in notices]
    if not told:
        return Markup("")
    parts = [Markup('<p class="soft">{}</p>').format(tally(told))]
    parts += [_of_step(step, notices) for step, notices in steps if notices]
    return Markup("\n").join(parts)


def _of_step(step: RunStep, notices: list[Notice]) -> Markup:
    lines = [_line(notice, _placed(notice.more, step)) for notice in notices]
    first = max(SHOWN, sum(notice.level == "warning" for notice in notices))
    shown, rest = lines[:first], lines[first:]
    folded = Markup("<details><summary>{} more</summary>{}</details>").format(
        tally(notices[first:]), Markup("").join(rest)
    )
    return Markup('<h3>{} <span class="soft">{}</span></h3>{}{}').format(
        html.visible(step.name), tally(notices), Markup("").join(shown), folded if rest else ""
    )


def _line(notice: Notice, more: str) -> Markup:
    see = Markup(' <span class="soft">see <code>{}</code></span>').format(html.visible(more))
    return Markup('<p class="notice">{}<span>{}{}</span></p>').format(
        html.badge(notice.level, _KINDS[notice.level]),
        html.visible(notice.text),
        see if more else "",
    )


def _placed(more: str, step: RunStep) -> str:
    """The path of a file of the step's outputs; a command, or a file that is gone, as it was told."""
    folders = step.outputs.values() if more else ()
    files = (Path(folder) / more for folder in folders)
    return next((str(file) for file in files if file.is_file()), more)
