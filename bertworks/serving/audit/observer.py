"""What of an answered request is kept in the audit log."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bertworks.serving.audit.log import AuditLog
from bertworks.serving.audit.masking import masked, masked_all
from bertworks.spec.audit import Audit

if TYPE_CHECKING:
    from bertworks.serving.exchange import Exchange

LONGEST_NAME = 100
_OWN_ID = re.compile("[0-9a-f]{32}")
# What an answer may repeat of the text; what is kept of it is masked with the text, in one piece.
_TEXTUAL = ("tokens",)
_TEXTUAL_OF_ENTITY = ("text",)


class Auditor:
    """Writes a line for each request that asked a model, answered or refused.

    Args:
        log: Where to.
        settings: What is kept.
    """

    def __init__(self, log: AuditLog, settings: Audit) -> None:
        self._log, self._settings = log, settings

    def answered(self, exchange: Exchange) -> None:
        """Writes one."""
        self._log.write(record_of(exchange, self._settings))

    def close(self) -> None:
        """Ends the log."""
        self._log.close()


def record_of(exchange: Exchange, settings: Audit) -> dict[str, Any]:
    """The line of a request: who, when, what model; which version answered; and how.

    What clients chose freely, as ids and names of models that there are not, is masked too.
    """
    verdicts = [one for one in exchange.verdicts if one is not None]
    record: dict[str, Any] = {
        "kind": "answer",
        "time": datetime.fromtimestamp(exchange.arrived, UTC).isoformat(timespec="milliseconds"),
        "request": _named(exchange.id),
        "caller": exchange.caller.id if exchange.caller else None,
        "protocol": exchange.protocol,
        "model": _named(exchange.model),
        "version": exchange.version,
        "digest": exchange.digest,
        "status": exchange.status,
        "reason": exchange.reason,
        "rows": len(exchange.rows),
        "seconds": round(exchange.seconds.get("whole", 0.0), 6),
    }
    if verdicts:
        record["review"] = [
            None if one is None else [one.action, one.reason] for one in exchange.verdicts
        ]
    if settings.answers:
        record["answers"] = [_kept(answer) for answer in exchange.answers]
    if settings.texts:
        record["texts"] = [_masked_row(row) for row in exchange.rows]
    return record


def _named(text: str) -> str:
    """A name that a client may have chosen, cut and masked; an id of the server's own is none."""
    return text if _OWN_ID.fullmatch(text) else masked(text[:LONGEST_NAME])


def _kept(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer without what it repeats of the text, and without the scores of all other labels."""
    kept = {name: value for name, value in answer.items() if name not in _TEXTUAL}
    if "label" in kept:
        kept.pop("scores", None)
    if isinstance(kept.get("entities"), list):
        kept["entities"] = [
            {name: value for name, value in one.items() if name not in _TEXTUAL_OF_ENTITY}
            for one in kept["entities"]
        ]
    return kept


def _masked_row(row: Any) -> Any:
    """A row's texts; words as one text, as a number may be parted into several."""
    if isinstance(row, str):
        return masked(row)
    parts: Sequence[Any] = row
    return masked_all(list(parts)) if isinstance(row, tuple) else masked(" ".join(map(str, parts)))
