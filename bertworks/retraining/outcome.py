"""How a retraining ended, from what its steps noted, in JSON and in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bertworks.failures import Failure

OUTCOMES = ("unchanged", "promoted", "kept", "refused", "cancelled", "failed")
_DONE = ("SUCCEEDED", "COMPLETE", "COMPLETED")
_CANCELLED = ("CANCELLED", "CANCELED", "CANCELING")
# KFP counts the tasks of the guarded part as each of them ends. A branch that is skipped after that is
# not counted any more, and a run that found nothing new "runs" until its end.
_UNTOLD = ("RUNNING", "PENDING", "UNKNOWN", "RUNTIME_STATE_UNSPECIFIED")
_SILENT = "a step ended without a word (killed, evicted, out of memory, or its image is not there)"
Notes = dict[str, dict[str, Any]]


def describe(
    name: str,
    run: str,
    time: str,
    status: dict[str, Any],
    notes: Notes,
    failures: list[Failure],
    silent: Sequence[str] = (),
) -> dict[str, Any]:
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
    compared, registered = notes.get("compare", {}), notes.get("register", {})
    state = str(status.get("state") or "").upper()
    if state in _UNTOLD:
        state = "FAILED" if silent else "SUCCEEDED"
    kind = _kind(state, compared, registered, failures)
    champion = registered.get("champion") or compared.get("champion")
    outcome: dict[str, Any] = {
        "format": 1,
        "agent": name,
        "run": run,
        "time": time,
        "outcome": kind,
        "reason": "",
        "step": None,
        "champion": champion["version"] if champion else None,
        "challenger": registered.get("version"),
        "metric": registered.get("metric"),
        "challenger_value": registered.get("challenger"),
        "champion_value": champion.get("value") if champion else None,
        "difference": champion.get("difference") if champion else None,
        "rows": compared.get("rows"),
        "new_rows": compared.get("new"),
        "new_labels": compared.get("new_labels", []),
        "drift": compared.get("drift", []),
    }
    if kind in ("failed", "cancelled"):
        first = failures[0] if failures else None
        outcome["step"] = first.task if first else next(iter(silent), None)
        outcome["reason"] = first.message if first else _unsaid(status, kind, outcome["step"])
    else:
        reasons = [compared.get("reason", ""), *registered.get("reasons", [])]
        outcome["reason"] = " ".join(_sentence(one) for one in reasons if one)
    return {**outcome, "text": _text(outcome, registered)}


def _kind(state: str, compared: dict[str, Any], registered: dict[str, Any], failures: Any) -> str:
    if state in _CANCELLED:
        return "cancelled"
    if failures or state not in _DONE:
        return "failed"
    if registered:
        return str(registered["outcome"])
    return "unchanged" if compared.get("changed") is False else "failed"


def _unsaid(status: dict[str, Any], kind: str, step: str | None) -> str:
    """The reason where no step left one."""
    if kind == "cancelled":
        return "the run was cancelled"
    if step:
        return "its process ended without a word: killed, evicted or out of memory"
    said = str(status.get("message") or "").strip()
    return f"{_SILENT} ({said})" if said else _SILENT


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _text(outcome: dict[str, Any], registered: dict[str, Any]) -> str:
    """One sentence for people, as chat systems show it."""
    name, kind = outcome["agent"], outcome["outcome"]
    stays = (
        f"version {outcome['champion']} stays" if outcome["champion"] else "there is no champion"
    )
    if kind == "unchanged":
        return f"{name}: {stays}. {outcome['reason']}"
    if kind == "cancelled":
        return f"{name}: the retraining was cancelled; {stays}."
    if kind == "failed":
        where = f" in step {outcome['step']}" if outcome["step"] else ""
        after = _after(registered)
        return f"{name}: the retraining failed{where}: {outcome['reason']}{after}"
    score = f"{outcome['metric']} {outcome['challenger_value']:.4f}"
    against = _against(outcome)
    if kind == "promoted":
        return (
            f"{name}: version {outcome['challenger']} is the new champion, {score}{against}."
            f"{_new_labels(outcome)}"
        )
    reasons = "; ".join(registered["reasons"])
    what = "the challenger was refused: " if kind == "refused" else "the challenger's "
    return f"{name}: {stays}; {what}{reasons}.{_new_labels(outcome)}"


def _new_labels(outcome: dict[str, Any]) -> str:
    """Which labels the champion could not answer before, a few of them by name."""
    names = outcome["new_labels"]
    if not names:
        return ""
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    who = "It knows" if outcome["outcome"] == "promoted" else "The champion does not know"
    return f" {who} the new label{'s' if len(names) > 1 else ''} {listed}."


def _after(registered: dict[str, Any]) -> str:
    """What was done all the same, when a later step failed."""
    if registered.get("outcome") == "promoted":
        return f"\nVersion {registered['version']} had become the champion before that."
    return ""


def _against(outcome: dict[str, Any]) -> str:
    gap = outcome["difference"]
    if gap is None:
        return ""
    against = f" against {outcome['champion_value']:.4f} of version {outcome['champion']}"
    if gap["low"] is None:
        return against
    between = f"{gap['low']:+.4f} to {gap['high']:+.4f}"
    return f"{against} on the same rows (95 % interval of the difference {between})"
