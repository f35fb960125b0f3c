"""Who we are: a bearer token, a pod's service account, or a Dex session. Nothing here is printed."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

from bertworks.errors import EnvironmentFault
from bertworks.tls import relaxed
from pipelines.cluster.kfp.faults import explain

POD_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")
SECONDS = (10, 30)


class Credentials(Protocol):
    """Adds headers to each request."""

    kind: str

    def headers(self) -> dict[str, str]: ...

    def refresh(self) -> bool:
        """After a refusal: whether there is now something else to try."""
        ...


class Nobody:
    """No credentials: single-user KFP behind a port-forward needs none."""

    kind = "none"

    def headers(self) -> dict[str, str]:
        return {}

    def refresh(self) -> bool:
        return False


class Token:
    """A bearer token; one from a file is read again, because the kubelet renews it.

    Raises:
        EnvironmentFault: The file cannot be read, or the token has characters that none may have.
    """

    kind = "token"

    def __init__(self, value: str | None = None, file: Path | None = None) -> None:
        self._value, self._file = (value or "").strip(), file
        self._sent = self._read()

    def headers(self) -> dict[str, str]:
        self._sent = self._read()
        return {"authorization": f"Bearer {self._sent}"}

    def refresh(self) -> bool:
        return self._file is not None and self._read() != self._sent

    def _read(self) -> str:
        value, where = self._value, "KFP_TOKEN"
        if self._file is not None:
            where = str(self._file)
            try:
                value = self._file.read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise EnvironmentFault(
                    f"The token file {where} cannot be read: "
                    f"{getattr(error, 'strerror', None) or 'not text'}.",
                    "Set KFP_TOKEN_FILE to a file that holds the token alone.",
                ) from None
        if not re.fullmatch(r"[\x21-\x7e]+", value):
            raise EnvironmentFault(
                f"{where} holds no bearer token: it is empty, or has spaces or line breaks in it.",
                "Put the token alone there.",
            )
        return value


class Dex:
    """A session cookie from Kubeflow's login page (Dex, with or without oauth2-proxy).

    Args:
        host: Root of the API.
        username: As typed into the login page.
        password: The same; kept in memory only.
        verify: Verify the certificate: True, False or a CA file.
    """

    kind = "dex"

    def __init__(self, host: str, username: str, password: str, verify: bool | str) -> None:
        self._host, self._username, self._password = host, username, password
        self._verify = verify
        self._cookie: str | None = None

    def headers(self) -> dict[str, str]:
        if self._cookie is None:
            self._cookie = self._login()
        return {"Cookie": self._cookie} if self._cookie else {}

    def refresh(self) -> bool:
        before, self._cookie = self._cookie, self._login()
        return self._cookie != before

    def _login(self) -> str:
        import requests

        session = requests.Session()
        # Said with each request: REQUESTS_CA_BUNDLE would win over what stands in the session.
        session.request = partial(session.request, verify=self._verify)
        try:
            try:
                return self._walk(session)
            except requests.exceptions.SSLError as error:
                if not relaxed(session.get_adapter("https://").poolmanager, error, self._host):
                    raise
                return self._walk(session)
        except requests.RequestException as error:
            raise explain(error.args[0] if error.args else error, self._host) from None

    def _walk(self, session: Any) -> str:
        """Follows the redirects to the login form, fills it in, and returns the cookies."""
        page = session.get(f"{self._host}/", timeout=SECONDS)
        if page.status_code in (401, 403):
            # oauth2-proxy shows a page with a button; this is where the button leads.
            query = urlencode({"rd": urlsplit(page.url).path})
            page = session.get(urljoin(page.url, f"/oauth2/start?{query}"), timeout=SECONDS)
        if not page.history:
            return ""  # nobody asks for a login here
        self._must(page.ok, f"its login page answered {page.status_code}")
        where = urlsplit(page.url)
        if re.search(r"/auth$", where.path):
            # Dex asks which way to log in; passwords are the connector named local.
            local = urlunsplit(where._replace(path=f"{where.path}/local"))
            page = session.get(local, timeout=SECONDS)
        target = self._form_target(page)
        done = session.post(
            target, data={"login": self._username, "password": self._password}, timeout=SECONDS
        )
        if urlsplit(done.url).path.endswith("/approval"):
            done = session.post(done.url, data={"approval": "approve"}, timeout=SECONDS)
        self._must(bool(done.history), "user name or password was not accepted")
        self._must(len(session.cookies) > 0, "the login gave no session cookie")
        return "; ".join(f"{one.name}={one.value}" for one in session.cookies)

    def _form_target(self, page: Any) -> str:
        """Where the login form is sent; never from https to http, never to another host."""
        found = re.search(r"<form[^>]*?action=[\"']([^\"']*)[\"']", page.text, re.I | re.S)
        action = found.group(1).replace("&amp;", "&") if found else ""
        target = urljoin(str(page.url), action)
        self._must("/auth/" in urlsplit(target).path, "the page it shows is not Dex's login form")
        first, last = urlsplit(page.url), urlsplit(target)
        asked = urlsplit(self._host)
        self._must(
            first.netloc == last.netloc
            and not (asked.scheme == "https" and last.scheme != "https"),
            f"its login form goes to {last.scheme}://{last.netloc}, which is not to be trusted",
        )
        return target

    def _must(self, fine: bool, what: str) -> None:
        if not fine:
            raise EnvironmentFault(
                f"Logging in to {self._host} failed: {what}.",
                "Check KFP_USERNAME and KFP_PASSWORD; if your Kubeflow does not use Dex's passwords, "
                "set KFP_TOKEN instead.",
            )


def credentials_for(
    host: str, environment: Mapping[str, str], *, in_cluster: bool, verify: bool | str
) -> Credentials:
    """The credentials that the environment holds for a host.

    Args:
        in_cluster: The host is a service of this pod's own cluster, so that the token that Kubeflow
            mounts into pods is meant for it.

    Raises:
        EnvironmentFault: Only one of KFP_USERNAME and KFP_PASSWORD is set, or a token is unusable.
    """
    if file := environment.get("KFP_TOKEN_FILE"):
        return _guarded(Token(file=Path(file)), host, in_cluster)
    if token := environment.get("KFP_TOKEN"):
        return _guarded(Token(token), host, in_cluster)
    username, password = environment.get("KFP_USERNAME"), environment.get("KFP_PASSWORD")
    if bool(username) != bool(password):
        raise EnvironmentFault(
            f"{'KFP_PASSWORD' if username else 'KFP_USERNAME'} is not set, but its partner is.",
            "Set both, or neither.",
        )
    if username and password:
        return _guarded(Dex(host, username, password, verify), host, in_cluster)
    mounted = Path(environment.get("KF_PIPELINES_SA_TOKEN_PATH") or POD_TOKEN)
    if in_cluster and mounted.exists():
        return Token(file=mounted)
    return Nobody()


def _guarded(chosen: Credentials, host: str, in_cluster: bool) -> Credentials:
    parts = urlsplit(host)
    name = parts.hostname or ""
    near = in_cluster or name in ("localhost", "::1") or name.startswith("127.")
    if parts.scheme == "http" and not near:
        print(
            f"warning: your credentials go to {host} unencrypted; use https:// if it has it",
            file=sys.stderr,
        )
    return chosen
