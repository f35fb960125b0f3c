"""One API key: `bw_ID_SECRET`.

The secret is 256 bits from the system's random numbers, so that at rest a plain SHA-256 of it is enough:
slow hashes (bcrypt, Argon2) make up for passwords that can be guessed, and nobody guesses 256 bits. A
slow one here would only let strangers keep a core busy with wrong keys. The id is no secret: it finds
the record, and stands in logs.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

PREFIX = "bw"
ID_BYTES, SECRET_BYTES = 6, 32

_TOKEN = re.compile(rf"{PREFIX}_([0-9a-f]{{{2 * ID_BYTES}}})_([0-9a-f]{{{2 * SECRET_BYTES}}})")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(rf"[0-9a-f]{{{2 * ID_BYTES}}}")
_NOBODY = "0" * 64


@dataclass(frozen=True)
class Allowance:
    """What a caller may use; None: as much as there is.

    Attributes:
        requests_per_minute: Of which all may come at once.
        texts_per_minute: Likewise; a request of more is never taken.
        requests_per_day: From midnight to midnight, UTC.
        texts_per_day: Likewise.
    """

    requests_per_minute: int | None = None
    texts_per_minute: int | None = None
    requests_per_day: int | None = None
    texts_per_day: int | None = None

    @property
    def has_quota(self) -> bool:
        """Whether days are counted."""
        return self.requests_per_day is not None or self.texts_per_day is not None


@dataclass(frozen=True)
class Key:
    """What is kept of a key.

    Attributes:
        id: Finds it; no secret.
        name: For people.
        sha256: Of the secret, as hexadecimal digits.
        created: When it was made.
        expires: From when on it is refused; None: never.
        models: Names of the models that it may ask; empty: all.
        admin: Whether it may also load, unload and roll back models.
        allowance: Rates and quotas.
        previous: The digest from before `rotate`, good until `previous_until`; empty: none.
    """

    id: str
    name: str
    sha256: str
    created: datetime
    expires: datetime | None = None
    models: tuple[str, ...] = ()
    admin: bool = False
    allowance: Allowance = field(default_factory=Allowance)
    previous: str = ""
    previous_until: datetime | None = None

    def fits(self, secret: str, now: datetime) -> bool:
        """Whether it is this key's secret, and good at that time."""
        digest = digest_of(secret)
        # Both are compared whatever the first says: how long it takes tells nothing.
        present = hmac.compare_digest(digest, self.sha256)
        before = hmac.compare_digest(digest, self.previous or _NOBODY)
        return (present or (before and self.overlaps(now))) and not self.is_over(now)

    def overlaps(self, now: datetime) -> bool:
        """Whether the secret from before `rotate` is still good."""
        return self.previous_until is not None and now < self.previous_until

    def is_over(self, now: datetime) -> bool:
        """Whether it has expired."""
        return self.expires is not None and now >= self.expires

    def may_ask(self, model: str) -> bool:
        """Whether it may ask this model."""
        return not self.models or model in self.models

    def rotated(self, now: datetime, overlap: timedelta) -> tuple[Key, str]:
        """The key with a new secret, and the token to show once.

        Args:
            now: When that is.
            overlap: For how long the old secret is still good.
        """
        secret = secrets.token_hex(SECRET_BYTES)
        kept = (self.sha256, now + overlap) if overlap else ("", None)
        changed = replace(self, sha256=digest_of(secret), previous=kept[0], previous_until=kept[1])
        return changed, f"{PREFIX}_{self.id}_{secret}"

    def to_json(self) -> dict[str, Any]:
        """The record at rest; what is not set is left out."""
        told = {**asdict(self), "allowance": None, **asdict(self.allowance)}
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in told.items()
            if name == "name" or value not in (None, "", (), False)
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Key:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: It is none; says which field, and what it is.
        """
        limits = [*Allowance.__dataclass_fields__]
        unknown = set(record) - set(cls.__dataclass_fields__) - set(limits)
        if unknown:
            raise ValueError(f"`{min(unknown)}` is no field of a key")
        given = {name: record[name] for name in record if name not in limits}
        for name, shape in (("id", _ID), ("sha256", _DIGEST)):
            if not shape.fullmatch(str(record.get(name, ""))):
                raise ValueError(f"`{name}` must be {shape.pattern}")
        if "previous" in record and not _DIGEST.fullmatch(str(record["previous"])):
            raise ValueError(f"`previous` must be {_DIGEST.pattern}")
        if not isinstance(record.get("name"), str):
            raise ValueError("`name` must be a text")
        for name in limits:
            if name in record and (type(record[name]) is not int or record[name] < 1):
                raise ValueError(
                    f"`{name}` must be a whole number from 1. Received: {record[name]!r}"
                )
        models = record.get("models", ())
        if not isinstance(models, list | tuple) or not all(isinstance(one, str) for one in models):
            raise ValueError(f"`models` must be a list of names. Received: {models!r:.60}")
        if type(record.get("admin", False)) is not bool:
            raise ValueError(f"`admin` must be true or false. Received: {record['admin']!r:.60}")
        for name in ("created", "expires", "previous_until"):
            if name in record or name == "created":
                given[name] = _time(record.get(name), name)
        allowance = Allowance(**{name: record[name] for name in limits if name in record})
        return cls(**{**given, "models": tuple(models)}, allowance=allowance)


def make(
    name: str,
    now: datetime,
    *,
    expires: datetime | None = None,
    models: tuple[str, ...] = (),
    admin: bool = False,
    allowance: Allowance | None = None,
) -> tuple[Key, str]:
    """A new key, and the token to show once; arguments are those of `Key`."""
    identity, secret = secrets.token_hex(ID_BYTES), secrets.token_hex(SECRET_BYTES)
    made = Key(
        identity, name, digest_of(secret), now, expires, models, admin, allowance or Allowance()
    )
    return made, f"{PREFIX}_{identity}_{secret}"


def parse(token: str) -> tuple[str, str] | None:
    """A token's id and secret; None where it has not the form of one."""
    found = _TOKEN.fullmatch(token)
    return (found[1], found[2]) if found else None


def digest_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def _time(value: Any, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(
            f"`{name}` must be a time as in ISO 8601. Received: {value!r:.40}"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
