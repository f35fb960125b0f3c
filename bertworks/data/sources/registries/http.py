"""Asking a registry's server: bounded tries, times and sizes; credentials only where they belong."""

from __future__ import annotations

import contextlib
import ssl
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from bertworks import __version__
from bertworks.data.sources.registries.access import Access, host_of
from bertworks.data.sources.registries.faults import (
    TRIES,
    Denied,
    NotThere,
    Unreachable,
    Untrusted,
    fault,
)
from bertworks.retries import retrying

PAGE_BYTES = 100_000_000
"""The longest page of links; the longest known one has about 10 MB."""
DOWNLOAD_SECONDS = 1800
PAUSE = 1.0
"""Seconds before the second try; twice as many before the third."""
Answer = TypeVar("Answer")
_BLOCK = 1 << 20
_RETRIED = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Page:
    """An answer, with the address that links in it are relative to."""

    url: str = field(repr=False)
    type: str
    body: bytes = field(repr=False)


class Client:
    """A session with any number of servers; a context manager."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session = requests.Session()
        self._session.max_redirects = 10
        self._session.headers["User-Agent"] = f"bertworks/{__version__}"
        self._session.mount("https://", _System(access.more_certificates))
        for host in access.unverified:
            everywhere = host == "*"
            for ending in ("",) if everywhere else ("/",) if ":" in host else ("/", ":"):
                prefix = "https://" if everywhere else f"https://{host}{ending}"
                self._session.mount(prefix, _Unverified())

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def page(self, url: str, accept: str) -> Page:
        """Reads a page of at most PAGE_BYTES.

        Raises:
            RegistryFault: No such page, or no answer.
        """

        def read() -> Page:
            body = bytearray()
            with self._answer(url, {"Accept": accept}) as answer:
                for block in _blocks(answer, decode=True, end=end):
                    body += block
                    if len(body) > PAGE_BYTES:
                        raise NotThere(host_of(url), f"a page longer than {PAGE_BYTES} bytes")
                kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                return Page(answer.url, kind, bytes(body))

        end = time.monotonic() + DOWNLOAD_SECONDS
        return _tried(read)

    def download(self, url: str, file: Path) -> None:
        """Writes what is at `url` into `file`, as it was stored there.

        Raises:
            RegistryFault: No such file, or no whole one after all tries.
            OSError: The file cannot be written.
        """

        def save() -> None:
            # Not "gzip": a .tar.gz must come as it is.
            headers = {"Accept-Encoding": "identity"}
            with self._answer(url, headers) as answer, file.open("wb") as out:
                for block in _blocks(answer, decode=False, end=end):
                    out.write(block)

        end = time.monotonic() + DOWNLOAD_SECONDS
        _tried(save)

    @contextlib.contextmanager
    def _answer(self, url: str, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        """One answer whose status is good; its body is still to be read."""
        access, host = self._access, host_of(url)
        try:
            answer = self._session.get(
                url,
                headers=dict(headers),
                auth=self._authorize,
                stream=True,
                timeout=access.seconds,
                # Said each time: else REQUESTS_CA_BUNDLE would go before the client's own setting.
                verify=access.certificates or True,
                cert=access.client_certificate,
                proxies=dict(access.proxies),
            )
        except requests.RequestException as error:
            raise fault(host, error) from None
        except (OSError, ValueError) as error:  # a certificate file that is not there; a broken URL
            raise Untrusted(host, str(error)[:200]) from None
        with answer:
            # After a redirect another server than the asked one answers.
            host = host_of(answer.url)
            status = f"{answer.status_code} {answer.reason or ''}".strip()
            if answer.status_code in (401, 403, 407):
                raise Denied(host, status)
            if answer.status_code in _RETRIED:
                raise Unreachable(host, f"it answers {status}")
            if answer.status_code != 200:
                raise NotThere(host, status)
            yield answer

    def _authorize(self, request: Any) -> Any:
        """Adds the credentials of the request's place; else .netrc's, which requests reads."""
        url = urlsplit(request.url)
        fitting = [one for one in self._access.credentials if one.fit(url)]
        near = [one for one in fitting if url.path.startswith(one.path)]
        if near or fitting:
            best = max(near, key=lambda one: len(one.path)) if near else fitting[0]
            request.headers["Authorization"] = best.header
        elif login := requests.utils.get_netrc_auth(request.url):
            requests.auth.HTTPBasicAuth(*login)(request)
        return request


class _System(HTTPAdapter):
    """Trusts what the system trusts besides the certificates that requests brings."""

    def __init__(self, more: str | None) -> None:
        self._more = more
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> Any:
        context = ssl.create_default_context()
        # From Python 3.13 authorities without a key usage are refused, as many companies' own are.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        with contextlib.suppress(OSError):  # as node passes over a file that it cannot read
            if self._more:
                context.load_verify_locations(self._more)
        return super().init_poolmanager(*arguments, ssl_context=context, **options)


class _Unverified(HTTPAdapter):
    """Takes any certificate, of a host that the settings call trusted."""

    def send(self, request: Any, **options: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
            return super().send(request, **{**options, "verify": False})


def _tried(ask: Callable[[], Answer]) -> Answer:
    """Asks again where the network failed, TRIES times in all."""
    waits = [PAUSE * 2**number for number in range(TRIES - 1)]
    return retrying(waits, _passes)(ask)


def _passes(error: Exception) -> bool:
    """A certificate that is not trusted will not be trusted the next time."""
    return isinstance(error, Unreachable) and not isinstance(error, Untrusted)


def _blocks(answer: requests.Response, decode: bool, end: float) -> Iterator[bytes]:
    """The body, block by block, until the clock says `end`; one that is cut short is a fault."""
    host = host_of(answer.url)
    try:
        for block in answer.raw.stream(_BLOCK, decode_content=decode):
            if time.monotonic() > end:
                raise NotThere(host, f"not done within {DOWNLOAD_SECONDS // 60} minutes")
            yield block
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise fault(host, error) from None
