"""What is answered before a task is begun: refusals under overload, and probes; over real sockets."""

import asyncio
import contextlib
import json
import select
import socket
import threading

import pytest
from listening_server import server_of
from prometheus_client import REGISTRY
from tiny_model import make_model

from bertworks.runtime.agent import Agent
from bertworks.serving import line as lines
from bertworks.serving.engine.batcher import Batcher
from bertworks.serving.engine.work import Work
from bertworks.serving.http import door as doors
from bertworks.serving.http.door import Door
from bertworks.serving.identity import BundleIdentity
from bertworks.serving.line import LATE_SECONDS, Line, Ticket
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.models.registry import Registry
from bertworks.serving.models.served import OneBundle, ServedModel
from bertworks.spec.limits import Limits

BODY = b'{"instances": ["a"]}'
ASK = (
    b"POST /v1/models/mood:predict HTTP/1.1\r\nhost: a\r\nx-request-id: mine\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY)
)
STALL = b"GET /stall HTTP/1.1\r\nhost: a\r\n\r\n"
LIVE = b"GET /v2/health/live HTTP/1.1\r\nhost: a\r\n\r\n"


class Held:
    """Answers questions once it is released; /stall stops the event loop until it is let go."""

    def __init__(self):
        self.release, self.asked = threading.Event(), 0
        self.stalled, self.go = threading.Event(), threading.Event()
        self.then = lambda: None

    async def __call__(self, scope, receive, send):
        if scope["path"] == "/stall":
            self.stalled.set()
            assert self.go.wait(60)
            self.then()
        else:
            self.asked += 1
            while not self.release.is_set():
                await asyncio.sleep(0.001)
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})


class Served:
    """A server with one place and one who may wait, unless told otherwise; and clients."""

    def __init__(self, stack, **limits):
        self.held, self.passed = Held(), 0
        self.models = Registry(Batcher(1), 60.0)
        limits = {"running": 1, "waiting": 1, **limits}
        made = server_of(self.held, door=self._door, **limits)
        self.address, self.state = stack.enter_context(made)
        self._stack = stack
        stack.callback(self.held.release.set)
        stack.callback(self.held.go.set)
        stack.callback(self.models.batcher.close)

    def _door(self, gate):
        self.line = gate.line

        async def counted(scope, receive, send):
            self.passed += scope["method"] == "POST"
            await gate(scope, receive, send)

        return Door(counted, gate, self.models)

    def client(self, sent=b""):
        """A connection on which something was sent."""
        client = self._stack.enter_context(socket.create_connection(self.address, timeout=60))
        client.sendall(sent)
        return client

    def fill(self):
        """Takes the place, and has one wait."""
        clients = [self.client(ASK)]
        until(lambda: self.held.asked == 1)
        clients.append(self.client(ASK))
        until(lambda: self.line.waiting == 1)
        return clients


@pytest.fixture
def served():
    with contextlib.ExitStack() as stack:
        yield lambda **limits: Served(stack, **limits)


def until(condition):
    for _ in range(6000):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("it never came to hold")


def answer(client):
    """Status, headers and body of one answer."""
    said = b""
    while b"\r\n\r\n" not in said:
        said += client.recv(1 << 16) or pytest.fail(f"closed: {said}")
    head, _, body = said.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    while len(body) < int(headers["content-length"]):
        body += client.recv(1 << 16)
    return int(lines[0].split(" ")[1]), headers, json.loads(body)


def turned_away(reason):
    name = "bertworks_requests_turned_away_total"
    return REGISTRY.get_sample_value(name, {"reason": reason}) or 0.0


def test_for_whom_there_is_no_room_is_told_so_and_keeps_its_connection(served):
    server = served()
    before = turned_away("busy")
    waiting = server.fill()
    late = server.client()
    for _ in range(3):
        late.sendall(ASK)
        status, headers, body = answer(late)
        assert (status, headers["x-request-id"], headers["retry-after"]) == (429, "mine", "1")
        assert headers["content-type"] == "application/json" and "connection" not in headers
        assert "--limit waiting=2" in body["error"]
    assert server.passed == 2 and server.held.asked == 1
    server.held.release.set()
    assert [answer(one)[0] for one in waiting] == [200, 200]
    late.sendall(ASK)
    assert answer(late)[0] == 200
    until(lambda: turned_away("busy") == before + 3)


def test_a_refused_body_that_comes_later_is_thrown_away(served):
    server = served()
    server.fill()
    late = server.client(ASK[:-5])
    assert answer(late)[0] == 429
    late.sendall(ASK[-5:] + LIVE)
    assert answer(late)[0] == 200


def test_one_who_wants_no_more_is_told_so_and_closed(served):
    server = served()
    server.fill()
    late = server.client(ASK.replace(b"host: a", b"connection: close"))
    status, headers, _ = answer(late)
    assert (status, headers["connection"]) == (429, "close")
    assert late.recv(1) == b""


def test_health_does_not_come_to_the_application(served, tmp_path):
    server = served()
    agent = Agent.from_model(make_model(tmp_path, {"type": "classification"}, ["bad", "good"]))
    bundle = LoadedBundle(agent, BundleIdentity("d" * 64), server.models.batcher)
    server.fill()
    one = server.client(LIVE)
    assert answer(one)[2] == {"live": True}
    one.sendall(LIVE.replace(b"live", b"ready"))
    assert answer(one)[2] == {"ready": True}
    server.models.add(ServedModel("mood", OneBundle(bundle)))
    one.sendall(LIVE.replace(b"health/live", b"models/mood/ready"))
    assert answer(one)[2] == {"name": "mood", "ready": True}
    server.models.draining = True  # What is not well is told by the application, and logged.
    one.sendall(LIVE.replace(b"live", b"ready"))
    until(lambda: server.held.asked == 2)


