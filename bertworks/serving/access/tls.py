"""TLS of the server: version 1.2 or later, with a certificate that may be renewed while it runs.

Certificates live for weeks, servers for months. At each handshake the files are looked at; where they
changed they are read again, and connections from then on have the new ones. Files that do not fit
together, as between two writes of a renewal, leave the old ones in place, and that is told.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bertworks.errors import EnvironmentFault


class Certificates:
    """Certificate and key of a server.

    Args:
        certificate: PEM file: the server's certificate, then those between it and its authority.
        key: PEM file of its private key, without a password.
        tell: Is told that changed files cannot be read, once for each change.

    Raises:
        EnvironmentFault: They are missing, or do not fit together.
    """

    def __init__(
        self, certificate: Path, key: Path, tell: Callable[[str], None] = lambda message: None
    ) -> None:
        self.certificate, self.key, self._tell = certificate, key, tell
        self._seen = self._look()
        try:
            self._present = self._loaded()
        except OSError as error:  # ssl.SSLError is one
            raise EnvironmentFault(
                f"{certificate} and {key} are no certificate and key: {error.strerror or error}.",
                "Give --tls-cert and --tls-key two PEM files that belong together; the key has no "
                "password.",
            ) from None
        self.context = self._loaded()
        """For the listening socket; each connection gets the certificate of its time."""
        # OpenSSL calls it at each handshake, also where the client names no server.
        self.context.sni_callback = self._at_handshake

    def key_and_certificate(self) -> tuple[bytes, bytes]:
        """Private key and certificate as they are now, PEM."""
        self._renew()
        return self._pem

    def _at_handshake(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        self._renew()
        connection.context = self._present

    def _renew(self) -> None:
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            try:
                self._present = self._loaded()
            except OSError as error:
                self._tell(
                    f"{self.certificate} and {self.key} were changed and do not fit together "
                    f"({error.strerror or error}): the certificate from before stays."
                )

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        # Without the empty password OpenSSL would ask for one at the terminal.
        context.load_cert_chain(self.certificate, self.key, password="")
        self._pem = self.key.read_bytes(), self.certificate.read_bytes()
        return context

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        seen: list[tuple[int, int, int] | None] = []
        for file in (self.certificate, self.key):
            try:
                state = file.stat()
                seen.append((state.st_ino, state.st_mtime_ns, state.st_size))
            except OSError:
                seen.append(None)
        return tuple(seen)
