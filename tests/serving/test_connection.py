"""Connections over real sockets on loopback: too much in front, too slow, too many, cut off."""

import asyncio
import contextlib
import socket
import threading

import pytest
from listening_server import server_of
from prometheus_client import REGISTRY

from bertworks.serving.http import connection, crowd
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


def server(answers=app, **given):
    """A server that answers so."""
    return server_of(answers, **given)


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


def test_one_too_many_takes_the_place_of_who_idles(monkeypatch):
    monkeypatch.setattr(crowd, "QUIET_SECONDS", 0.0)
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


def turned_away(reason):
    name = "bertworks_requests_turned_away_total"
    return REGISTRY.get_sample_value(name, {"reason": reason}) or 0.0


class Holding:
    """Answers each question once it is released, anything else at once."""

    def __init__(self):
        self.release, self.asked = threading.Event(), 0

    async def __call__(self, scope, receive, send):
        if scope["method"] == "POST":
            self.asked += 1
            while not self.release.is_set():
                await asyncio.sleep(0.001)
        await app(scope, receive, send)


ASK = POST + b"content-length: 2\r\n\r\n{}"


def test_past_the_limit_of_connections_a_client_is_told_so_and_not_reset():
    holding = Holding()
    with server(holding, connections=2) as (address, _), contextlib.ExitStack() as stack:
        before = turned_away("connections")
        busy = [stack.enter_context(socket.create_connection(address)) for _ in range(2)]
        for number, one in enumerate(busy, 1):
            one.sendall(ASK)
            wait_until(lambda number=number: holding.asked == number)
        # One whose body is on the way yet: an answer and a close would reset it.
        for parts in (
            [ASK],
            [ASK[:-2], b"{}"],
            [POST + b"content-length: 2000000\r\n\r\n", b" " * 2000000],
        ):
            said = talk(address, *parts)
            assert said.startswith("HTTP/1.1 429 "), said
            assert "retry-after: 1\r\n" in said and "too many connections" in said
            assert "connection: close\r\n" in said and "x-request-id" in said
        assert "200 OK" in talk(address, GET, CLOSE)  # health is answered all the same
        assert turned_away("connections") == before + 3
        holding.release.set()
        for one in busy:
            assert b"200 OK" in one.recv(1000)


def test_who_sent_a_request_that_is_not_read_yet_does_not_make_way(monkeypatch):
    monkeypatch.setattr(crowd, "QUIET_SECONDS", 0.0)
    passes = {"oldest": True, "newer": False}
    ended = []

    class Held:
        idle_since = 0.0

        def __init__(self, name):
            self.name, self.unread = name, passes[name]

        def make_way(self):
            ended.append(self.name)

    crowded = crowd.Crowd(Limits(connections=2))
    for name in passes:
        assert crowded.enter(Held(name), 0.0)
    passes["third"] = False
    assert crowded.enter(Held("third"), 1.0)
    assert ended == ["newer"]


@pytest.mark.parametrize(
    ("limits", "most", "ceiling"),
    [((10**6, 10**6), 1000, 5000), ((1024, 10**6), 1000, 5000), ((1024, 4096), 1000, 3968),
     ((256, 1024), 448, 896), ((64, 64), 1, 2)],
)  # fmt: skip
def test_no_more_connections_are_taken_than_files_may_be_open(monkeypatch, limits, most, ceiling):
    monkeypatch.setattr(crowd.resource, "getrlimit", lambda what: limits)
    monkeypatch.setattr(crowd.resource, "setrlimit", lambda what, given: None)
    crowded = crowd.Crowd(Limits())
    crowded.fit_open_files()
    assert (crowded.most, crowded.ceiling) == (most, ceiling)


def test_who_idles_since_a_moment_ago_keeps_its_connection():
    with server(connections=1) as (address, _), socket.create_connection(address) as first:
        first.sendall(GET + b"\r\n")
        assert b"200 OK" in first.recv(1000)
        said = talk(address, ASK)
        assert said.startswith("HTTP/1.1 429 ")
        first.sendall(GET + CLOSE)
        assert "200 OK" in until_closed(first)


