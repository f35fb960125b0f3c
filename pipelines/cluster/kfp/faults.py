"""What goes wrong between here and KFP, in words that say what to do."""

from __future__ import annotations

import json
import re
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import kfp_server_api
import urllib3

from bertworks.errors import EnvironmentFault

PASSING = frozenset({429, 500, 502, 503, 504})


class Answer(EnvironmentFault, kfp_server_api.ApiException):
    """KFP answered, and the answer is no.

    Attributes:
        status: The HTTP status: 404 not there, 409 there already, 400 refused, ...
        body: What the server wrote; text, once it has come through the client.
    """

    def __init__(self, message: str, fix: str, status: int, body: bytes = b"") -> None:
        super().__init__(message, fix)
        self.status, self.reason, self.body, self.headers = status, message, body, None

    @property
    def passing(self) -> bool:
        """Whether asking again later may help."""
        return self.status in PASSING


class Unreachable(EnvironmentFault):
    """Nothing usable came back: no connection, no certificate, no KFP at this address."""

    def __init__(self, message: str, fix: str, *, passing: bool = False) -> None:
        super().__init__(message, fix)
        self.passing = passing


class LoginPage(Unreachable):
    """A page for people came back where the API should be."""

    @classmethod
    def at(cls, host: str, location: str, page: str = "") -> LoginPage:
        title = re.search(r"<title>\s*([^<]{1,80}?)\s*</title>", page, re.I)
        shown = f" ({title.group(1)!r})" if title else ""
        what = f"redirects to {without_query(location)}" if location else "sent a web page" + shown
        return cls(
            f"{host} {what} instead of answering as the API of Kubeflow Pipelines.",
            "It is a login page, or not KFP. Log in with KFP_USERNAME and KFP_PASSWORD (Dex) or "
            "KFP_TOKEN; check that KFP_HOST is the address of KFP, for Kubeflow usually "
            "https://HOST/pipeline.",
        )


def without_query(url: str) -> str:
    """A URL as it may be shown: login addresses carry state in their query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def server_message(body: Any) -> str:
    """The part of an error's body that a person can use, at most 600 characters."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict):
        text = next(
            (str(parsed[key]) for key in ("error_message", "message", "error") if parsed.get(key)),
            text,
        )
    text = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    return text if len(text) <= 600 else f"{text[:300]} ... {text[-295:]}"


def fix_of(status: int, kind: str, said: str) -> str:
    # Not the caller's own name, "system:serviceaccount:...".
    if status in (400, 403) and re.search(r"(?<!system:)service ?account", said, re.IGNORECASE):
        return (
            "KFP 2.18 and later run pods only as service accounts that its API server lists: add yours "
            "(resources.service_account) to the variable ALLOWEDSERVICEACCOUNTS of the deployment "
            "ml-pipeline; in multi-user mode you also need the verb `use` on it."
        )
    if status == 401:
        return {
            "none": "Say who you are: KFP_TOKEN, KFP_TOKEN_FILE, or KFP_USERNAME and KFP_PASSWORD.",
            "token": "The token is wrong or has expired: set KFP_TOKEN or KFP_TOKEN_FILE anew.",
        }.get(kind, "Check KFP_USERNAME and KFP_PASSWORD.")
    if status == 403:
        return (
            "You are known, but may not do this: check --namespace / KFP_NAMESPACE, and ask for the "
            "role kubeflow-pipelines-edit (or -view) in it."
        )
    return {
        400: "The server and this version of bertworks do not agree; KFP 2.17 is supported.",
        404: "It is not there (any more): `bertworks runs list` shows what is.",
        409: "It is there already.",
        429: "The server asks for patience: try again in a minute.",
    }.get(
        status,
        "The server has a problem: try again, and look at the ml-pipeline pod's log: "
        "kubectl logs -n kubeflow deploy/ml-pipeline",
    )


def explain(error: BaseException, host: str) -> Unreachable:
    """A failed connection in words."""
    inner: BaseException = error
    while isinstance(getattr(inner, "reason", None), BaseException):
        inner = inner.reason  # type: ignore[attr-defined]
    text = f"{type(inner).__name__}: {inner}"
    if isinstance(inner, ssl.SSLError | urllib3.exceptions.SSLError) or "CERTIFICATE" in text:
        return tls_fault(text, host)
    port = urlsplit(host).port
    if isinstance(inner, urllib3.exceptions.NameResolutionError | socket.gaierror):
        return Unreachable(
            f"The name in {host} is not known to the DNS.",
            "Check --host or KFP_HOST; names in .svc are known only inside the cluster: from outside "
            "unset KFP_HOST, and a port-forward is made with your kubeconfig.",
            passing=True,
        )
    if "refused" in text.lower():
        return Unreachable(
            f"Nothing listens at {host}: the connection was refused.",
            "Is KFP running, or the port-forward still up? "
            f"kubectl port-forward -n kubeflow svc/ml-pipeline {port or 8888}:8888",
            passing=True,
        )
    if isinstance(inner, urllib3.exceptions.TimeoutError | TimeoutError):
        return Unreachable(
            f"{host} did not answer in time.",
            "Check the address and firewalls; a VPN may be off.",
            passing=True,
        )
    return Unreachable(
        f"The connection to {host} broke: {text}", "Try again; check the network.", passing=True
    )


def tls_fault(text: str, host: str) -> Unreachable:
    """What to do about a certificate."""
    if "WRONG_VERSION_NUMBER" in text or "record layer" in text.lower():
        return Unreachable(
            f"{host} does not speak TLS.", "Write http:// in --host or KFP_HOST, not https://."
        )
    short = " ".join(text.split())[:300]
    return Unreachable(
        f"The certificate of {host} is not trusted: {short}",
        "Give the authority that signed it: KFP_CA_FILE=/path/to/ca.crt; a pod gets the file from a "
        "ConfigMap or from the volume. Only to try something out: --insecure.",
    )
