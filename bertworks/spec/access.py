"""Who may ask a server: the spec's `serve.access`."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from bertworks.spec.section import Section

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
"""Signatures by a private key. Not HS*: with those a public key would be the secret. Never none."""
_HERE = re.compile(r"localhost|127(\.\d+){3}|::1")


class Allowance(Section):
    """What a caller may use; None: as much as there is."""

    requests_per_minute: int | None = Field(None, ge=1, description="All of them may come at once.")
    texts_per_minute: int | None = Field(None, ge=1, description="A request of more is refused.")
    requests_per_day: int | None = Field(None, ge=1, description="From midnight, UTC.")
    texts_per_day: int | None = Field(None, ge=1, description="From midnight, UTC.")


class OpenID(Section):
    """Bearer tokens of an OpenID Connect issuer."""

    issuer: str = Field(description="What a token's `iss` must be, to the letter.")
    audience: str = Field(min_length=1, description="What a token's `aud` must be or hold.")
    jwks: str = Field(description="Where the issuer's public keys are (https).")
    algorithms: list[Algorithm] = Field(
        ["RS256", "ES256"], min_length=1, description="Signatures that are taken."
    )
    leeway_seconds: float = Field(30, ge=0, le=300, description="By how much clocks may differ.")
    scope: str | None = Field(None, description="A scope that a token must have; None: none.")
    admin_scope: str | None = Field(
        None, description="With this scope models may be loaded and unloaded; None: by nobody."
    )
    models_claim: str | None = Field(
        None, description="The claim that lists the models a token is for; None: for all."
    )
    allowance: Allowance = Field(
        default_factory=Allowance, description="Of each subject of the issuer."
    )

    @field_validator("jwks")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        parts = urlsplit(url)
        here = parts.scheme == "http" and _HERE.fullmatch(parts.hostname or "")
        if not (parts.hostname and (parts.scheme == "https" or here)):
            raise ValueError(
                f"`jwks` must be an https URL: whoever can change the keys on their way makes tokens "
                f"of their own. Received: {url!r}"
            )
        return url


class Access(Section):
    """Who may ask. Without keys and issuer everybody who reaches the server."""

    openid: OpenID | None = Field(None, description="Takes bearer tokens beside keys.")
    metrics: Literal["open", "key"] = Field(
        "open",
        description="Whether /metrics is for everybody or needs a key. It has counts, never texts.",
    )