@pytest.mark.parametrize("fails", [0, 3])
def test_past_all_that_is_taken_clients_wait_with_the_system_and_are_answered(monkeypatch, fails):
    """Also where there is no descriptor left at first when they are to be taken again."""
    left, dup = [fails], socket.socket.dup

    def few(one):
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(24, "Too many open files")
        return dup(one)

    monkeypatch.setattr(socket.socket, "dup", few)
    holding = Holding()
    with server(holding, connections=2) as (address, state), contextlib.ExitStack() as stack:
        clients = []
        for number in range(1, 3):
            clients.append(stack.enter_context(socket.create_connection(address, timeout=60)))
            clients[-1].sendall(ASK)
            wait_until(lambda number=number: holding.asked == number)
        half = [
            stack.enter_context(socket.create_connection(address, timeout=60)) for _ in range(9)
        ]
        for one in half:
            one.sendall(ASK[:-20])
        wait_until(lambda: len(state.connections) == 11)
        late = [
            stack.enter_context(socket.create_connection(address, timeout=60)) for _ in range(20)
        ]
        for one in late:
            one.sendall(GET + CLOSE)
        assert len(state.connections) == 11
        for one in half:
            one.close()
        assert all("200 OK" in until_closed(one) for one in late)
        holding.release.set()
        assert all(b"200 OK" in one.recv(1000) for one in clients)
        assert left[0] < 0


def test_a_server_that_takes_no_connections_for_now_ends_all_the_same():
    with server(connections=1) as (address, state), contextlib.ExitStack() as stack:
        for _ in range(9):
            stack.enter_context(socket.create_connection(address)).sendall(GET)
        wait_until(lambda: len(state.connections) >= 6)


def test_what_is_refused_by_hand_is_counted(patient):
    before = {reason: turned_away(reason) for reason in ("http", "headers")}
    talk(patient, b"\x00\x01\r\n\r\n")
    talk(patient, GET, b"a: " + b"b" * 40_000)
    assert {reason: turned_away(reason) - count for reason, count in before.items()} == {
        "http": 1, "headers": 1,
    }  # fmt: skip


@pytest.mark.parametrize("count", [5, 9, 300, 1_000])
def test_many_requests_on_one_connection_at_once(patient, count):
    """All are answered, in order: more than are parsed ahead, and more than one read brings."""
    asked = POST + b"content-length: %d\r\n\r\n%s"
    sent = b"".join(asked % (number % 7, b" " * (number % 7)) for number in range(count))
    with socket.create_connection(patient, timeout=60) as client:
        sending = threading.Thread(target=client.sendall, args=(sent + GET + CLOSE,))
        sending.start()
        said = until_closed(client)
        sending.join(60)
    answers = [one.partition("\r\n\r\n")[2] for one in said.split("HTTP/1.1 200 OK")[1:]]
    assert answers == [*(str(number % 7) for number in range(count)), "0"]


def test_of_what_is_sent_at_once_little_is_taken_ahead():
    """Memory: one who is not answered yet holds few requests, however many it sends."""
    holding = Holding()
    with server(holding) as (address, state), socket.create_connection(address) as client:
        client.settimeout(0.2)
        with contextlib.suppress(TimeoutError):  # Nobody reads on.
            client.sendall(ASK * 1_000_000)
        wait_until(lambda: holding.asked == 1)
        (one,) = state.connections
        assert len(one.pipeline) <= connection.PIPELINED + connection.SLICE // 18
        assert len(one._behind) <= 2**19
        holding.release.set()
        client.settimeout(60)
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_what_is_refused_by_hand_is_one_line(patient, server_log):
    talk(patient, b"GET / HTTP/1.1\r\nsecret: \x00\r\n\r\n")
    ours = [record.getMessage() for record in server_log]
    assert [one.split(" ", 1)[1] for one in ours] == ["- - 400 Invalid HTTP request received."]


def wait_until(condition):
    for _ in range(5000):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("it never came to hold")
