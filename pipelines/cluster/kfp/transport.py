"""Requests to KFP: time limits and retries.

`kfp.Client` alone has no time limit, takes a login page for an empty run, and ends with a traceback.
Here its lowest layer is replaced: what comes back is JSON of the API, or an error.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import urllib.request
import warnings
from typing import Any
from urllib.parse import urljoin, urlsplit

import kfp_server_api
import urllib3
from kfp_server_api import rest

from bertworks.errors import EnvironmentFault
from bertworks.retries import retrying
from bertworks.tls import relaxed
from pipelines.cluster.kfp.credentials import Credentials
from pipelines.cluster.kfp.faults import (
    Answer,
    LoginPage,
    explain,
    fix_of,
    server_message,
    tls_fault,
)

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
BACKOFF = (0.5, 1.0, 2.0)
IDEMPOTENT_CALLS = re.compile(r":(terminate|enable|disable|archive|unarchive)$")
API = "/apis/v2beta1"
LOGS = "/k8s/pod/logs"


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
        tried = retrying(
            BACKOFF if again else (), lambda error: getattr(error, "passing", False), jitter=0.25
        )
        return tried(self._logged_in, method, url, **options)

    def _logged_in(self, method: str, url: str, **options: Any) -> Any:
        """One call, and once more where a new login gets us in."""
        try:
            return self._once(method, url, **options)
        except (Answer, LoginPage) as error:
            refused = isinstance(error, LoginPage) or error.status in (401, 403)
            if not (refused and self.credentials.refresh()):
                raise
        return self._once(method, url, **options)

    def _once(self, method: str, url: str, **options: Any) -> Any:
        headers = {**(options.get("headers") or {}), **self.credentials.headers()}
        limit = options.get("_request_timeout") or (CONNECT_SECONDS, READ_SECONDS)
        try:
            answer = super().request(
                method, url, **{**options, "headers": headers, "_request_timeout": limit}
            )
        except kfp_server_api.ApiException as error:
            if not error.status and relaxed(self.pool_manager, error, self.host):
                return self._once(method, url, **options)
            raise self._refused(method, url, error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if relaxed(self.pool_manager, error, self.host):
                return self._once(method, url, **options)
            raise explain(error, self.host) from None
        if headers.get("Accept") != "text/plain":
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
            fix_of(error.status, self.credentials.kind, said),
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
