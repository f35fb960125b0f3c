"""The gate: who gets in, who waits, what becomes of those who leave, and what the log says.

No clock: a client is held where it stands by an event, and time-outs are so short that only they can
end the wait.
"""

import asyncio
import json
import logging

import pytest
from asgi import Client

from bertworks.serving import log
from bertworks.serving.engine.work import Work
from bertworks.serving.http.gate import Gate
from bertworks.serving.line import TICKET, Line, Ticket
from bertworks.serving.refusals import Refused
from bertworks.spec.limits import Limits

PREDICT = "/v1/models/mood:predict"
BODY = b'{"instances": ["a"]}'


class Model:
    """An application that computes until it is told to stop, and notices when nobody waits."""

    def __init__(self, rows=1):
        self.begun, self.ended, self.rows = [], [], rows
        self.release = asyncio.Event()

    async def __call__(self, scope, receive, send):
        if scope["method"] == "GET":
            await reply(send, 200, b"{}")
            return
        body = (await receive())["body"]
        ticket = scope[TICKET]
        self.begun.append(body)
        ticket.follow(Work([""] * self.rows))
        while not self.release.is_set():
            await asyncio.sleep(0)
            if ticket.cancelled:
                self.ended.append(body)
                refusal = ticket.refusal
                await reply(send, refusal.status if refusal else 503, b"{}")
                return
        self.ended.append(body)
        await reply(send, 200, body)


async def reply(send, status, body):
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


def client(number=0, **more):
    return Client("POST", PREDICT, BODY + b" " * number, **more)


