"""What the image's HEALTHCHECK asks: over http and TLS, and of who is not ready."""

import socket

import pytest
from certificates import write_certificate
from listening_server import server_of

from bertworks.serving import probe
from bertworks.serving.access.tls import Certificates


def answering(status):
    async def app(scope, receive, send):
        assert scope["path"] == probe.PATH
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    return app


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False)])
def test_the_health_check_asks_as_the_server_speaks(tmp_path, caplog, tls, status, ready):
    options = {}
    if tls:
        certificates = Certificates(*write_certificate(tmp_path))
        options = {"ssl_context_factory": lambda config, default: certificates.context}
    with server_of(answering(status), options) as (address, _):
        caplog.clear()
        assert probe.ready(address[1]) == ready
    ours = [one.getMessage() for one in caplog.records if "v2/health" not in one.getMessage()]
    assert not any("SSL" in one or "Invalid" in one for one in ours)  # It is asked every 10 s.


def test_nobody_who_listens_is_not_ready():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert not probe.ready(free.getsockname()[1])