def test_of_many_that_are_read_at_once_no_more_come_in_than_there_is_room(served):
    server = served(running=2, waiting=3)
    many = [server.client() for _ in range(40)]
    until(lambda: len(server.state.connections) == 40)
    stall = server.client(STALL)
    assert server.held.stalled.wait(60)
    for one in many:
        one.sendall(ASK)
    server.held.go.set()
    answer(stall)
    until(lambda: len(select.select(many, [], [], 0)[0]) == 35)
    told = select.select(many, [], [], 0)[0]
    assert [answer(one)[0] for one in told] == [429] * 35
    server.held.release.set()
    assert [answer(one)[0] for one in many if one not in told] == [200] * 5
    assert server.passed == 5


@pytest.mark.parametrize("overloaded", [True, False])
def test_what_has_lain_unread_for_long_is_refused_while_others_are(served, overloaded, monkeypatch):
    monkeypatch.setattr(lines, "OVERLOAD_SECONDS", 600.0)
    server = served(waiting=2)
    server.fill()
    if overloaded:
        leaves = server.client(ASK)
        until(lambda: server.line.waiting == 2)
        assert answer(server.client(ASK))[0] == 429
        leaves.close()
        until(lambda: server.line.waiting == 1)
    late, stall = server.client(), server.client(STALL)
    assert server.held.stalled.wait(60)
    late.sendall(ASK)
    threading.Event().wait(2 * LATE_SECONDS)  # It gets old: no condition tells that.
    server.held.go.set()
    answer(stall)
    if overloaded:
        status, _, body = answer(late)
        assert status == 429 and "faster than this server reads" in body["error"]
        late.sendall(ASK)  # The next one is read at once, and waits.
    until(lambda: server.line.waiting == 2)


def test_a_server_that_is_late_itself_closes_nobody_for_it(served):
    server = served(head_seconds=0.05)
    server.held.release.set()
    asks, stall = server.client(), server.client(STALL)
    assert server.held.stalled.wait(60)
    asks.sendall(ASK)
    threading.Event().wait(0.2)  # Longer than heads may take.
    server.held.go.set()
    answer(stall)
    assert answer(asks)[0] == 200


def test_a_request_that_is_not_read_yet_when_the_server_stops_is_answered(served):
    server = served()
    server.held.release.set()
    asks, begins, stall = server.client(), server.client(ASK[:30]), server.client(STALL)
    assert server.held.stalled.wait(60)
    asks.sendall(ASK)
    # What uvicorn does first, before anything more is read.
    server.held.then = lambda: [one.shutdown() for one in list(server.state.connections)]
    server.held.go.set()
    answer(stall)
    begins.sendall(ASK[30:])
    for one in (asks, begins):
        status, headers, _ = answer(one)
        assert (status, headers["connection"]) == (200, "close")
        assert one.recv(1) == b""


def test_one_connection_too_many_is_kept_while_there_is_no_room_anyway(served):
    server = served(connections=2)
    server.fill()
    late = server.client(ASK)
    status, headers, _ = answer(late)
    assert status == 429 and "connection" not in headers
    late.sendall(ASK)
    assert answer(late)[0] == 429


def test_of_many_refusals_some_are_logged_and_the_others_counted(served, monkeypatch, server_log):
    monkeypatch.setattr(doors, "LINES", 2)
    server = served()
    server.fill()
    late = server.client()
    for _ in range(50):
        late.sendall(ASK)
        assert answer(late)[0] == 429
    said = [record.getMessage() for record in server_log]
    until(lambda: any("more requests were refused" in one.getMessage() for one in server_log))
    assert any("POST /v1/models/mood:predict 429 busy" in one for one in said)
    assert sum("429 busy" in one for one in said) < 50


def test_who_would_wait_for_too_long_is_refused_at_once():
    now = [0.0]

    async def scenario():
        line = Line(Limits(wait_seconds=5), 1, clock=lambda: now[0])
        tickets = [Ticket() for _ in range(3)]
        for ticket in tickets:
            ticket.size = 100
        await line.enter(tickets[0])
        work = Work([""] * 10)
        tickets[0].follow(work)
        for place in range(5):
            work.put(place, {})
        now[0] = 2.5  # 20 bytes a second; 50 to go.
        assert line.has_room(age=lambda: 60.0)  # Nobody waits.
        waiting = asyncio.ensure_future(line.enter(tickets[1]))
        await asyncio.sleep(0)
        now[0] = 2.6
        assert line.waiting == 1 and not line.has_room()
        refusal = line.refusal()
        assert (refusal.status, refusal.reason, refusal.retry_after) == (429, "long", 8)
        assert "--limit wait_seconds=8" in refusal.said
        with pytest.raises(type(refusal)):
            await line.enter(tickets[2])
        for place in range(5, 10):
            work.put(place, {})
        now[0] = 3.0
        assert line.has_room() and not line.has_room(age=lambda: 60.0)
        now[0] = 4.0
        assert line.has_room(age=lambda: 60.0)  # Nobody was refused for a while.
        line.leave(tickets[0])
        await waiting

    asyncio.run(scenario())
