"""Tells a webhook how a run ended. The URL is a secret: whoever has it may post."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlsplit

from bertworks.retries import retrying

URL = "BERTWORKS_WEBHOOK"
TRIES = 3
TIMEOUT_SECONDS = 10.0
_WAIT_SECONDS = 1.0
_NO_ADDRESS = "the URL is not an http or https address"


class WebhookFault(Exception):
    """The webhook was not reached, or did not take it; the message never holds the URL."""


def post(url: str, value: Mapping[str, object]) -> None:
    """Posts JSON; a busy or failing server is tried again, a server that refuses is not.

    Args:
        url: http or https.
        value: The JSON object.

    Raises:
        WebhookFault: It was not taken.
    """
    if not _is_http(url):
        raise WebhookFault(_NO_ADDRESS)
    waits = [_WAIT_SECONDS * 2**number for number in range(TRIES - 1)]
    tried = retrying(waits, lambda error: not isinstance(error, WebhookFault))
    try:
        tried(_send, url, json.dumps(value, ensure_ascii=False).encode())
    except WebhookFault:
        raise
    except Exception as error:
        raise WebhookFault(f"no answer after {TRIES} tries: {_plain(error)}") from None


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _send(url: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "bertworks"}
    request = urllib.request.Request(url, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            answer.read(1000)
    except urllib.error.HTTPError as error:
        if error.code == 429 or error.code >= 500:
            raise
        raise WebhookFault(f"the server answered {error.code}") from None
    except (http.client.InvalidURL, ValueError):
        raise WebhookFault(_NO_ADDRESS) from None


def _plain(error: Exception) -> str:
    """What went wrong, without the words of the library, which may hold the URL."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code}"
    reason = getattr(error, "reason", error)
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return type(reason).__name__
