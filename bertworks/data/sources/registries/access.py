"""How a registry's server is reached: certificates, proxies, and credentials for their place only."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit


@dataclass(frozen=True)
class Credentials:
    """What is sent to one place, and nowhere else.

    Attributes:
        scheme: "http" or "https".
        host: With the port where the URL has one.
        path: The URL's path begins so.
        header: The value of the Authorization header.
    """

    scheme: str
    host: str
    path: str
    header: str = field(repr=False)

    def fit(self, url: SplitResult) -> bool:
        """Whether they are meant for this server."""
        return (url.scheme, url.netloc.rpartition("@")[2]) == (self.scheme, self.host)


@dataclass(frozen=True)
class Access:
    """How a client's settings say that servers are reached.

    Attributes:
        certificates: A file or folder of certificates to trust; None: the system's and the usual ones.
        more_certificates: A file of certificates that are trusted besides.
        client_certificate: A file with a certificate and its key.
        unverified: Hosts, with or without a port, whose certificate is not checked; "*": all.
        proxies: As requests takes them; empty: those of the environment.
        seconds: How long to wait for a connection or the next bytes.
        credentials: The longest path that fits is used; .netrc holds where none does.
    """

    certificates: str | None = None
    more_certificates: str | None = None
    client_certificate: str | None = None
    unverified: frozenset[str] = frozenset()
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    seconds: float = 15.0
    credentials: tuple[Credentials, ...] = ()


def without_credentials(url: str) -> tuple[str, Credentials | None]:
    """The URL without user information, and that as credentials for its place."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    name, _, password = user.partition(":")
    header = basic(unquote(name), unquote(password))
    bare = urlunsplit(parts._replace(netloc=host))
    return bare, Credentials(parts.scheme, host, parts.path, header)


def basic(user: str, password: str) -> str:
    """The Authorization header of a name and a password."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode('ascii')}"


def host_of(url: str) -> str:
    """The server of a URL, with its port and without credentials."""
    return urlsplit(url).netloc.rpartition("@")[2] or "this machine"
