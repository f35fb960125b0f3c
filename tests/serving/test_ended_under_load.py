"""A server that is killed, or told to end, while clients ask: who was answered, what the log says."""

import json
import signal

import pytest
from certificates import write_certificate
from served_process import Clients, ServedProcess
from tiny_model import bundle_of, make_model

from bertworks.serving.access import keyfile, keys
from bertworks.serving.access.keys import Allowance
from bertworks.serving.audit import files

TEXTS = ["good film", "the very good plot , a film so so"]


@pytest.fixture
def start(tmp_path):
    """Starts the server: with keys, TLS, an audit log that is rotated often, and quotas."""
    model = make_model(tmp_path / "m", {"type": "classification"}, ["bad", "good"])
    bundle = bundle_of(model, tmp_path / "bundle")
    certificate, private = write_certificate(tmp_path)
    with keyfile.changing(tmp_path / "keys.json") as known:
        key, token = keys.make("load", keyfile.now(), allowance=Allowance(requests_per_day=10**9))
        known[key.id] = key
    started = []

    def run():
        server = ServedProcess(
            tmp_path / "log", f"--agent={bundle}", f"--keys={tmp_path / 'keys.json'}", "--threads=1",
            f"--tls-cert={certificate}", f"--tls-key={private}", f"--state={tmp_path / 'state'}",
            f"--audit={tmp_path / 'audit'}", certificate=certificate,
        )  # fmt: skip
        started.append(server)
        return server, server.ready(), {"authorization": f"Bearer {token}"}

    yield run
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def answered(folder):
    """Ids of the requests that the log says were answered."""
    found = set()
    for number in files.numbers(folder):
        for line in files.path_of(folder, number).read_text().splitlines():
            record = json.loads(line)
            if record["kind"] == "answer" and record["status"] == 200:
                found.add(record["request"])
    return found


def kill(start, tmp_path, count):
    """Kills a server that has answered so many.

    Returns how many answers clients got, all of which the log tells, and after how many seconds the
    next server was ready.
    """
    server, _, headers = start()
    clients = Clients(server, headers, TEXTS)
    clients.answered(count)
    server.end(signal.SIGKILL)
    clients.join()
    assert set(clients.statuses.values()) == {200}
    again, seconds, _ = start()
    assert again.end() == 0
    files.verify(tmp_path / "audit")
    got, told = set(clients.statuses), answered(tmp_path / "audit")
    assert not got - told
    return len(got), seconds


def terminate(start, tmp_path, count):
    """Ends a server in order while it is asked; all that it took is answered, and all that is told."""
    server, _, headers = start()
    clients = Clients(server, headers, TEXTS)
    clients.answered(count)
    assert server.end() == 0
    clients.join()
    assert set(clients.statuses.values()) <= {200, 503}
    got = {one for one, status in clients.statuses.items() if status == 200}
    assert got == {
        one for one in answered(tmp_path / "audit") if one.startswith(f"{server.process.pid}-")
    }
    found = files.verify(tmp_path / "audit").found
    assert f"ends with {found.head}" in (tmp_path / "log").read_text()
    files.verify(tmp_path / "audit", found.head)
    return len(got)


def used(tmp_path):
    (counts,) = json.loads((tmp_path / "state/usage.json").read_text())["used"].values()
    return counts["requests"]


def test_killed_and_ended_under_load(start, tmp_path):
    got, _ = kill(start, tmp_path, 100)
    assert used(tmp_path) >= got
    terminate(start, tmp_path, 100)


@pytest.mark.slow
def test_killed_and_ended_again_and_again(start, tmp_path, capsys):
    asked, slowest = 0, 0.0
    for _ in range(10):
        got, seconds = kill(start, tmp_path, 500)
        asked, slowest = asked + got, max(slowest, seconds)
    ended = sum(terminate(start, tmp_path, 500) for _ in range(5))
    with capsys.disabled():
        print(
            f"\n10 kills: {asked} requests were answered, all of them are in the log; ready again after "
            f"{slowest:.2f} s at most. 5 ends in order: {ended} answered, all in the log."
        )
