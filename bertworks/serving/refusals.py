"""What a server refuses, with the status that says whose fault it is."""

from __future__ import annotations

from bertworks.errors import DataError
from bertworks.spec.limits import Limits

SURPLUS = "bertworks.surplus"
"""What a scope says of a connection for which there is no room."""


class Refused(DataError):
    """A request that is not answered.

    Args:
        status: HTTP status.
        reason: One word for the log and the metrics, never the client's text.
        message: What is wrong, for the client.
        fix: What to do about it.
        retry_after: Seconds after which to ask again; None: asking again does not help.
        close: Whether the connection ends with the answer.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        fix: str = "",
        *,
        retry_after: int | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(message, fix)
        self.status, self.reason = status, reason
        self.retry_after, self.close = retry_after, close

    @property
    def said(self) -> str:
        """Message and fix on one line, as the answer's `error`."""
        if not self.fix:
            return self.message
        stop = "" if self.message.endswith((".", "!", "?")) else "."
        return f"{self.message}{stop} {self.fix}"


class Cancelled(Exception):
    """Raised in a thread that computes for a request that is no longer to be answered."""


def setting(name: str, needed: float | None) -> str:
    """The fix of a refusal by a limit: what changes it.

    Args:
        name: The limit's, of `serve.limits`.
        needed: The value that lets such a request pass; None: that is not known, as more would come.
    """
    bounds = (getattr(one, "le", None) for one in Limits.model_fields[name].metadata)
    most = next((bound for bound in bounds if bound is not None), None)
    if needed is not None and most is not None and needed > most:
        return f"Send less at once: `serve.limits.{name}` can be {most} at most."
    value, enough = ("N", ", N enough for all that is sent") if needed is None else (needed, "")
    return (
        f"Send less at once, or raise the limit: `--limit {name}={value}`, or `serve.limits.{name}` "
        f"in the spec{enough}."
    )


def as_refusal(error: Exception) -> Refused:
    """What a client is told of an error: whose fault it is and what it is; of one of ours, its type."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, DataError):
        return Refused(400, "row", error.message)
    if isinstance(error, Cancelled):
        return Refused(503, "cancelled", "Nobody waits for this answer any more.")
    # The message may hold anything.
    return Refused(500, "fault", f"The server failed ({type(error).__name__}).", "See its log.")


def crowded() -> Refused:
    """There are too many connections."""
    return Refused(
        429, "connections", "There are too many connections.",
        "Ask again later, and keep connections open; " + setting("connections", None),
        retry_after=1, close=True,
    )  # fmt: skip


def ending() -> Refused:
    """The server stops."""
    return Refused(
        503, "ending", "The server is stopping and cannot answer this in time.", "Ask again.",
        retry_after=1, close=True,
    )  # fmt: skip


def too_late() -> Refused:
    """The client waits no longer."""
    return Refused(504, "deadline", "The time that the request gave was over before its answer.")


def too_slow(limits: Limits) -> Refused:
    """It takes longer than is allowed."""
    return Refused(
        503, "slow", f"The answer took more than {limits.seconds:g} s.",
        setting("seconds", 2 * limits.seconds), retry_after=1,
    )  # fmt: skip
