"""Who a request is from, and whether it may have what it asks for; knows no transport.

The same for HTTP headers and for gRPC metadata: both are names in small letters with values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bertworks.serving.access.caller import Caller, Meter
from bertworks.serving.access.keyfile import KeyFile
from bertworks.serving.access.tokens import Tokens, unauthorized
from bertworks.serving.refusals import Refused

if TYPE_CHECKING:
    from bertworks.serving import exchange

BEARER = re.compile(r"(?i:bearer) +(\S+)")
LONGEST_NAME = 80


class Guard:
    """Knows callers by their key or token.

    Args:
        keys: The keys; None: none are taken.
        tokens: Checks bearer tokens; None: none are taken.
        meter: Counts what callers use.
        clock: The time.
    """

    def __init__(
        self,
        keys: KeyFile | None,
        tokens: Tokens | None = None,
        meter: Meter | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keys, self._tokens, self._meter, self._clock = keys, tokens, meter, clock

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Who asks.

        Args:
            headers: By name in small letters.

        Raises:
            Refused: 401, no key or token, or none that is good; 403 and 503 as `Tokens.caller`.
        """
        key, given = headers.get("x-api-key"), headers.get("authorization")
        if key is not None and given is not None:
            raise unauthorized("Two credentials were sent, and only one can be meant.")
        if key is None:
            bearer = BEARER.fullmatch(given or "")
            if bearer is None:
                raise unauthorized("This server needs a key.")
            key = bearer[1]
            if self._tokens is not None and key.count(".") == 2:
                return await self._tokens.caller(key)
        found = self._keys.find(key, self._clock()) if self._keys is not None else None
        if found is None:
            # Whether it is unknown, revoked or expired is nobody's business who has no good one.
            raise unauthorized("The key is not good.")
        return Caller(found.id, found.models, found.admin, found.allowance, self._meter)

    def close(self) -> None:
        """Writes what callers used."""
        if self._meter is not None:
            self._meter.close()


def check_model(caller: exchange.Caller | None, model: str) -> None:
    """Refuses a caller who may not ask a model; nobody in particular may ask all.

    Raises:
        Refused: 403, whether or not there is such a model.
    """
    if caller is not None and not caller.may_ask(model):
        raise Refused(
            403, "forbidden", f"This key may not ask {model[:LONGEST_NAME]!r}.",
            "Ask with a key for it, or one of: " + ", ".join(caller.models) + ".",
        )  # fmt: skip


def check_admin(caller: exchange.Caller | None) -> None:
    """Refuses a caller who may not change what is served.

    Raises:
        Refused: 403.
    """
    if caller is not None and not caller.admin:
        raise Refused(
            403, "forbidden", "This key may not change what is served.",
            "Use a key that was made with --admin.",
        )  # fmt: skip
