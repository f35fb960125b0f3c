"""An issuer's public keys (JSON Web Key Set, RFC 7517): fetched, kept, rotated.

A token with an unknown key id has the set fetched anew, as issuers rotate their keys; not more often
than every MIN_SECONDS, or anybody could have this server ask the issuer without end. Where the issuer
does not answer, the keys from before are good for STALE_SECONDS more.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bertworks.errors import EnvironmentFault

if TYPE_CHECKING:
    from jwt import PyJWK

KEEP_SECONDS = 600.0
MIN_SECONDS = 30.0
STALE_SECONDS = 24 * 3600.0
TIMEOUT_SECONDS = 5.0
MOST_BYTES = 256 * 1024
MOST_KEYS = 100
PUBLIC = ("RSA", "EC", "OKP")
"""Kinds of keys that are taken. Never "oct": who knows a shared secret could sign tokens with it."""

Fetch = Callable[[str], bytes]


class KeySet:
    """The keys of one issuer.

    Args:
        url: Where they are; https, or http on this machine.
        fetch: Gets the bytes at a URL; raises OSError.
        clock: Seconds that never go back.
    """

    def __init__(
        self, url: str, fetch: Fetch | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.url, self._fetch, self._clock = url, fetch or fetched, clock
        self._records: Mapping[str, Mapping[str, Any]] = {}
        self._built: dict[tuple[str, str], PyJWK | None] = {}
        self._got = self._tried = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self.problem = ""

    async def find(self, identity: str, algorithm: str) -> PyJWK | None:
        """The key of that id (`kid`) for that algorithm; None: the issuer has none.

        Raises:
            EnvironmentFault: The issuer does not answer, and no keys are known that are still good.
        """
        now = self._clock()
        if identity not in self._records or now - self._got > KEEP_SECONDS:
            await self._renew(now)
        if self._clock() - self._got > STALE_SECONDS:
            raise EnvironmentFault(
                f"The issuer's keys at {self.url} cannot be had: {self.problem}.",
                "Look whether this server reaches that address.",
            )
        record = self._records.get(identity)
        if record is None:
            return None
        place = identity, algorithm
        if place not in self._built:
            self._built[place] = built(record, algorithm)
        return self._built[place]

    async def _renew(self, now: float) -> None:
        """Fetches the keys, unless that was tried just now; who comes meanwhile waits for the same."""
        if self._fetching is None:
            if now - self._tried < MIN_SECONDS:
                return
            self._tried = now
            self._fetching = asyncio.create_task(self._load())
        # One request that is dropped does not end what others wait for.
        await asyncio.shield(self._fetching)

    async def _load(self) -> None:
        try:
            self._records = read(await asyncio.to_thread(self._fetch, self.url))
            self._built.clear()
            self._got, self.problem = self._clock(), ""
        except (OSError, ValueError) as error:
            self.problem = f"{type(error).__name__}: {error}"
        finally:
            self._fetching = None


def read(body: bytes) -> dict[str, Mapping[str, Any]]:
    """The keys for signatures in a key set, by their id; what is no public key is left out.

    Raises:
        ValueError: It is no key set.
    """
    value = json.loads(body)
    records = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(records, list) or len(records) > MOST_KEYS:
        raise ValueError(f'a key set is {{"keys": [...]}}, of {MOST_KEYS} keys at most')
    return {one["kid"]: one for one in records if isinstance(one, dict) and _is_public(one)}


def built(record: Mapping[str, Any], algorithm: str) -> PyJWK | None:
    """A key for one algorithm; None where it is of another kind, or says that it is for another."""
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    if record.get("alg", algorithm) != algorithm:
        return None
    try:
        return PyJWK(dict(record), algorithm=algorithm)
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None


def fetched(url: str) -> bytes:
    """The bytes at a URL.

    Raises:
        OSError: They cannot be had in time, are too many, or are somewhere else.
    """
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(url, timeout=TIMEOUT_SECONDS) as answer:
            body: bytes = answer.read(MOST_BYTES + 1)
    except http.client.HTTPException as error:
        raise OSError(f"what is there speaks no HTTP ({type(error).__name__})") from None
    if len(body) > MOST_BYTES:
        raise OSError(f"the key set has more than {MOST_BYTES} bytes")
    return body


def _is_public(record: Mapping[str, Any]) -> bool:
    return (
        record.get("kty") in PUBLIC
        and isinstance(record.get("kid"), str)
        and record.get("use", "sig") == "sig"
    )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Keys come from the address that was written down, and from nowhere else."""

    def redirect_request(self, *given: Any, **kept: Any) -> None:
        return None
