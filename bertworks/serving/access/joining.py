"""Access joins a server: the layer before the gate, the same check for gRPC, and TLS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bertworks.errors import EnvironmentFault
from bertworks.serving import log
from bertworks.serving.access.caller import Caller, Meter
from bertworks.serving.access.guard import Guard, check_admin
from bertworks.serving.access.keyfile import KeyFile
from bertworks.serving.access.layer import METRICS, Layer
from bertworks.serving.access.quotas import Quotas
from bertworks.serving.access.tls import Certificates
from bertworks.serving.access.tokens import Tokens
from bertworks.serving.assembly import Serving
from bertworks.serving.exchange import EXCHANGE, Exchange
from bertworks.serving.http.app import asks
from bertworks.serving.http.gate import opened
from bertworks.serving.http.reply import App, Scope
from bertworks.serving.meters import turned_away
from bertworks.serving.refusals import Refused
from bertworks.spec.access import Access

ADMIN_CALLS = ("RepositoryModelLoad", "RepositoryModelUnload")


@dataclass(frozen=True)
class Entrance:
    """Who is let in.

    Attributes:
        access: The spec's `serve.access`.
        keys: The file or folder of keys; None: none are taken.
        state: Folder where quotas are counted; None: in memory.
        certificate: PEM file of the certificate for TLS; None: no TLS.
        private_key: PEM file of its key.
        open: Whether everybody is let in, whatever the address.
        open_paths: Regular expressions of paths that need no key, beside the probes'.
    """

    access: Access = field(default_factory=Access)
    keys: Path | None = None
    state: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    open: bool = False
    open_paths: tuple[str, ...] = ()

    @property
    def guarded(self) -> bool:
        """Whether a key or token is asked for."""
        return self.keys is not None or self.access.openid is not None

    def check(self, host: str) -> None:
        """Refuses what would let in more than was said.

        Raises:
            EnvironmentFault: Others than this machine could ask without a key, and nobody said so; both
                were said; or TLS has only one of its two files.
        """
        if self.guarded and self.open:
            raise EnvironmentFault(
                "--open lets everybody in, and keys or an issuer were given too.",
                "Leave out --open, or the keys.",
            )
        if not self.guarded and not self.open and not is_loopback(host):
            raise EnvironmentFault(
                f"At {host} others than this machine could ask, and no key is asked for.",
                "Give keys with --keys FILE (`bertworks keys create NAME` makes the first one), or say "
                "--open where everybody who reaches this address may ask.",
            )
        if (self.certificate is None) != (self.private_key is None):
            raise EnvironmentFault(
                "TLS needs a certificate and its private key.",
                "Give both --tls-cert and --tls-key, or neither.",
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return host in ("localhost", "::1") or (
        host.startswith("127.") and host.replace(".", "").isdigit()
    )


def join(serving: Serving, entrance: Entrance) -> None:
    """Has a server know its callers, and speak TLS.

    Args:
        serving: The server, before it starts.
        entrance: Who is let in.

    Raises:
        EnvironmentFault: A file is not there or damaged, or another server counts in the same folder.
    """
    if entrance.certificate is not None and entrance.private_key is not None:
        serving.certificates = Certificates(
            entrance.certificate, entrance.private_key, log.LOGGER.warning
        )
    if not entrance.guarded:
        return
    guard = _guard(entrance)
    open_paths = (*entrance.open_paths, *((METRICS,) if entrance.access.metrics == "open" else ()))

    def layer(app: App) -> Layer:
        return Layer(app, guard, open_paths=open_paths, refused=_Refused(serving))

    async def check_caller(metadata: Mapping[str, str], method: str) -> Caller:
        caller = await guard.caller(metadata)
        if method in ADMIN_CALLS:
            check_admin(caller)
        if method == "ModelInfer":
            caller.charge_request()
        return caller

    async def close() -> None:
        guard.close()

    serving.layers.append(layer)
    serving.check_caller = check_caller
    serving.stopped.append(close)


def _guard(entrance: Entrance) -> Guard:
    tell = log.LOGGER.warning
    keys = KeyFile(entrance.keys, tell) if entrance.keys is not None else None
    meter = Meter(Quotas(entrance.state, tell=tell))
    openid = entrance.access.openid
    quotas = [key.allowance.has_quota for key in keys.all().values()] if keys else []
    if openid is not None:
        quotas.append(bool(openid.allowance.requests_per_day or openid.allowance.texts_per_day))
    if any(quotas) and entrance.state is None:
        tell("Quotas are counted in memory, from this start on: --state FOLDER keeps the counts.")
    if keys is not None and not len(keys):
        tell(f"There are no keys in {entrance.keys}: every request is refused until there is one.")
    tokens = Tokens(openid, meter=meter) if openid is not None else None
    return Guard(keys, tokens, meter)


class _Refused:
    """Counts and logs what the layer refuses, and tells the observers, as the gate does behind it."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def __call__(self, scope: Scope, refusal: Refused, seconds: float) -> None:
        turned_away(refusal.reason)
        asked = asks(scope["path"])
        if asked is not None and scope["method"] == "POST":
            exchange: Exchange = opened(asked.protocol, asked.model, scope, dict(scope["headers"]))
            scope[EXCHANGE] = exchange
            exchange.end(refusal.status, refusal.reason)
            self._serving.observers.tell(exchange)
        log.request(scope, refusal.status, refusal.reason, seconds)
