"""Certificates that are right, but not by the letter of RFC 5280.

From version 3.13 on Python refuses authorities that lack the extension keyUsage, an authority key
identifier and the like (VERIFY_X509_STRICT). Many clusters have such authorities, made by older tools,
and nobody in a pod can change them. So a connection that fails for that alone is made again without the
strict rules, and it is said: chain, name and validity are still verified.
"""

from __future__ import annotations

import re
import ssl
import sys
from collections.abc import Callable
from typing import Any

# What OpenSSL says when nothing but its strict rules is broken.
STRICT_ONLY = re.compile(
    r"key usage extension|(?:Authority|Subject) Key Identifier|not marked critical", re.IGNORECASE
)


def forgiving(client: Any, where: str) -> Any:
    """A REST client of the kind that OpenAPI generates, which does without the strict rules if it must.

    Args:
        client: Has `request()` and `pool_manager`; is changed.
        where: Of what the warning speaks.

    Returns:
        The client.
    """
    ask: Callable[..., Any] = client.request

    def request(*arguments: Any, **options: Any) -> Any:
        try:
            return ask(*arguments, **options)
        except Exception as error:
            if not relaxed(client.pool_manager, error, where):
                raise
        return ask(*arguments, **options)

    client.request = request
    return client


def relaxed(pools: Any, error: BaseException, where: str) -> bool:
    """Takes the strict rules away from urllib3's pools when an error came of them alone.

    The handshake failed, so nothing was sent: asking again repeats nothing.

    Args:
        pools: A `urllib3.PoolManager`.
        error: What a request ended with.
        where: Of what the warning speaks.

    Returns:
        Whether asking again makes sense; False the second time.
    """
    from urllib3.util.ssl_ import create_urllib3_context

    found = STRICT_ONLY.search(_words(error))
    if found is None or pools.connection_pool_kw.get("ssl_context") is not None:
        return False
    context = create_urllib3_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    pools.clear()
    pools.connection_pool_kw["ssl_context"] = context
    print(
        f"warning: the certificate authority of {where} is not by the letter of RFC 5280 "
        f"({found.group(0)}): it is verified without Python's strict rules. A new authority with the "
        "extension keyUsage ends this.",
        file=sys.stderr,
    )
    return True


def _words(error: BaseException) -> str:
    """An error's text with those of what it wraps."""
    inner = getattr(error, "reason", None)
    wrapped = _words(inner) if isinstance(inner, BaseException) else str(inner or "")
    return f"{error} {wrapped}"
