"""Whether the server on this machine is ready: what the image's HEALTHCHECK asks.

python -m bertworks.serving.probe [PORT]

Ends with 0 where it is, else with 1. By itself it asks at the port that BERTWORKS_LISTEN names. A
health check is not told the server's options: so it asks by http, and where that is not what is spoken
there, by TLS. Whose certificate it is does not matter on the way to oneself.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys

PATH = "/v2/health/ready"
SECONDS = 4.0
"""For each of the two ways."""


def ready(port: int, seconds: float = SECONDS) -> bool:
    """Whether what listens on a port of this machine says that it is ready."""
    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    status = _status(plain)
    if status is None:
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        status = _status(
            http.client.HTTPSConnection("127.0.0.1", port, timeout=seconds, context=anybody)
        )
    return status == 200


def _status(connection: http.client.HTTPConnection) -> int | None:
    """The status of the answer; None: nobody answers, or speaks otherwise."""
    try:
        connection.request("GET", PATH, headers={"connection": "close"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not ready(int(sys.argv[1] if len(sys.argv) > 1 else os.environ["BERTWORKS_LISTEN"])))
