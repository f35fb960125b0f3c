"""Ten thousand damaged requests, and clients that never finish: the server stays, and serves others."""

import http.client
import random
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from hostile import damaged_request
from server_process import call, free_port, wait_until_ready
from tiny_model import bundle_of, make_model

from bertworks.serving.grpc.messages import SERVICE, message

pytestmark = pytest.mark.slow

BODIES = 10_000
THREADS = 8
SLOW_CLIENTS = 200
ASK = {"instances": ["good film"]}
SERVE = """
from pathlib import Path
from bertworks.serving.server import serve
from bertworks.serving.settings import Served, Settings
from bertworks.spec.limits import Limits
patient = Limits(wait_seconds=300, seconds=300)
settings = Settings(port={port}, grpc_port={grpc_port}, limits=patient)
serve([Served("mood", Path({bundle!r}))], settings)
"""


@pytest.fixture
def server(tmp_path):
    bundle = bundle_of(make_model(tmp_path / "m", {}, ["bad", "good"]), tmp_path / "bundle")
    port, grpc_port = free_port(), free_port()
    code = SERVE.format(bundle=str(bundle), port=port, grpc_port=grpc_port)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log)
    wait_until_ready(f"http://127.0.0.1:{port}", process, tmp_path / "log")
    yield process, port, grpc_port
    process.kill()
    process.wait()


def over_http(port, seed, count):
    """Statuses of damaged requests, one connection as long as it is kept."""
    stream, statuses = random.Random(seed), set()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    for _ in range(count):
        path = stream.choice(
            ["/v1/models/mood:predict", "/v2/models/mood/infer", "/v2/models/x/infer"]
        )
        body, headers = damaged_request(stream)
        client.request("POST", path, body, {name.decode(): value for name, value in headers})
        answer = client.getresponse()
        answer.read()
        statuses.add(answer.status)
    client.close()
    return statuses


def over_grpc(port, seed, count):
    """Codes of damaged messages."""
    stream, codes = random.Random(seed), set()
    request = message("ModelInferRequest")(model_name="mood")
    tensor = request.inputs.add(name="text", datatype="BYTES", shape=[2])
    tensor.contents.bytes_contents.extend([b"good film", b"bad"])
    good = request.SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        infer = channel.unary_unary(f"/{SERVICE}/ModelInfer")
        for _ in range(count):
            place, gone = stream.randrange(len(good)), stream.randint(0, 3)
            body = good[:place] + stream.randbytes(stream.randint(0, 4)) + good[place + gone :]
            try:
                infer(body, timeout=120)
            except grpc.RpcError as error:
                codes.add(error.code())
    return codes


def test_ten_thousand_damaged_requests_and_two_hundred_slow_clients(server):
    process, port, grpc_port = server
    url = f"http://127.0.0.1:{port}/v1/models/mood:predict"
    parts = [
        b"POST /v1/mo",
        b"POST /v1/models/mood:predict HTTP/1.1\r\nhost: a\r\ncontent-length: 500\r\n\r\n{",
        b"",
        b"GET /v2/health/live HTTP/1.1\r\nhost: a\r\nx: ",
    ]
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(SLOW_CLIENTS)]
    for number, client in enumerate(slow):
        client.sendall(parts[number % len(parts)])
    each = BODIES // THREADS
    with ThreadPoolExecutor(THREADS) as pool:
        asked = [pool.submit(over_http, port, seed, each) for seed in range(THREADS - 2)]
        asked += [pool.submit(over_grpc, grpc_port, seed, each) for seed in range(2)]
        served = 0
        while not all(one.done() for one in asked):
            status, said = call(url, ASK)
            assert status == 200, said
            served += 1
    statuses = set().union(*(one.result() for one in asked[:-2]))
    assert statuses <= {200, 400, 404, 413, 422}, statuses
    codes = set().union(*(one.result() for one in asked[-2:]))
    assert codes <= {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}, codes
    assert served and process.poll() is None
    for client in slow:
        client.close()
    assert call(url, ASK)[0] == 200


def held(port):
    """Requests that wait or are answered."""
    names = ("bertworks_requests_waiting ", "bertworks_requests_in_progress{")
    lines = call(f"http://127.0.0.1:{port}/metrics")[1].splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(names))


def test_what_was_taken_is_answered_when_the_server_is_stopped(server):
    process, port, _ = server
    url = f"http://127.0.0.1:{port}/v1/models/mood:predict"
    many = {"instances": ["good film so bad"] * 1000}
    with ThreadPoolExecutor(48) as pool:
        asked = [pool.submit(call, url, many) for _ in range(48)]
        while call(url, ASK) and not any(one.done() for one in asked):
            pass
        # All must have come: who connects as the server stops is nobody whom it has taken.
        while sum(one.done() for one in asked) + held(port) < len(asked):
            pass
        process.send_signal(signal.SIGTERM)
        told = [one.result()[0] for one in asked]
    assert told == [200] * 48
    assert process.wait(timeout=60) == 0
