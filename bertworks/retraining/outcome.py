"""How a retraining ended, from what its steps noted, in JSON and in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from bertworks.contracts.retraining import Challenge, Comparison, Ending, Outcome
from bertworks.failures import Failure

OUTCOMES: tuple[str, ...] = get_args(Ending)
_DONE = ("SUCCEEDED", "COMPLETE", "COMPLETED")
_CANCELLED = ("CANCELLED", "CANCELED", "CANCELING")
# KFP counts the tasks of the guarded part as each of them ends. A branch that is skipped after that is
# not counted any more, and a run that found nothing new "runs" until its end.
_UNTOLD = ("RUNNING", "PENDING", "UNKNOWN", "RUNTIME_STATE_UNSPECIFIED")
_SILENT = "a step ended without a word (killed, evicted, out of memory, or its image is not there)"


@dataclass(frozen=True)
class Notes:
    """What the steps of a run noted for its last one; None: nothing, or nothing that can be read."""

    compare: Comparison | None = None
    register: Challenge | None = None


def describe(
    name: str,
    run: str,
    time: str,
    status: Mapping[str, object],
    notes: Notes,
    failures: list[Failure],
    silent: Sequence[str] = (),
) -> Outcome:
    """The outcome of a run (docs/artifacts.md).

    The steps' own words count for more than the workflow's: a run is called good only when a step said
    how it ended and none says that it failed.

    Args:
        name: The agent.
        run: The run's id.
        time: When it ended, ISO 8601.
        status: `state` and `message` of the part that the exit handler guards.
        notes: What the compare and register steps noted.
        failures: Why steps failed, the oldest first.
        silent: Steps that began and neither ended well nor left a reason.
    """
    compared, registered = notes.compare, notes.register
    state = str(status.get("state") or "").upper()
    if state in _UNTOLD:
        state = "FAILED" if silent else "SUCCEEDED"
    kind = _kind(state, compared, registered, failures)
    found = Outcome(
        agent=name,
        run=run,
        time=time,
        outcome=kind,
        text="",
        champion=_champion(compared, registered),
        new_labels=compared.new_labels if compared else [],
        drift=compared.drift if compared else [],
        rows=compared.rows if compared else None,
        new_rows=compared.new if compared else None,
    )
    if registered is not None:
        before = registered.champion
        found = replace(
            found,
            challenger=registered.version,
            metric=registered.metric,
            challenger_value=registered.challenger,
            champion_value=before.value if before else None,
            difference=before.difference if before else None,
        )
    if kind in ("failed", "cancelled"):
        first = failures[0] if failures else None
        step = first.task if first else next(iter(silent), None)
        reason = first.message if first else _unsaid(status, kind, step)
    else:
        reasons = [compared.reason if compared else "", *(registered.reasons if registered else [])]
        step, reason = None, " ".join(_sentence(one) for one in reasons if one)
    found = replace(found, step=step, reason=reason)
    return replace(found, text=_text(found, registered))


def _champion(compared: Comparison | None, registered: Challenge | None) -> int | None:
    """Which version was compared with: what the later step says counts."""
    if registered is not None and registered.champion is not None:
        return registered.champion.version
    return compared.champion.version if compared and compared.champion else None


def _kind(
    state: str,
    compared: Comparison | None,
    registered: Challenge | None,
    failures: Sequence[Failure],
) -> Ending:
    if state in _CANCELLED:
        return "cancelled"
    if failures or state not in _DONE:
        return "failed"
    if registered is not None:
        return registered.outcome
    return "unchanged" if compared is not None and not compared.changed else "failed"


def _unsaid(status: Mapping[str, object], kind: str, step: str | None) -> str:
    """The reason where no step left one."""
    if kind == "cancelled":
        return "the run was cancelled"
    if step:
        return "its process ended without a word: killed, evicted or out of memory"
    said = str(status.get("message") or "").strip()
    return f"{_SILENT} ({said})" if said else _SILENT


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _text(outcome: Outcome, registered: Challenge | None) -> str:
    """One sentence for people, as chat systems show it."""
    name, kind = outcome.agent, outcome.outcome
    stays = f"version {outcome.champion} stays" if outcome.champion else "there is no champion"
    if kind == "unchanged":
        return f"{name}: {stays}. {outcome.reason}"
    if kind == "cancelled":
        return f"{name}: the retraining was cancelled; {stays}."
    if kind == "failed":
        where = f" in step {outcome.step}" if outcome.step else ""
        after = _after(registered)
        return f"{name}: the retraining failed{where}: {outcome.reason}{after}"
    score = f"{outcome.metric} {outcome.challenger_value or 0.0:.4f}"
    against = _against(outcome)
    if kind == "promoted":
        return (
            f"{name}: version {outcome.challenger} is the new champion, {score}{against}."
            f"{_new_labels(outcome)}"
        )
    reasons = "; ".join(registered.reasons if registered else [])
    what = "the challenger was refused: " if kind == "refused" else "the challenger's "
    if kind == "refused" and outcome.challenger == outcome.champion:
        what = "the challenger is the same bundle, which these gates refuse: "
    return f"{name}: {stays}; {what}{reasons}.{_new_labels(outcome)}"


def _new_labels(outcome: Outcome) -> str:
    """Which labels the champion could not answer before, a few of them by name."""
    names = outcome.new_labels
    if not names:
        return ""
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    who = "It knows" if outcome.outcome == "promoted" else "The champion does not know"
    return f" {who} the new label{'s' if len(names) > 1 else ''} {listed}."


def _after(registered: Challenge | None) -> str:
    """What was done all the same, when a later step failed."""
    if registered is not None and registered.outcome == "promoted":
        return f"\nVersion {registered.version} had become the champion before that."
    return ""


def _against(outcome: Outcome) -> str:
    gap = outcome.difference
    if gap is None:
        return ""
    against = f" against {outcome.champion_value:.4f} of version {outcome.champion}"
    if gap.low is None or gap.high is None:
        return against
    between = f"{gap.low:+.4f} to {gap.high:+.4f}"
    return f"{against} on the same rows (95 % interval of the difference {between})"
