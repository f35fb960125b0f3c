"""The page's files, and the headers that keep it harmless: nothing from elsewhere, nothing inline."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

FOLDER = "files"
INDEX = "index.html"
MEDIA = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No text becomes markup, whatever a script of ours might do one day.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-cache",
}


@dataclass(frozen=True)
class PageFile:
    """A file of the page.

    Attributes:
        body: Its bytes.
        media: Its content type.
        tag: Tells versions of it apart, as an ETag.
    """

    body: bytes
    media: str
    tag: str

    @property
    def headers(self) -> dict[str, str]:
        """All headers of an answer that holds it, but its length."""
        return {**HEADERS, "content-type": self.media, "etag": self.tag}


@cache
def files() -> dict[str, PageFile]:
    """Name to file, read once."""
    found = {}
    for entry in resources.files(__package__).joinpath(FOLDER).iterdir():
        kind = entry.name.rpartition(".")[2]
        if kind in MEDIA:
            body = entry.read_bytes()
            tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            found[entry.name] = PageFile(body, MEDIA[kind], tag)
    return found


def wants_page(accept: str) -> bool:
    """Whether who asks for `/` is a browser: probes and programs take anything, and get JSON."""
    return any(part.split(";")[0].strip() == "text/html" for part in accept.split(","))
