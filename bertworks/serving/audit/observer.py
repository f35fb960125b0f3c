"""What of a request is kept in the audit log, before its answer goes out.

A thread writes the lines of all that were answered meanwhile, together; an answer waits for its own
line, off the event loop. What was refused waits for nothing: where such requests come faster than lines
are written, what is more than `HELD` behind is dropped, and the log says how many were.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bertworks.serving import log as lines
from bertworks.serving.audit.log import AuditLog
from bertworks.serving.audit.masking import masked, masked_all
from bertworks.spec.audit import Audit

if TYPE_CHECKING:
    from bertworks.serving.exchange import Exchange

HELD = 4096
"""Lines of refused requests that wait to be written, at most."""
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
        self._changed = threading.Condition()
        self._waiting: list[tuple[Exchange, asyncio.Future[None] | None]] = []
        self._dropped, self._closed = 0, False
        self._thread = threading.Thread(target=self._run, name="auditor", daemon=True)
        self._thread.start()

    def note(self, exchange: Exchange, written: asyncio.Future[None] | None = None) -> None:
        """Has a line written; see `Recorder`."""
        with self._changed:
            if written is None and len(self._waiting) >= HELD:
                self._dropped += 1
                return
            self._waiting.append((exchange, written))
            self._changed.notify()

    def close(self) -> None:
        """Ends the log, once all that was noted is written."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self._log.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._waiting or self._dropped or self._closed):
                    self._changed.wait()
                taken, self._waiting = self._waiting, []
                dropped, self._dropped = self._dropped, 0
            if not (taken or dropped):
                return
            try:
                self._write([exchange for exchange, _ in taken])
                if dropped:
                    self._log.lose(dropped)
            except Exception as error:  # a fault of ours; who waits for its line waits no more
                lines.fault(error)
            _tell([written for _, written in taken if written is not None])

    def _write(self, exchanges: Sequence[Exchange]) -> None:
        records, failed = [], 0
        for exchange in exchanges:
            try:
                records.append(record_of(exchange, self._settings))
            except Exception as error:  # a fault of ours: no line for this one alone
                lines.fault(error)
                failed += 1
        self._log.write_all(records)
        if failed:
            self._log.lose(failed)


def _tell(written: Sequence[asyncio.Future[None]]) -> None:
    """Ends futures, each on its event loop, which is woken once."""
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for one in written:
        loops.setdefault(one.get_loop(), []).append(one)
    for loop, ended in loops.items():
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits.
            loop.call_soon_threadsafe(_end, ended)


def _end(ended: Sequence[asyncio.Future[None]]) -> None:
    for one in ended:
        if not one.done():
            one.set_result(None)


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
    if isinstance(row, tuple):
        return masked_all([part if isinstance(part, str) else " ".join(part) for part in row])
    return masked(" ".join(map(str, row)))
