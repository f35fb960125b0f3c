"""The report's list of what the steps dropped, cut, merged or warn of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bertworks.contracts.runs import RunRecord, RunStep
from bertworks.notices import Notice, tally
from bertworks.pages.parts import Badge, BadgeKind
from bertworks.pages.views import View
from bertworks.storage.artifacts import Artifact

KINDS: dict[str, BadgeKind] = {"warning": "warn", "note": "plain"}
SHOWN = 8
"""More notes of one step than these are folded; a warning never is."""


@dataclass(frozen=True)
class NoticeLine:
    """A notice, and where to read more; "" where there is no more."""

    level: Badge
    text: str
    more: str


@dataclass(frozen=True)
class StepNotices:
    """What one step tells, the first lines unfolded.

    Attributes:
        step: The box's name.
        tally: How many there are of each level.
        shown: Those that stand there at once.
        folded: Those that are there at a click.
        folded_tally: How many those are.
    """

    step: str
    tally: str
    shown: Sequence[NoticeLine]
    folded: Sequence[NoticeLine]
    folded_tally: str


@dataclass(frozen=True)
class NoticesPart(View):
    """How many notices there are in all, and those of each step."""

    template = "report/notices.html.j2"

    tally: str
    steps: Sequence[StepNotices]


def section(run: RunRecord, opened: dict[str, Artifact]) -> View | None:
    """Step by step, the warnings first; nothing where there is nothing to tell."""
    steps = [(step, step.told()) for step in run.steps]
    told = [notice for _, notices in steps for notice in notices]
    if not told:
        return None
    return NoticesPart(tally(told), [_of_step(step, notices) for step, notices in steps if notices])


def _of_step(step: RunStep, notices: list[Notice]) -> StepNotices:
    lines = [
        NoticeLine(
            Badge(notice.level, KINDS[notice.level]), notice.text, _placed(notice.more, step)
        )
        for notice in notices
    ]
    first = max(SHOWN, sum(notice.level == "warning" for notice in notices))
    return StepNotices(
        step.name, tally(notices), lines[:first], lines[first:], tally(notices[first:])
    )


def _placed(more: str, step: RunStep) -> str:
    """The path of a file of the step's outputs; a command, or a file that is gone, as it was told."""
    folders = step.outputs.values() if more else ()
    files = (Path(folder) / more for folder in folders)
    return next((str(file) for file in files if file.is_file()), more)
