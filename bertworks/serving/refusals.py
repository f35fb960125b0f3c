"""What a server refuses, with the status that says whose fault it is."""

from __future__ import annotations

from bertworks.errors import DataError
from bertworks.spec.limits import Limits


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
