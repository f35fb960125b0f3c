"""npm's settings, read as npm reads them: which registry for which scope, and how it is reached.

From the lowest to the highest: npmrc of the system, ~/.npmrc, .npmrc in the working folder, and the
npm_config_* variables. `${NAME}` in a file stands for an environment variable.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bertworks.data.sources.registries.access import Access, Credentials, basic, without_credentials

PUBLIC = "https://registry.npmjs.org"
_SYSTEM = ("/usr/etc/npmrc", "/usr/local/etc/npmrc", "/etc/npmrc")


@dataclass(frozen=True)
class NpmSettings:
    """What npm is told here.

    Attributes:
        registry: The URL for one package's scope.
        access: How servers are reached.
        place: The setting that names the registry, and where it stands.
    """

    registry: str = field(repr=False)
    access: Access
    place: str


def npm_settings(name: str) -> NpmSettings:
    """Reads the settings that hold for a package, such as `@scope/name` or `name`."""
    values, places = _values()
    scope = f"{name.partition('/')[0]}:registry" if name.startswith("@") else ""
    key = scope if scope in values else "registry"
    registry, login = without_credentials((values.get(key) or PUBLIC).rstrip("/"))
    proxies = {
        "http": values.get("proxy") or values.get("http-proxy"),
        "https": values.get("https-proxy") or values.get("proxy"),
        "no_proxy": values.get("noproxy") or values.get("no-proxy"),
    }
    strict = values.get("strict-ssl", "true").lower() != "false"
    return NpmSettings(
        registry=registry,
        access=Access(
            certificates=values.get("cafile"),
            more_certificates=os.environ.get("NODE_EXTRA_CA_CERTS"),
            unverified=frozenset() if strict else frozenset("*"),
            proxies={name: value for name, value in proxies.items() if value},
            credentials=(*([login] if login else []), *_credentials(values, registry)),
        ),
        place=f"{key} in {places[key]}" if key in places else "none, so registry.npmjs.org",
    )


def _values() -> tuple[dict[str, str], dict[str, str]]:
    """Every setting, and where it stands."""
    variables = {
        _named(key[11:]): value
        for key, value in os.environ.items()
        if key.lower().startswith("npm_config_") and value
    }
    user = variables.get("userconfig") or os.path.expanduser("~/.npmrc")  # noqa: PTH111 (no home is no error)
    named = variables.get("globalconfig")
    system = [named] if named else list(reversed(_SYSTEM))
    values: dict[str, str] = {}
    places: dict[str, str] = {}
    for file in (*system, user, ".npmrc"):
        for key, value in _read(Path(file)).items():
            values[key], places[key] = value, str(Path(file).absolute())
    for key, value in variables.items():
        values[key], places[key] = value, "the environment"
    return values, places


def _read(file: Path) -> dict[str, str]:
    """The settings of one npmrc; {} where there is none that can be read."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    found: dict[str, str] = {}
    for line in lines:
        if line.strip().startswith((";", "#")) or "=" not in line:
            continue
        key, _, value = line.partition("=")
        value = value.strip().strip("\"'")
        found[key.strip()] = re.sub(
            r"\$\{(\w+)\}", lambda match: os.environ.get(match[1], match[0]), value
        )
    return found


def _named(variable: str) -> str:
    """The setting of npm_config_VARIABLE: strict_ssl is strict-ssl, a leading underscore stays."""
    if variable.startswith("//"):
        return variable
    return variable[:1].lower() + variable[1:].replace("_", "-").lower()


def _credentials(values: dict[str, str], registry: str) -> tuple[Credentials, ...]:
    """Those of `//host/path/:_authToken` and its like; the plain form belongs to the registry."""
    own = urlsplit(registry)
    found = []
    for key, value in values.items():
        match = re.fullmatch(r"(?:(//.*/):)?(_authToken|_auth|_password)", key, re.IGNORECASE)
        if match is None:
            continue
        parts = urlsplit(f"{own.scheme}:{match[1]}") if match[1] else own
        user = values.get(f"{match[1]}:username" if match[1] else "username")
        header = _header(match[2].lower(), value, user)
        if header:
            found.append(Credentials(own.scheme, parts.netloc, parts.path, header))
    return tuple(found)


def _header(form: str, value: str, user: str | None) -> str | None:
    if form == "_authtoken":
        return f"Bearer {value}"
    if form == "_auth":
        return f"Basic {value}"
    if user is None:
        return None
    with contextlib.suppress(ValueError):  # npm keeps the password in base64
        return basic(user, base64.b64decode(value).decode("utf-8"))
    return None
