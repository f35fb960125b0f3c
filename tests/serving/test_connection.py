"""Connections over real sockets on loopback: too much in front, too slow, too many, cut off."""

import asyncio
import contextlib
import logging
import socket
import threading
from functools import partial

import pytest
import uvicorn

from bertworks.serving import log
from bertworks.serving.http import connection
from bertworks.serving.http.connection import Connection
from bertworks.serving.http.gate import Gate
from bertworks.serving.line import Line
from bertworks.spec.limits import Limits

GET = b"GET /v2/health/live HTTP/1.1\r\nhost: a\r\n"
POST = b"POST /v1/models/mood:predict HTTP/1.1\r\nhost: a\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"


async def app(scope, receive, send):
    """Answers with the size of the body; /large has a long answer."""
    body = (await receive())["body"] if scope["method"] == "POST" else b""
    answer = b"x" * 2**25 if scope["path"] == "/large" else b"%d" % len(body)
    headers = [(b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


@contextlib.contextmanager
def server(**given):
    """A server in a thread; gives its address and uvicorn's state."""
    limits = Limits(**given)
    config = uvicorn.Config(
        Gate(app, limits, Line(limits, 2)), http=partial(Connection, limits=limits), ws="none",
        lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    running = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        thread = threading.Thread(
            target=lambda: asyncio.run(running.serve([listening])), daemon=True
        )
        thread.start()
        try:
            yield listening.getsockname(), running.server_state
        finally:
            running.should_exit = True
            thread.join(30)


def talk(address, *parts):
    """What the server says to some bytes until it closes, or answers and waits for more."""
    with socket.create_connection(address, timeout=60) as client:
        for part in parts:
            client.sendall(part)
        return until_closed(client)


def until_closed(client):
    said = b""
    with contextlib.suppress(ConnectionError):
        while part := client.recv(1 << 16):
            said += part
    return said.decode()


@pytest.fixture(scope="module")
def patient():
    with server() as (address, _):
        yield address


CLOSE = b"connection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([GET, *[b"a%d: b\r\n" % number for number in range(90)], CLOSE], 200),
        ([GET, *[b"a%d: b\r\n" % number for number in range(10_000)], CLOSE], 431),
        ([GET, b"".join(b"a%d: b\r\n" % number for number in range(200)), CLOSE], 431),
        ([GET, b"a: " + b"b" * 40_000], 431),
        ([GET, b"a: ", *[b"b" * 1000] * 40], 431),
        ([b"GET /", *[b"b" * 1000] * 40], 431),
        ([GET.replace(b"/v2", b"/" + b"b" * 40_000), CLOSE], 431),
        ([CHUNKED, *[b"1;" + b"x" * 5000 + b"\r\na\r\n"] * 40], 400),
        ([CHUNKED, b"0\r\n", *[b"a: b\r\n"] * 10_000], 431),
        ([b"\x00\x01\r\n\r\n"], 400),
        ([b"GET /\x00 HTTP/1.1\r\n\r\n"], 400),
        ([b"GET /\xff HTTP/1.1\r\n", CLOSE], 400),
        ([POST + b"content-length: x\r\n\r\n"], 400),
        ([POST + b"content-length: 99999999\r\n", CLOSE], 413),
        ([POST + b"content-length: 4\r\n", CLOSE, b"{  }"], 200),
    ],
)  # fmt: skip
def test_what_is_sent_in_front_is_bounded(patient, parts, status):
    with contextlib.suppress(ConnectionError):
        assert talk(patient, *parts).split(" ")[1] == str(status)
        return
    assert status in (400, 431)  # It closed while more was being sent.


def test_a_body_that_is_too_large_is_told_so_and_the_connection_stays(patient):
    with socket.create_connection(patient, timeout=60) as client:
        client.sendall(POST + b"content-length: 10000000\r\n\r\n")
        client.sendall(b" " * 10_000_000)
        assert b" 413 " in client.recv(100)
        client.sendall(GET + CLOSE)
        assert "200 OK" in until_closed(client)


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([], ""),
        ([b"\r\n"], "408"),
        ([GET], "408"),
        ([GET, b"\r\n", b"GET"], "408"),
        ([POST, b"content-length: 9\r\n\r\n", b"1"], "408"),
        ([CHUNKED, b"1\r\n"], "408"),
    ],
)
def test_what_never_ends_is_closed(parts, status):
    with server(head_seconds=0.05, body_seconds=0.05) as (address, _):
        said = talk(address, *parts)
    assert (f"HTTP/1.1 {status} " in said) if status else said == ""


def test_one_who_sends_a_byte_at_a_time_is_closed():
    with server(head_seconds=0.2) as (address, _), socket.create_connection(address) as client:
        client.settimeout(0.01)
        said, bytes_ = b"", iter(GET + b"a: " + b"b" * 20_000)
        with contextlib.suppress(ConnectionError):
            while True:
                client.sendall(bytes([next(bytes_)]))
                with contextlib.suppress(TimeoutError):
                    part = client.recv(1000)
                    if not part:
                        break
                    said += part
        assert b" 408 " in said


def test_the_rest_of_a_refused_body_is_read_for_a_while_only(monkeypatch):
    monkeypatch.setattr(connection, "LINGER_BYTES", 200_000)
    with server() as (address, _), socket.create_connection(address, timeout=60) as client:
        client.sendall(CHUNKED)
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                client.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


def test_an_answer_that_nobody_takes_is_dropped(monkeypatch):
    monkeypatch.setattr(connection, "TAKE_SECONDS", 0.05)
    with server() as (address, state), socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(address)
        client.sendall(GET.replace(b"/v2/health/live", b"/large") + CLOSE)
        assert client.recv(10)
        wait_until(lambda: not state.connections)


def test_answers_that_lie_untaken_share_a_budget(monkeypatch):
    monkeypatch.setattr(connection, "UNTAKEN_BYTES", 40 * 2**20)  # /large has 32.
    with server() as (address, state), contextlib.ExitStack() as stack:
        for number in (1, 2):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(address)
            client.sendall(GET.replace(b"/v2/health/live", b"/large") + b"\r\n")
            assert client.recv(10), number
        wait_until(lambda: len(state.connections) == 1)
        assert len(client.recv(2**16)) > 0  # The last one is still sent.


def test_one_too_many_takes_the_place_of_who_idles():
    with server(connections=2) as (address, state):
        idle = []
        for number in (1, 2):
            idle.append(socket.create_connection(address, timeout=60))
            wait_until(lambda number=number: len(state.connections) == number)
        assert "200 OK" in talk(address, GET, CLOSE)
        assert until_closed(idle[0]) == ""  # Else it would wait for its time-out.
        idle[1].sendall(GET + CLOSE)
        assert "200 OK" in until_closed(idle[1])
        for one in idle:
            one.close()


def test_many_requests_on_one_connection_at_once(patient):
    with socket.create_connection(patient, timeout=60) as client:
        client.sendall((GET + b"\r\n") * 4 + GET + CLOSE)
        assert until_closed(client).count("200 OK") == 5


def test_what_is_refused_by_hand_is_one_line(patient, caplog):
    log.LOGGER.propagate = True
    with caplog.at_level(logging.INFO, "bertworks.serving"):
        talk(patient, b"GET / HTTP/1.1\r\nsecret: \x00\r\n\r\n")
    ours = [record.getMessage() for record in caplog.records if record.name == log.LOGGER.name]
    assert [one.split(" ", 1)[1] for one in ours] == ["- - 400 Invalid HTTP request received."]


def wait_until(condition):
    for _ in range(5000):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("it never came to hold")
