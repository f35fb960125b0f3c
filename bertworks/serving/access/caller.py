"""Who asks, and what is left to them."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from bertworks.serving.access.keys import Allowance
from bertworks.serving.access.quotas import Quotas
from bertworks.serving.access.rates import Bucket
from bertworks.serving.refusals import Refused

KNOWN = 10_000
"""Callers whose buckets are kept; of more, those that were not seen for longest begin anew."""


@dataclass(frozen=True)
class Caller:
    """Who asks. Holds no key and no token.

    Attributes:
        id: A key's id, or `oidc:` and a digest of issuer and subject.
        models: Names of the models that it may ask; empty: all.
        admin: Whether it may load, unload and roll back models.
        allowance: Rates and quotas.
        meter: Counts what it uses.
    """

    id: str
    models: tuple[str, ...] = ()
    admin: bool = False
    allowance: Allowance = field(default_factory=Allowance)
    meter: Meter | None = field(default=None, compare=False, repr=False)

    def may_ask(self, model: str) -> bool:
        """Whether it may ask this model."""
        return not self.models or model in self.models

    def charge_request(self) -> None:
        """Counts a request.

        Raises:
            Refused: 429, with the seconds after which to ask again.
        """
        if self.meter:
            self.meter.charge(self, requests=1)

    def charge_texts(self, count: int) -> None:
        """Counts the rows of a request, before they are computed.

        Raises:
            Refused: 429, with the seconds after which to ask again; 422 where the request has more rows
                than this caller may ever send at once.
        """
        if self.meter:
            self.meter.charge(self, texts=count)


class Meter:
    """Rates and quotas of all callers; used from the event loop's thread alone.

    Args:
        quotas: What was used today.
        bucket: Makes a bucket for so many units a minute.
    """

    def __init__(self, quotas: Quotas, bucket: Callable[[int], Bucket] = Bucket) -> None:
        self._quotas, self._bucket = quotas, bucket
        self._buckets: OrderedDict[tuple[str, str], Bucket] = OrderedDict()

    def charge(self, caller: Caller, *, requests: int = 0, texts: int = 0) -> None:
        """Takes units of a caller's allowance, all or nothing; raises as `Caller` says."""
        asked = [
            (kind, units, getattr(caller.allowance, f"{kind}_per_minute"),
             getattr(caller.allowance, f"{kind}_per_day"))
            for kind, units in (("requests", requests), ("texts", texts))
            if units
        ]  # fmt: skip
        for kind, units, rate, quota in asked:
            if rate is not None:
                self._check_rate(caller, kind, units, rate)
            if quota is not None:
                self._check_quota(caller, kind, units, quota)
        for kind, units, rate, quota in asked:
            if rate is not None:
                self._bucket_of(caller, kind, rate).take(units)
            if quota is not None:
                self._quotas.use(caller.id, kind, units, quota)

    def close(self) -> None:
        """Writes what was used."""
        self._quotas.close()

    def _check_rate(self, caller: Caller, kind: str, units: int, rate: int) -> None:
        wait = self._bucket_of(caller, kind, rate).wait(units)
        if wait == 0:
            return
        if math.isinf(wait):
            raise Refused(
                422, "key-texts",
                f"This key may send {rate} texts a minute. Received: {units} in one request",
                "Send less at once, or ask for a larger allowance.",
            )  # fmt: skip
        raise Refused(
            429, "rate", f"This key may send {rate} {kind} a minute.",
            "Ask again later, or ask for a larger allowance.", retry_after=max(math.ceil(wait), 1),
        )  # fmt: skip

    def _check_quota(self, caller: Caller, kind: str, units: int, quota: int) -> None:
        left = self._quotas.left(caller.id, kind, quota)
        if units > left:
            raise Refused(
                429, "quota",
                f"This key may send {quota} {kind} a day, and has {max(left, 0)} left. "
                f"Received: {units}",
                "The next day begins at midnight, UTC; or ask for a larger allowance.",
                retry_after=self._quotas.until_tomorrow(),
            )  # fmt: skip

    def _bucket_of(self, caller: Caller, kind: str, rate: int) -> Bucket:
        place = caller.id, kind
        found = self._buckets.get(place)
        if found is None or found.per_minute != rate:
            found = self._buckets[place] = self._bucket(rate)
        self._buckets.move_to_end(place)
        while len(self._buckets) > 2 * KNOWN:
            self._buckets.popitem(last=False)
        return found
