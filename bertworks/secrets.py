"""Secrets in URIs: told from what is harmless, masked on every way out, filled in only to fetch.

A spec is copied into records, logs, reports and compiled pipelines, so that a secret may not stand in
it. Where a web address needs one, the spec writes `${NAME}`, which stands for the environment variable
of that name and is filled in at the moment of fetching, nowhere else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import quote, quote_plus, unquote_plus

from bertworks.errors import SourceError

PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# A password may hold a slash, as keys of buckets do; digits behind the colon are a port.
_USER = re.compile(r"(?<!npm:)//((?:[^/?#\s]+|(?!\[)[^/@:\s]+:(?!/|\d+(?:[/?#]|$))[^@\s]+)(?=@))@")
_WEB_QUERY = re.compile(r"(https?://[^\s?#\"'<>]*)\?[^\s!\"'<>]*", re.IGNORECASE)
_INLINE = re.compile(r"(\bdata:[\w.+/-]*;base64,)[A-Za-z0-9_+/=-]{40,}")
_PARAMETER = re.compile(r"([?&;#]|&amp;)([^=&;?\s\"'<>/]+)=([^&;\s\"'<>!#]*)")
_SECRET_NAME = re.compile(
    r"(?i)(token|secret|pass|pwd|sig|key|auth|cred|session|code|api|jwt|bearer|policy|sas"
    r"|(?<![a-z])(?:pw|pin|otp)(?![a-z]))"
)
# A switch, a format, a small number: what addresses of public files have.
_HARMLESS = re.compile(r"(?i)[a-z]{0,12}|[0-9.]{1,8}")


def masked(text: str) -> str:
    """A text with the credentials in its URIs cut out: user information and a web address's query.

    In URIs of buckets, whose paths may hold a question mark, only values of queries that may be secret
    are cut out. Of a data URI the file in it is left out, which nobody could read.
    """
    text = _INLINE.sub(r"\1…", text)
    text = _WEB_QUERY.sub(r"\1?***", _USER.sub("//***@", text))
    return _PARAMETER.sub(
        lambda found: f"{found[1]}{found[2]}=***" if _is_secret(found[2], found[3]) else found[0],
        text,
    )


def secret_in(uri: str) -> str:
    """What in a URI may be a secret, as words for a message; "" where nothing is."""
    user = _USER.search(uri)
    # A name alone is how sftp and hdfs say whose files are meant; on the web it is a token.
    if user and not _stands_for_one(user[1]) and (":" in user[1] or _is_web(uri)):
        return "the user name or password before the @"
    for _, name, value in _PARAMETER.findall(uri):
        if _is_secret(name, value):
            return f"the value of {name} in the query"
    return ""


def filled_in(uri: str, environment: Mapping[str, str] | None = None) -> str:
    """The URI with each `${NAME}` replaced by the environment variable; only for fetching.

    Raises:
        SourceError: A variable is not set.
    """
    known = os.environ if environment is None else environment

    def value(found: re.Match[str]) -> str:
        if not known.get(found[1]):
            raise SourceError(
                f"{masked(uri)} needs the environment variable {found[1]}, which is not set.",
                f"Set it where the command runs (export {found[1]}=…); for pods name a Kubernetes "
                f"secret: resources.steps.ingest.secrets: {{{found[1]}: {{secret: NAME, key: KEY}}}}.",
            )
        return known[found[1]]

    return PLACEHOLDER.sub(value, uri)


def without_values(text: str, uri: str) -> str:
    """A text that was made with the filled in URI, with each value replaced by its `${NAME}` again.

    A client may have escaped it on the way.
    """
    for name in PLACEHOLDER.findall(uri):
        if value := os.environ.get(name):
            for written in (value, quote(value), quote(value, safe=""), quote_plus(value)):
                text = text.replace(written, f"${{{name}}}")
    return text


def _stands_for_one(user: str) -> bool:
    """Whether what is before the @ names environment variables: all of it, or the password."""
    name, colon, password = user.partition(":")
    whole = PLACEHOLDER.fullmatch(user) is not None
    return whole or (bool(colon and name) and PLACEHOLDER.fullmatch(password) is not None)


def _is_secret(name: str, value: str) -> bool:
    name = unquote_plus(name)
    if not value or value == "***" or PLACEHOLDER.fullmatch(value):
        return False
    return _SECRET_NAME.search(name) is not None or _HARMLESS.fullmatch(value) is None


def _is_web(uri: str) -> bool:
    return re.match(r"(?i)(https?|ftps?|wss?)://", uri) is not None
