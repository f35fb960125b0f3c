"""The audit log's line of an answer is written before the answer goes out; it tells what is lost."""

import asyncio
import json
import os
import threading

import grpc
import pytest
from asgi import Client
from served import serving_of
from tiny_model import make_model

from bertworks.runtime.agent import Agent
from bertworks.serving import exchange as exchanges
from bertworks.serving.audit import files, observer
from bertworks.serving.audit import log as logs
from bertworks.serving.audit.joining import join
from bertworks.serving.audit.log import AuditLog
from bertworks.serving.audit.observer import Auditor
from bertworks.serving.exchange import Exchange
from bertworks.serving.grpc import messages
from bertworks.serving.grpc.listening import made as grpc_server
from bertworks.serving.grpc.service import Service
from bertworks.spec.audit import Audit

PREDICT = "/v1/models/mood:predict"
BODY = json.dumps({"instances": ["good film"]}).encode()


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded") / "model"
    return Agent.from_model(make_model(folder, {"type": "classification"}, ["bad", "good"]))


@pytest.fixture
def serving(agent, tmp_path):
    made = serving_of({"mood": agent})
    join(made, Audit(folder=str(tmp_path)))
    yield made
    made.observers.close()
    for close in made.closed:
        close()


def kept(folder):
    """Records of the log as it lies on the disk now."""
    lines = [line for number in files.numbers(folder)
             for line in files.path_of(folder, number).read_text().splitlines()]  # fmt: skip
    return [json.loads(line) for line in lines]


class Watching(Client):
    """Notes what the log holds when the answer's first byte comes."""

    def __init__(self, folder, *asked, **more):
        super().__init__(*asked, **more)
        self.folder, self.known = folder, None

    async def send(self, message):
        if self.known is None:
            self.known = [one["request"] for one in kept(self.folder) if one["kind"] == "answer"]
        await super().send(message)


def test_the_line_is_there_when_the_answer_comes(serving, tmp_path):
    app, _ = serving.application()
    asked = Watching(tmp_path, "POST", PREDICT, BODY, [(b"x-request-id", b"r-1")])
    asyncio.run(asked.ask(app))
    assert asked.status == 200 and asked.known == ["r-1"]


def test_the_same_over_grpc(serving, tmp_path):
    async def scenario():
        _, gate = serving.application()
        server = grpc_server(Service(serving, gate), serving.limits)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            ask = channel.unary_unary(f"/{messages.SERVICE}/ModelInfer")
            request = messages.message("ModelInferRequest")(model_name="mood")
            tensor = request.inputs.add(name="text", datatype="BYTES", shape=[1])
            tensor.contents.bytes_contents.append(b"good film")
            await ask(request.SerializeToString(), metadata=[("x-request-id", "r-2")])
            known = [one["request"] for one in kept(tmp_path) if one["kind"] == "answer"]
            with pytest.raises(grpc.RpcError) as caught:
                request.model_name = "none"
                await ask(request.SerializeToString(), metadata=[("x-request-id", "r-3")])
        await server.stop(0)
        return known, dict(caught.value.trailing_metadata())

    known, trailers = asyncio.run(scenario())
    assert known == ["r-2"] and trailers["x-request-id"] == "r-3"


def test_each_request_has_one_line_whatever_becomes_of_it(serving, tmp_path):
    async def scenario():
        app, _ = serving.application()
        for name, body in (("good", BODY), ("bad", b"{}")):
            await Client("POST", PREDICT, body, [(b"x-request-id", name.encode())]).ask(app)
        gone = Client("POST", PREDICT, headers=[(b"x-request-id", b"gone")], parts=[BODY[:5], None])
        gone.leave()
        await gone.ask(app)

    asyncio.run(scenario())
    serving.observers.close()
    serving.closed.pop()()
    told = [(one["request"], one["status"]) for one in kept(tmp_path) if one["kind"] == "answer"]
    assert sorted(told) == [("bad", 400), ("gone", 499), ("good", 200)]


class Held(AuditLog):
    """A log whose disk hangs until it is released."""

    def __init__(self, *given, **more):
        self.release = threading.Event()
        super().__init__(*given, **more)

    def write_all(self, records):
        """Waits, and writes."""
        self.release.wait(60)
        return super().write_all(records)


def test_a_disk_that_hangs_holds_no_answer_up_for_ever(agent, tmp_path, monkeypatch):
    monkeypatch.setattr(exchanges, "RECORD_SECONDS", 0.05)
    made, held = serving_of({"mood": agent}), Held(tmp_path)
    auditor = Auditor(held, Audit(folder=str(tmp_path)))
    made.observers.record(auditor)
    app, _ = made.application()
    told = asyncio.run(Client("POST", PREDICT, BODY).ask(app))
    assert told.status == 200
    held.release.set()
    auditor.close()
    assert [one["status"] for one in kept(tmp_path) if one["kind"] == "answer"] == [200]


def test_what_is_dropped_is_told_in_the_log_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(observer, "HELD", 3)
    told, held = [], Held(tmp_path)
    held._tell = told.append
    auditor = Auditor(held, Audit(folder=str(tmp_path)))
    refused = Exchange("v1", "mood")
    refused.end(429, "busy")
    auditor.note(refused)
    while auditor._waiting:  # the one that the thread is at
        threading.Event().wait(0.001)
    for _ in range(10):
        auditor.note(refused)
    held.release.set()
    auditor.close()
    records = kept(tmp_path)
    assert sum(one["kind"] == "answer" for one in records) == 4
    assert [one["records"] for one in records if one["kind"] == "lost"] == [7]
    assert any("7 records are lost" in one for one in told)
    assert files.verify(tmp_path).found.answers == 4


def test_observers_that_hang_do_not_hold_up_the_end(monkeypatch):
    monkeypatch.setattr(exchanges, "HELD", 1)
    begun, release = threading.Event(), threading.Event()

    class Hanging:
        def answered(self, exchange):
            begun.set()
            release.wait(60)

    observers = exchanges.Observers([Hanging()])
    observers.tell(Exchange("v1", "mood"))
    assert begun.wait(60)
    for _ in range(3):
        observers.tell(Exchange("v1", "mood"))
    assert observers.dropped == 2
    observers.close(0.01)  # its queue is full: the word that all is over finds no room
    release.set()


def test_the_log_is_written_through_again_once_there_are_descriptors(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "SECOND", 0.001)
    asked, given, dup = threading.Event(), threading.Event(), os.dup
    log = AuditLog(tmp_path)

    def none_left(descriptor):
        if not asked.is_set():
            asked.set()
            raise OSError(24, "Too many open files")
        given.set()
        return dup(descriptor)

    monkeypatch.setattr(logs.os, "dup", none_left)
    log.write({"kind": "answer"})
    assert asked.wait(60)
    log.write({"kind": "answer"})
    assert given.wait(60)
    log.close()
