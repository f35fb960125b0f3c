"""What a server did instead of answering, in words that show no URL: it may hold a token."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping

import requests
import urllib3

from bertworks.errors import SourceError

TRIES = 3
"""How often a server is asked before it counts as silent."""


class RegistryFault(Exception):
    """What a server did instead of answering.

    Attributes:
        host: Whose fault it is; never more of the URL, which may hold a token.
        reason: In a few words.
    """

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host}: {reason}")
        self.host, self.reason = host, reason


class Unreachable(RegistryFault):
    """No answer after all tries, or none that can be trusted."""


class Untrusted(Unreachable):
    """Its certificate is not accepted; trying again does not help."""


class NotThere(RegistryFault):
    """The server answers, and has no such page."""


class Denied(RegistryFault):
    """The server wants (other) credentials."""


def not_fetched(
    what: str, place: str, fault: RegistryFault, said: str, fixes: Mapping[str, str]
) -> SourceError:
    """The error for a package that no server gave.

    Args:
        what: The package.
        place: What the server is: "package index".
        fault: What it did instead.
        said: Which settings hold.
        fixes: What to do, where it asks for credentials ("denied"), has it not ("not_there"), is not
            trusted ("untrusted"), or does not answer ("silent"); {host} is filled in.
    """
    kind, happened = (
        "silent",
        f"the {place} {fault.host} does not answer: {fault.reason} ({TRIES} tries)",
    )
    if isinstance(fault, Denied):
        kind, happened = "denied", f"{fault.host} asks for (other) credentials ({fault.reason})"
    elif isinstance(fault, NotThere):
        kind, happened = "not_there", f"{fault.host} does not have it ({fault.reason})"
    elif isinstance(fault, Untrusted):
        kind, happened = "untrusted", f"the {place} {fault.host} is not usable: {fault.reason}"
    return SourceError(
        f"{what} cannot be fetched: {happened}. {said}", fixes[kind].format(host=fault.host)
    )


def fault(host: str, error: BaseException) -> Unreachable:
    """Why there was no answer, in words that show no URL."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return Unreachable(host, "it closed the connection")
        if isinstance(cause, ssl.SSLError):
            text = getattr(cause, "verify_message", "") or cause.reason or "broken TLS"
            return Untrusted(host, f"its certificate or TLS is not accepted: {text}")
        if isinstance(cause, requests.exceptions.ProxyError | urllib3.exceptions.ProxyError):
            return Unreachable(host, "the proxy on the way does not let through or does not answer")
        if isinstance(cause, requests.TooManyRedirects):
            return Untrusted(host, "it redirects for ever")
        if isinstance(cause, urllib3.exceptions.NameResolutionError | socket.gaierror):
            return Unreachable(host, "its name is not known here")
        if isinstance(cause, ConnectionRefusedError):
            return Unreachable(host, "connection refused")
        refused = isinstance(
            cause, urllib3.exceptions.NewConnectionError
        )  # a "time-out" to urllib3
        late = isinstance(cause, TimeoutError | requests.Timeout | urllib3.exceptions.TimeoutError)
        if late and not refused:
            return Unreachable(host, "timed out")
        if isinstance(cause, urllib3.exceptions.IncompleteRead):
            return Unreachable(host, "the transfer ended too soon")
        if isinstance(cause, OSError) and cause.strerror:
            return Unreachable(host, cause.strerror.lower())
    return Unreachable(host, type(error).__name__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised for; urllib3 and requests keep it in several places."""
    waiting, seen = [error], set()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = (
            *current.args,
            getattr(current, "reason", None),
            current.__cause__,
            current.__context__,
        )
        waiting += [one for one in inner if isinstance(one, BaseException)]
