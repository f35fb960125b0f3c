"""Asks a server over HTTP, and asks again where it says that it is busy."""

from __future__ import annotations

import http.client
import json
import os
import random
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

from bertworks import __version__
from bertworks.client.answers import Answer, Asked, ServerRefused

KEY = "BERTWORKS_KEY"
"""Environment variable with the key or token."""
Row = str | Sequence[str] | Mapping[str, Any]
"""A text, two texts or a list of words, or an object with these by name; as the agent's task takes."""
_AGAIN = (429, 502, 503, 504)
_LONGEST_WAIT = 30.0
_FIRST_WAIT = 0.25


class _Told(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: Any


class Client:
    """A client of one model. Threads may share it; each has a connection of its own.

    Args:
        url: The server's address, for example http://127.0.0.1:8080.
        model: The model's name there.
        key: The key or token; None: what BERTWORKS_KEY holds, if anything.
        timeout: Seconds that one request may take.
        patience: Seconds that are spent in all on asking again where the server is busy (429), cannot
            answer now (502, 503, 504) or is not reached; it is asked as it says by Retry-After.
        at_once: Rows of a request, at most; more become several requests.
        context: For https; None: the system's authorities (SSL_CERT_FILE names others).
        sleep: Waits.
        tell: Is told, before each wait, why and for how long.

    Raises:
        ServerRefused: The address is none.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        model: str = "agent",
        *,
        key: str | None = None,
        timeout: float = 60.0,
        patience: float = 60.0,
        at_once: int = 256,
        context: ssl.SSLContext | None = None,
        sleep: Callable[[float], None] = time.sleep,
        tell: Callable[[str], None] = lambda message: None,
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ServerRefused(
                f"The server's address must begin with http:// or https://. Received: {url[:100]!r}",
                "For example: http://127.0.0.1:8080",
            )
        self.model = model
        self._parts, self._path = parts, parts.path.rstrip("/")
        self._key = os.environ.get(KEY, "") if key is None else key
        self._timeout, self._patience, self._at_once = timeout, patience, max(1, at_once)
        self._context, self._sleep, self._tell = context, sleep, tell
        self._local = threading.local()

    def ask(self, rows: Sequence[Row]) -> Asked:
        """The answers to rows, in their order.

        Args:
            rows: One or more, see `Row`.

        Raises:
            ServerRefused: The server refuses a row, or does not answer in time.
        """
        answers: list[Answer] = []
        last: dict[str, Any] = {}
        identifier = ""
        for first in range(0, len(rows), self._at_once):
            instances = list(rows[first : first + self._at_once])
            told = self._call("POST", f"/v1/models/{self._name}:predict", {"instances": instances})
            last, identifier = told.body, told.headers.get("x-request-id", "")
            answers += last["predictions"]
        return Asked(
            tuple(answers), identifier, str(last.get("model_version", "")), last.get("digest", "")
        )

    def ask_one(self, row: Row) -> Answer:
        """The answer to one row; raises as `ask`."""
        return self.ask([row])[0]

    def tell(self, request: str, label: Any = None, row: int = 0, tags: Sequence[str] = ()) -> None:
        """Tells what would have been right.

        Args:
            request: `Asked.request`.
            label: The label, the labels, the score or the intent.
            row: Which of its rows, from 0.
            tags: Of tagging and understanding: one a word.

        Raises:
            ServerRefused: The server keeps no feedback, or remembers no such request.
        """
        right: dict[str, Any] = {"tags": list(tags)} if tags else {}
        if label is not None or not tags:
            right["label"] = label
        self._call("POST", "/v1/feedback", {"request": request, "row": row, **right})

    def ready(self) -> bool:
        """Whether the model can be asked now."""
        try:
            return self._once("GET", f"/v2/models/{self._name}/ready", None).status == 200
        except OSError:
            return False

    def metadata(self) -> dict[str, Any]:
        """The model's versions, inputs and outputs, as V2 has them."""
        found: dict[str, Any] = self._call("GET", f"/v2/models/{self._name}", None).body
        return found

    def upgrades(self) -> dict[str, Any]:
        """Of a model that follows a store: what is loaded, and how a trial goes.

        Raises:
            ServerRefused: No such model follows a store there, or the address is no such server's.
        """
        found = self._call("GET", f"/v1/models/{self._name}/upgrades", None).body
        if not isinstance(found, dict) or "champion" not in found:
            raise ServerRefused(
                "What answers there is no server of bertworks.", "Correct the address."
            )
        return found

    def close(self) -> None:
        """Closes this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def _name(self) -> str:
        return urllib.parse.quote(self.model, safe="")

    def _call(self, method: str, path: str, value: Any) -> _Told:
        left, wait = self._patience, _FIRST_WAIT
        while True:
            try:
                told = self._once(method, path, value)
                if told.status == 200:
                    return told
                refusal = _refusal(told)
                again, asked = told.status in _AGAIN, told.headers.get("retry-after")
            except OSError as error:
                host = self._parts.netloc.rpartition("@")[2]
                refusal = ServerRefused(
                    f"{host} does not answer: {error.strerror or error}.",
                    "Check the address, and that the server runs.",
                )
                # A certificate does not get better by waiting.
                again, asked = not isinstance(error, ssl.SSLError), None
            # Many clients that are sent away must not come back together, nor one without end.
            pause = max(_seconds(asked) or 0.0, wait * random.uniform(0.5, 1.5))
            wait = min(2 * wait, _LONGEST_WAIT)
            if not again or pause > left:
                raise refusal
            left -= pause
            self._tell(f"{refusal.message} Asked again in {pause:.1f} s.")
            self._sleep(pause)

    def _once(self, method: str, path: str, value: Any) -> _Told:
        """One request; a connection that the server has closed meanwhile is opened anew, once."""
        body = None if value is None else json.dumps(value).encode()
        headers = {"content-type": "application/json", "user-agent": f"bertworks/{__version__}"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        for fresh in (False, True):
            connection, used = self._connection(fresh)
            try:
                connection.request(method, f"{self._path}{path}", body, headers)
                response = connection.getresponse()
                content = response.read()
            except (http.client.HTTPException, OSError) as error:
                self.close()
                if used and not fresh and not isinstance(error, TimeoutError):
                    continue
                if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
                    raise OSError(f"no HTTP answer ({type(error).__name__})") from None
                raise
            found = {name.lower(): one for name, one in response.getheaders()}
            try:
                told = json.loads(content) if content else None
            except ValueError:
                told = None
            return _Told(response.status, found, told)
        raise AssertionError("the second try either returns or raises")

    def _connection(self, fresh: bool) -> tuple[http.client.HTTPConnection, bool]:
        """This thread's connection, and whether it was used before."""
        known = getattr(self._local, "connection", None)
        if known is not None and not fresh:
            return known, True
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = self._context or ssl.create_default_context()
            made: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=self._timeout, context=context
            )
        else:
            made = http.client.HTTPConnection(host, port, timeout=self._timeout)
        self._local.connection = made
        return made, False


def _refusal(told: _Told) -> ServerRefused:
    said = told.body.get("error") if isinstance(told.body, dict) else None
    fix = {
        401: f"Set {KEY} to your key.",
        403: "Ask whoever runs the server for a key that may do that.",
        404: "Correct the model's name, or the address.",
        429: "Ask again later, or ask for less at once.",
    }.get(told.status, "")
    return ServerRefused(
        f"The server answered {told.status}: {said or 'nothing that says why'}", fix,
        status=told.status,
    )  # fmt: skip


def _seconds(header: str | None) -> float | None:
    """What Retry-After says: seconds, or a date (RFC 9110, section 10.2.3); None: nothing."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
