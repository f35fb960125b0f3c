"""Bearer tokens of an OpenID Connect issuer: signed JWTs (RFC 7519), checked against its public keys.

As RFC 8725 has it: the algorithms are a list of ours and never the token's choice; a key signs by the
algorithm of its own kind; issuer, audience and expiry must be there and fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from bertworks.errors import EnvironmentFault
from bertworks.serving.access.caller import Caller, Meter
from bertworks.serving.access.jwks import KeySet
from bertworks.serving.access.keys import Allowance
from bertworks.serving.refusals import Refused
from bertworks.spec.access import OpenID

LONGEST = 8192
"""Characters of a token; longer ones are not looked at."""


class Tokens:
    """Checks bearer tokens.

    Args:
        settings: Of the issuer.
        keys: Its public keys; None: those at `settings.jwks`.
        meter: Counts what callers use.
    """

    def __init__(
        self, settings: OpenID, keys: KeySet | None = None, meter: Meter | None = None
    ) -> None:
        self._settings, self._keys = settings, keys or KeySet(settings.jwks)
        self._meter = meter
        self._allowance = Allowance(**settings.allowance.model_dump())

    async def caller(self, token: str) -> Caller:
        """Who a token is for.

        Raises:
            Refused: 401, the token is not good; 403, it lacks the scope; 503, the issuer's keys cannot
                be had.
        """
        claims = await self._claims(token)
        scopes = _words(claims, "scope") | _words(claims, "scp")
        if self._settings.scope and self._settings.scope not in scopes:
            raise Refused(
                403, "scope", f"The token must have the scope {self._settings.scope!r}.",
                "Ask the issuer for a token with it.",
            )  # fmt: skip
        models = _words(claims, self._settings.models_claim) if self._settings.models_claim else ()
        if self._settings.models_claim and not models:
            raise Refused(
                403, "scope",
                f"The token names no model in its claim {self._settings.models_claim!r}.",
                "Ask the issuer for a token with it.",
            )  # fmt: skip
        return Caller(
            identity(str(claims["iss"]), str(claims["sub"])),
            tuple(sorted(models)),
            bool(self._settings.admin_scope) and self._settings.admin_scope in scopes,
            self._allowance,
            self._meter,
        )

    async def _claims(self, token: str) -> dict[str, Any]:
        import jwt
        from jwt.exceptions import PyJWTError

        settings = self._settings
        try:
            if len(token) > LONGEST:
                raise ValueError
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in settings.algorithms or "crit" in header:
                raise ValueError
            key = await self._keys.find(str(header.get("kid", "")), header["alg"])
            if key is None:
                raise ValueError
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(settings.algorithms),
                audience=settings.audience,
                issuer=settings.issuer,
                leeway=settings.leeway_seconds,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except EnvironmentFault as error:
            raise Refused(
                503, "issuer", "The issuer of tokens cannot be asked for its keys now.",
                "Ask again later.", retry_after=30,
            ) from error  # fmt: skip
        except (PyJWTError, ValueError, TypeError):
            # Why is nobody's business who has no good token.
            raise unauthorized("The bearer token is not good, or not for this server.") from None
        return claims


def identity(issuer: str, subject: str) -> str:
    """A caller's id in logs: a subject may be an e-mail address, so that a digest stands for it."""
    return f"oidc:{hashlib.sha256(f'{issuer}|{subject}'.encode()).hexdigest()[:16]}"


def unauthorized(message: str) -> Refused:
    """A 401; the layer adds the header that goes with it."""
    return Refused(
        401, "unauthorized", message,
        "Send a key as `Authorization: Bearer KEY`, or as `X-API-Key: KEY`.",
    )  # fmt: skip


def _words(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    """A claim that is a list of words, or words with spaces between them."""
    value = claims.get(name, ())
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list | tuple):
        return frozenset()
    return frozenset(word for word in words if isinstance(word, str))
