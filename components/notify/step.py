"""Records how a retraining ended, and tells a webhook. Whatever goes wrong here, the step succeeds."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bertworks import failures
from bertworks.contracts.files import to_json
from bertworks.contracts.retraining import OUTCOME, Outcome
from bertworks.pages.outcome import page
from bertworks.retraining import webhook
from bertworks.retraining.outcome import Notes, describe
from bertworks.storage import artifacts
from bertworks.storage.outcomes import Outcomes, now
from components.contract import StepResult, StepSection


class Status(BaseModel):
    """How the part that the exit handler guards ended, as the workflow has it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: str | None = None
    message: str | None = None
    run: str | None = None


class Section(StepSection):
    """Where the outcome goes.

    Attributes:
        store: URI or path of the model store.
        webhook: Whether the spec names one.
        status: How the run ended.
    """

    name: str
    store: str
    status: Status
    webhook: bool = False


def run(section: Section, *, outcome: Path) -> StepResult:
    """Writes the outcome to the model store, posts it, and writes the outcome artifact.

    The webhook's URL comes from BERTWORKS_WEBHOOK, the reasons of failures from BERTWORKS_FAILURES, the
    run's id from KFP_RUN_ID.

    Args:
        section: name, store (URI or path of the model store), webhook (whether the spec names one),
            and status: `state`, `message` and `run` as the exit handler has them.
        outcome: Where the outcome artifact goes.
    """
    name, status = section.name, section.status
    time = now()
    known_as = os.environ.get(failures.RUN)
    run_id = known_as or (status.run or "").rpartition("/")[2] or f"unknown-{time}"
    notes, kept = _notes(section, run_id), ""
    found = describe(name, run_id, time, status.model_dump(), notes, *_failures(run_id))
    try:
        kept = Outcomes(section.store, name).add(found)
    except Exception as error:
        _warn(f"the outcome could not be kept in {section.store}: {error}")
    told = _tell(found, asked=section.webhook)
    with artifacts.write(outcome, kind="outcome", producer="notify") as folder:
        OUTCOME.write(folder, found)
        (folder / "view.html").write_text(page(found), encoding="utf-8")
    print(found.text, flush=True)
    return StepResult({"kept": int(bool(kept)), "told": int(told)}, html="view.html")


def _notes(section: Section, run_id: str) -> Notes:
    try:
        return Notes(*Outcomes(section.store, section.name).notes(run_id))
    except Exception as error:
        _warn(f"what the steps noted in {section.store} cannot be read: {error}")
        return Notes()


def _failures(run_id: str) -> tuple[list[failures.Failure], list[str]]:
    """Why steps failed, and which vanished without a reason."""
    root = os.environ.get(failures.ROOT)
    try:
        if root:
            vanished = [task for task in failures.silent(root, run_id) if task != "notify"]
            return failures.read(root, run_id), vanished
    except Exception as error:
        _warn(f"the reasons in {root} cannot be read: {error}")
    return [], []


def _tell(found: Outcome, asked: bool) -> bool:
    """Whether the webhook took it; without one nobody is told."""
    url = os.environ.get(webhook.URL, "").strip()
    if not url:
        if asked:
            _warn(f"{webhook.URL} is not set: the secret that retrain.webhook names is not there")
        return False
    try:
        webhook.post(url, to_json(found))
        return True
    except webhook.WebhookFault as error:
        _warn(f"the webhook was not told: {error}")
        return False


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr, flush=True)
