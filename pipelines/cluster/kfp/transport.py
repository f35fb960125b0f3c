"""Requests to KFP: time limits, retries, and errors that say what to do.

`kfp.Client` alone has no time limit, takes a login page for an empty run, and ends with a traceback.
Here its lowest layer is replaced: what comes back is JSON of the API, or an error.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import urllib.request
import warnings
from typing import Any
from urllib.parse import urljoin, urlsplit

import kfp_server_api
import urllib3
from kfp_server_api import rest
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_chain, wait_random

from bertworks.errors import EnvironmentFault
from bertworks.tls import relaxed
from pipelines.cluster.kfp.credentials import Credentials

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
BACKOFF = (0.5, 1.0, 2.0)
PASSING = frozenset({429, 500, 502, 503, 504})
IDEMPOTENT_CALLS = re.compile(r":(terminate|enable|disable|archive|unarchive)$")
API = "/apis/v2beta1"
LOGS = "/k8s/pod/logs"


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


class Rest(rest.RESTClientObject):
    """The lowest layer of `kfp.Client`.

    Args:
        configuration: The client's configuration: certificates, proxy.
        host: Root of the API, for messages.
        credentials: Adds the headers that say who we are.
    """

    def __init__(self, configuration: Any, host: str, credentials: Credentials) -> None:
        # No hidden retries and redirects: a redirect is what a login page looks like.
        configuration.retries = False
        super().__init__(configuration)
        self.host, self.credentials = host, credentials

    def request(self, method: str, url: str, **options: Any) -> Any:
        """One call: again after a passing fault if it may be repeated, and once after a new login."""
        again = method in ("GET", "HEAD", "DELETE") or bool(IDEMPOTENT_CALLS.search(url))
        again = again and not url.endswith(LOGS)  # 500 is the UI's word for a log that it has not
        waits = BACKOFF if again else ()
        tried = Retrying(
            retry=retry_if_exception(lambda error: getattr(error, "passing", False)),
            stop=stop_after_attempt(len(waits) + 1),
            wait=wait_chain(*(wait_random(0.75 * wait, 1.25 * wait) for wait in waits or (0.0,))),
            reraise=True,
        )
        return tried(self._logged_in, method, url, options)

    def _logged_in(self, method: str, url: str, options: dict[str, Any]) -> Any:
        """One call, and once more where a new login gets us in."""
        try:
            return self._once(method, url, options)
        except (Answer, LoginPage) as error:
            refused = isinstance(error, LoginPage) or error.status in (401, 403)
            if not (refused and self.credentials.refresh()):
                raise
        return self._once(method, url, options)

    def _once(self, method: str, url: str, options: dict[str, Any]) -> Any:
        given = dict(options)
        given["headers"] = {**(given.get("headers") or {}), **self.credentials.headers()}
        given["_request_timeout"] = given.get("_request_timeout") or (CONNECT_SECONDS, READ_SECONDS)
        try:
            answer = super().request(method, url, **given)
        except kfp_server_api.ApiException as error:
            if not error.status and relaxed(self.pool_manager, error, self.host):
                return self._once(method, url, options)
            raise self._refused(method, url, error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if relaxed(self.pool_manager, error, self.host):
                return self._once(method, url, options)
            raise explain(error, self.host) from None
        if given["headers"].get("Accept") != "text/plain":
            self._check_is_json(answer)
        return answer

    def _refused(self, method: str, url: str, error: Any) -> EnvironmentFault:
        """What a status outside 200 to 299 means."""
        if not error.status:  # rest.py's way to say that TLS failed
            return tls_fault(str(error.reason), self.host)
        location = (error.headers or {}).get("Location", "") if error.headers else ""
        if 300 <= error.status < 400:
            return LoginPage.at(self.host, urljoin(url, location))
        said = server_message(error.body)
        call = f"{method} {urlsplit(url).path}"
        return Answer(
            f"{self.host} answered {error.status} to {call}: {said or error.reason}",
            _fix(error.status, self.credentials.kind, said),
            error.status,
            error.body if isinstance(error.body, bytes) else str(error.body or "").encode(),
        )

    def _check_is_json(self, answer: Any) -> None:
        data = getattr(answer, "data", b"")
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
        if not text.strip():
            return
        try:
            json.loads(text)
        except ValueError:
            raise LoginPage.at(self.host, "", page=text) from None


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


def _fix(status: int, kind: str, said: str) -> str:
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


def configuration(host: str, verify: bool, ca_file: str | None) -> Any:
    """Certificates and proxy for a host, as the environment says.

    Raises:
        EnvironmentFault: The CA file is not there, or not one.
    """
    given = kfp_server_api.Configuration()
    given.host, given.verify_ssl = host, verify
    if not verify:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    chosen = ca_file or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
    if chosen:
        try:
            ssl.create_default_context(cafile=chosen)
        except (OSError, ssl.SSLError) as error:
            raise EnvironmentFault(
                f"The CA file {chosen} cannot be used: {error}.",
                "KFP_CA_FILE must name a PEM file with the authority's certificate.",
            ) from None
        given.ssl_ca_cert = chosen
    parts = urlsplit(host)
    name = parts.hostname or ""
    near = name == "localhost" or name.startswith("127.") or ".svc" in name
    if not near and not urllib.request.proxy_bypass(name):
        given.proxy = urllib.request.getproxies().get(parts.scheme)
    return given


def make_client(
    host: str, credentials: Credentials, *, verify: bool = True, ca_file: str | None = None
) -> Any:
    """A `kfp.Client` on our transport; it reads and writes no file in the home folder."""
    import kfp

    class Client(kfp.Client):
        def _load_context_setting_or_default(self) -> None:
            # Not empty: else the constructor asks the server, five times and without a time limit.
            self._context_setting = {"namespace": "unset"}

        def set_user_namespace(self, namespace: str) -> None:
            self._context_setting["namespace"] = namespace

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = Client(host=host)
    client._run_api.api_client.rest_client = Rest(
        configuration(host, verify, ca_file), host, credentials
    )
    return client
