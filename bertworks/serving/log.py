"""What the server logs: one escaped line a request, never what a client wrote in its body.

Libraries put parts of requests into their messages, newlines and all; so their records are
escaped too, and an exception is told by its type and its places, without its message.
"""

from __future__ import annotations

import json
import logging
import re
import time
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bertworks.serving.exchange import Exchange

LOGGER = logging.getLogger("bertworks.serving")
FIELDS = "bertworks_fields"
"""Attribute of a record that gives what a JSON line says instead of the message, when it is called."""
LONGEST_PATH = 120
MOST_FRAMES = 6

_PROBE = re.compile(r"/|/metrics|/v2/health/\w+|/v[12]/models/[^/]+(/ready)?")
_PLAIN = re.compile(r"[^\x20-\x7e]|\\")
# Said again, better, by a line of ours.
_KNOWN = re.compile(r"Invalid HTTP request received|Unsupported upgrade|No supported WebSocket")


def escaped(text: str) -> str:
    """Text on one line of printable ASCII; what is not becomes \\n, \\x1b, \\u2028 and so on."""
    return _PLAIN.sub(lambda found: ascii(found.group())[1:-1], text)


def request(scope: Any, status: int, reason: str, seconds: float) -> None:
    """Logs a request; a probe or scrape that went well would bury what one looks for."""
    path = str(scope["path"])
    if status == 200 and scope["method"] == "GET" and _PROBE.fullmatch(path):
        return
    level = logging.INFO if status < 400 else logging.WARNING
    if not LOGGER.isEnabledFor(level):
        return
    client = scope.get("client") or ("-", 0)
    shown = path[:LONGEST_PATH] + "…" * (len(path) > LONGEST_PATH)

    def fields() -> dict[str, Any]:
        return {
            "client": client[0], "method": scope["method"], "path": shown, "status": status,
            "reason": reason, "ms": round(1000 * seconds, 3), **_of(scope.get("bertworks.exchange")),
        }  # fmt: skip

    said = (
        client[0], client[1], scope["method"], shown,
        status, f" {reason}" if reason else "", 1000 * seconds,
    )  # fmt: skip
    # Not by `log`, which looks for the calling line: half of what a line costs, of which there is one a
    # request.
    LOGGER.handle(
        LOGGER.makeRecord(
            LOGGER.name, level, __file__, 0, "%s:%s %s %s %s%s %.1f ms", said, None,
            "request", {FIELDS: fields},
        )
    )  # fmt: skip


def call(exchange: Exchange) -> None:
    """Logs a call over gRPC."""
    LOGGER.log(
        logging.INFO if exchange.status < 400 else logging.WARNING,
        "%s gRPC ModelInfer %s %s%s %.1f ms",
        exchange.client, exchange.model[:LONGEST_PATH], exchange.status,
        f" {exchange.reason}" if exchange.reason else "", 1000 * exchange.seconds["whole"],
    )  # fmt: skip


def connection(client: Any, status: int, told: str) -> None:
    """Logs what was refused before it was a request."""
    host, port = client or ("-", 0)
    fields = {"client": host, "status": status, "reason": "connection", "told": told}
    LOGGER.warning("%s:%s - - %s %s", host, port, status, told, extra={FIELDS: lambda: fields})


def fault(error: BaseException) -> None:
    """Logs a fault of ours: its type and places."""
    LOGGER.error("fault: %s", _places(error))


class Escape(logging.Filter):
    """Makes each record one escaped line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrites the record; drops what is said elsewhere."""
        message = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            message += f" {_places(record.exc_info[1])}"
            record.exc_info = None
        record.msg, record.args = escaped(message), ()
        return not _KNOWN.search(message)


def configure() -> None:
    """Has this package's lines go to stderr, and its libraries' warnings; every line is escaped."""
    for logger, level in ((LOGGER, logging.INFO), (logging.getLogger(), logging.WARNING)):
        if not logger.handlers:
            own = logging.StreamHandler()
            own.setFormatter(Lines("%(asctime)s bertworks %(levelname)s %(message)s"))
            logger.addHandler(own)
            logger.setLevel(level)
    LOGGER.propagate = False
    # What no line here says of itself is not looked up for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    escape = Escape()
    for name in ("bertworks.serving", "uvicorn", "uvicorn.error", "asyncio", "grpc", ""):
        for handler in logging.getLogger(name).handlers:
            if not any(isinstance(kept, Escape) for kept in handler.filters):
                handler.addFilter(escape)


class Lines(logging.Formatter):
    """Plain lines; the time of day is written out once a second, not for each of its lines."""

    _second, _written = -1, ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """The record's time, as `logging` has it."""
        second = int(record.created)
        if second != self._second:
            self._written = time.strftime(self.default_time_format, self.converter(second))
            self._second = second
        return f"{self._written},{int(record.msecs):03d}"


class JsonLines(logging.Formatter):
    """Each record as one JSON object: of a request its fields, of anything else its message."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        fields = getattr(record, FIELDS, None)
        told = fields() if fields is not None else {"message": record.getMessage()}
        # ASCII alone: nothing in it moves a terminal's cursor or ends the line.
        return json.dumps(line | told, default=str)


def as_json() -> None:
    """Has every line be JSON from here on."""
    configure()
    for handler in (*LOGGER.handlers, *logging.getLogger().handlers):
        handler.setFormatter(JsonLines())


def _of(exchange: Any) -> dict[str, Any]:
    """What a line tells of an exchange: nothing that the client wrote in its body."""
    if exchange is None:
        return {}
    caller = getattr(exchange.caller, "id", None)
    stages = {name: round(1000 * taken, 3) for name, taken in exchange.seconds.items()}
    facts = {
        "request": exchange.id, "protocol": exchange.protocol, "version": exchange.version,
        "digest": exchange.digest[:12], "caller": caller, "rows": len(exchange.rows),
        "bytes": exchange.bytes, "stages_ms": stages,
    }  # fmt: skip
    return {name: value for name, value in facts.items() if value not in ("", None)}


def _places(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    places = ", ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__name__} at {places or 'no place'}"