async def until(condition):
    """Until it holds; the loop turns meanwhile."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("it never came to hold")


def gate_of(app, running=1, **given):
    limits = Limits(**given)
    return Gate(app, limits, Line(limits, running))


def run(scenario, running=1, **given):
    async def whole():
        model = Model()
        return await scenario(gate_of(model, running, **given), model)

    return asyncio.run(asyncio.wait_for(whole(), 60))


def test_a_full_line_says_429_and_health_is_answered_all_the_same():
    async def scenario(gate, model):
        clients = [client(number) for number in range(6)]
        tasks = []
        for number, one in enumerate(clients):
            tasks.append(asyncio.ensure_future(one.ask(gate)))
            held = min(number + 1, 4)
            await until(lambda held=held: gate.line.running + gate.line.waiting == held)
        await asyncio.wait(tasks[4:])
        health = await Client("GET", "/v2/health/live").ask(gate)
        model.release.set()
        await asyncio.wait(tasks)
        return clients, health, model

    clients, health, model = run(scenario, waiting=3)
    assert health.status == 200
    assert [one.status for one in clients] == [200] * 4 + [429] * 2
    assert int(clients[4].headers["retry-after"]) >= 1
    assert "--limit waiting=" in clients[4].json()["error"]
    assert model.begun == [BODY + b" " * number for number in range(4)]  # first come, first served


def test_who_leaves_the_line_is_never_computed():
    async def scenario(gate, model):
        clients = [client(number) for number in range(4)]
        tasks = [asyncio.ensure_future(one.ask(gate)) for one in clients]
        await until(lambda: gate.line.waiting == 3)
        clients[1].leave()
        clients[2].leave()
        await until(lambda: gate.line.waiting == 1)
        model.release.set()
        await asyncio.wait(tasks)
        return [one.status for one in clients], model.begun

    statuses, begun = run(scenario)
    assert statuses == [200, 0, 0, 200]
    assert begun == [BODY, BODY + b" " * 3]


def test_who_leaves_while_computed_makes_room():
    async def scenario(gate, model):
        first, second = client(), client(1)
        tasks = [asyncio.ensure_future(one.ask(gate)) for one in (first, second)]
        await until(lambda: len(model.begun) == 1 and gate.line.waiting == 1)
        first.leave()
        await until(lambda: len(model.begun) == 2)
        assert model.ended == [BODY]
        model.release.set()
        await asyncio.wait(tasks)
        return second.status, gate.line.running

    assert run(scenario) == (200, 0)


@pytest.mark.parametrize(
    ("limits", "parts", "headers", "status"),
    [
        ({"body_mb": 0.001}, [b" " * 700, b" " * 700, None], (), 413),
        ({"body_mb": 0.001}, [None], [(b"content-length", b"2000")], 413),
        ({"body_seconds": 0.01}, [b"{", None], (), 408),
        ({"body_seconds": 0.01}, [None], (), 408),
        ({}, [None], [(b"content-length", b"many")], 400),
    ],
)
def test_bodies_that_are_too_large_or_never_end(limits, parts, headers, status):
    async def scenario(gate, model):
        return await client(parts=parts, headers=headers).ask(gate), gate, model

    told, gate, model = run(scenario, **limits)
    assert told.status == status and not model.begun and gate.line.running == 0
    assert (told.headers.get("connection") == "close") == (status == 408)


@pytest.mark.parametrize(
    ("parts", "headers", "told"),
    [
        (
            [None], [(b"content-length", b"5000000")],
            "Received: 5000000. Send less at once, or raise the limit: `--limit body_mb=4.77`",
        ),
        ([b" " * 5_000_000], (), "Received: 5000000. Send less at once, or raise the limit: `--limit "
         "body_mb=4.77`"),
        (
            [b" " * 5_000_000, None], (),
            "Received: 5000000 or more. Send less at once, or raise the limit: `--limit body_mb=N`",
        ),
        (
            [None], [(b"content-length", b"9" * 9)],
            "Received: 999999999. Send less at once: `serve.limits.body_mb` can be 256 at most.",
        ),
        ([None], [(b"content-length", b"9" * 400)], f"Received: {1 << 40} or more. Send less"),
    ],
)  # fmt: skip
def test_a_large_body_is_told_the_limit_that_it_needs(parts, headers, told):
    async def scenario(gate, model):
        return await client(parts=parts, headers=headers).ask(gate)

    answer = run(scenario, body_mb=1)
    assert answer.status == 413 and told in answer.json()["error"]
    assert Limits(body_mb=4.77).body_bytes >= 5_000_000


def test_large_bodies_that_are_read_share_a_budget():
    async def scenario(gate, model):
        large = [client(parts=[b" " * 90_000, None]) for _ in range(40)]
        tasks = [asyncio.ensure_future(one.ask(gate)) for one in large]
        await until(lambda: sum(one.status == 429 for one in large) >= 1)
        model.release.set()
        small = await client().ask(gate)
        for one in large:
            one.leave()
        await asyncio.wait(tasks)
        again = await client(0, parts=[b" " * 90_000, BODY]).ask(gate)
        return sum(one.status == 429 for one in large), small.status, again.status

    refused, small, again = run(scenario, body_mb=0.1)
    assert 1 <= refused < 40 and small == again == 200


def test_one_waits_and_is_computed_for_so_long_only():
    async def scenario(gate, model):
        first, second = client(), client(1)
        running = asyncio.ensure_future(first.ask(gate))
        await until(lambda: model.begun)
        await second.ask(gate)
        await running
        return first.status, second.status, second.headers

    first, second, headers = run(scenario, wait_seconds=0.01, seconds=0.3)
    assert (first, second) == (503, 429) and "retry-after" in headers


def test_at_the_end_what_waits_too_long_is_refused_at_once():
    now = [0.0]
    limits = Limits()

    def late():
        return Refused(503, "ending", "no")

    async def scenario():
        line = Line(limits, 1, clock=lambda: now[0])
        tickets = [Ticket() for _ in range(4)]
        for ticket in tickets:
            ticket.size = 100
        await line.enter(tickets[0])
        waiting = [asyncio.ensure_future(line.enter(one)) for one in tickets[1:]]
        await until(lambda: line.waiting == 3)
        line.refuse_late(10, late)
        assert line.waiting == 3  # Nothing is known yet.
        work = Work([""] * 10)
        tickets[0].follow(work)
        for place in range(5):
            work.put(place, {})
        now[0] = 10.0  # 50 bytes in 10 s, 50 to go.
        line.refuse_late(31, late)
        assert line.waiting == 1
        told = await asyncio.gather(*waiting[1:], return_exceptions=True)
        assert [one.status for one in told] == [503, 503]
        line.leave(tickets[0])
        await waiting[0]
        assert line.running == 1
        line.refuse_all(late)
        assert tickets[1].cancelled and tickets[1].refusal.status == 503

    asyncio.run(scenario())


def test_the_end_of_the_server():
    async def scenario(gate, model):
        clients = [client(number) for number in range(3)]
        tasks = [asyncio.ensure_future(one.ask(gate)) for one in clients]
        await until(lambda: gate.line.waiting == 2)
        await gate.drain(grace=0)  # Nothing can be done in no time.
        late = await client().ask(gate)
        await asyncio.wait(tasks)
        return [one.status for one in [*clients, late]], late.headers

    statuses, headers = run(scenario)
    assert statuses == [503] * 4 and headers["connection"] == "close"


def test_what_can_be_answered_before_the_end_is():
    async def scenario(gate, model):
        clients = [client(number) for number in range(3)]
        tasks = [asyncio.ensure_future(one.ask(gate)) for one in clients]
        await until(lambda: gate.line.waiting == 2)
        draining = asyncio.ensure_future(gate.drain(grace=60, tick=0.001))
        await until(lambda: gate.draining)
        model.release.set()
        await asyncio.wait([*tasks, draining])
        return [one.status for one in clients]

    assert run(scenario) == [200] * 3


def test_a_fault_of_ours_is_told_by_its_type_and_place(server_log):
    async def broken(scope, receive, send):
        raise ValueError("secret\nforged")

    told = asyncio.run(client().ask(gate_of(broken)))
    assert told.status == 500 and "ValueError" in told.json()["error"]
    text = "\n".join(record.getMessage() for record in server_log)
    assert "secret" not in text and "test_gate.py" in text


def test_a_refusal_is_one_escaped_line(server_log):
    path = "/v1/models/a\nWARNING forged\x1b[31m\u2028:predict"
    handler = logging.StreamHandler()
    asyncio.run(Client("POST", path, b"x" * 9999).ask(gate_of(Model(), body_mb=0.001)))
    (record,) = server_log
    log.Escape().filter(record)
    (line,) = handler.format(record).splitlines()
    assert "413 body" in line and "\\nWARNING forged\\x1b[31m\\u2028" in line
    assert "xxx" not in line


def test_records_of_libraries_are_escaped_too():
    record = logging.LogRecord(
        "kserve",
        logging.ERROR,
        "f.py",
        1,
        "Exception: %s",
        ("a\nb",),
        (None, ValueError("x\ny"), None),
    )
    assert log.Escape().filter(record)
    assert logging.Formatter().format(record) == "Exception: a\\nb ValueError at no place"


def test_probes_that_go_well_are_not_logged(server_log):
    gate = gate_of(Model())
    for path in ("/v2/health/live", "/v1/models/mood", "/v2/models/mood/ready", "/metrics"):
        asyncio.run(Client("GET", path).ask(gate))
    assert not server_log
    asyncio.run(Client("GET", "/v2/models/mood/versions/1").ask(gate))
    assert len(server_log) == 1


def test_refusals_are_counted():
    from prometheus_client import REGISTRY

    def count():
        return REGISTRY.get_sample_value(
            "bertworks_requests_turned_away_total", {"reason": "body"}
        ) or 0.0  # fmt: skip

    before = count()

    async def scenario(gate, model):
        told = await Client("POST", PREDICT, b"x" * 9999).ask(gate)
        assert json.loads(told.body)["error"].startswith("A body must have at most 1048 bytes")

    run(scenario, body_mb=0.001)
    assert count() == before + 1
