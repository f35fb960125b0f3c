"""`bertworks serve --follow` as a process, asked over sockets, killed, and started again."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from bertworks.runtime.agent import Agent
from bertworks.storage.challengers import Challengers
from bertworks.storage.store import Store

TEXTS = ["good film", "bad story .", "so so"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """The server; `wait_until(version)` asks until that one answers."""

    def __init__(self, store, folder, *more):
        self.port = free_port()
        self.log = folder / f"log-{self.port}"
        words = ["serve", "--follow", "--agent", "mood", "--store", str(store)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", *words, "--port", str(self.port), *more],
            stdout=self.log.open("w"), stderr=subprocess.STDOUT,
            env={**os.environ, "BERTWORKS_SPREAD": "0"},
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()

    def ask(self, name="", path="/v2/models/agent/infer"):
        data = [{"name": "text", "datatype": "BYTES", "shape": [3], "data": TEXTS}]
        headers = {"content-type": "application/json", **({"x-request-id": name} if name else {})}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps({"inputs": data}).encode() if path.endswith("infer") else None,
            headers,
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def wait_until(self, version):
        for _ in range(2400):
            if self.process.poll() is not None:
                pytest.fail(self.log.read_text())
            try:
                if self.ask()["model_version"] == version:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        pytest.fail(self.log.read_text())


def followed(versions, seed, **more):
    return versions.bundle(seed, serve={"follow": {"seconds": 0.05}}, **more)


def test_a_served_model_follows_and_outlives_a_bad_champion(tmp_path, versions):
    store = versions.store(tmp_path / "s", *(followed(versions, seed) for seed in range(3)))
    graph = tmp_path / "s" / "mood" / "versions" / "3" / "bundle" / "model.onnx"
    with Process(tmp_path / "s", tmp_path) as server:
        server.wait_until("1")
        store.promote("mood", 2)
        server.wait_until("2")
        whole = graph.read_bytes()
        graph.write_bytes(whole[:-5])
        store.promote("mood", 3)
        while "version 3 is refused as champion (damaged)" not in server.log.read_text():
            server.wait_until("2")
        status = server.ask(path="/v1/models/agent/upgrades")
        assert "damaged" in status["refused"]["champion"]
    # Started anew, it cannot take the champion either: the one before it serves.
    with Process(tmp_path / "s", tmp_path) as server:
        server.wait_until("2")
        graph.write_bytes(whole)
        server.wait_until("3")
        store.rollback("mood")
        server.wait_until("2")


@pytest.mark.slow
def test_100_swaps_over_sockets_fail_none_and_mix_none(tmp_path, versions):
    folders = [followed(versions, seed) for seed in range(2)]
    store = versions.store(tmp_path / "s", *folders)
    right = {
        str(number): [one["scores"]["good"] for one in Agent.load(folder).predict(TEXTS)]
        for number, folder in enumerate(folders, 1)
    }
    answers, faults, done = [], [], threading.Event()

    def client(server):
        while not done.is_set():
            try:
                answers.append(server.ask())
            except OSError as error:
                faults.append(error)

    with Process(tmp_path / "s", tmp_path) as server:
        server.wait_until("1")
        clients = [threading.Thread(target=client, args=[server]) for _ in range(8)]
        for one in clients:
            one.start()
        try:
            for swap in range(100):
                number = 2 - swap % 2
                store.promote("mood", number)
                server.wait_until(str(number))
        finally:
            done.set()
            for one in clients:
                one.join()
    for answer in answers:
        rows = next(one["data"] for one in answer["outputs"] if one["name"] == "prediction")
        given = [json.loads(row)["scores"]["good"] for row in rows]
        assert given == pytest.approx(right[answer["model_version"]], abs=1e-4)
    print(f"100 swaps, {len(answers)} requests of {len(TEXTS)} rows from 8 clients over HTTP: "
          f"{len(faults)} failed, 0 mixed")  # fmt: skip
    assert not faults


@pytest.mark.slow
@pytest.mark.parametrize("kills", [5])
def test_kill_9_during_swaps_leaves_a_store_that_serves(tmp_path, versions, kills):
    store = versions.store(tmp_path / "s", *(followed(versions, seed) for seed in range(2)))
    for kill in range(kills):
        with Process(tmp_path / "s", tmp_path) as server:
            server.wait_until(str(store.champion("mood").number))
            done = threading.Event()

            def swap(done=done):
                number = store.champion("mood").number
                while not done.is_set():
                    number = 3 - number
                    store.promote("mood", number)

            swapping = threading.Thread(target=swap)
            swapping.start()
            for _ in range(20 + 7 * kill):
                server.ask()
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            done.set()
            swapping.join()
    with Process(tmp_path / "s", tmp_path) as server:
        server.wait_until(str(store.champion("mood").number))


@pytest.mark.slow
def test_kill_9_of_a_server_that_decides_leaves_one_decision(tmp_path, versions):
    """Killed at any moment around a promotion, the next one goes on: the challenger is promoted once."""
    quick = ["--canary", "share=0.5", "--canary", "least_requests=5", "--canary", "disagreement=0.9",
             "--canary", "slower=90", "--canary", "slow=0.9", "--canary", "errors=0.9",
             "--canary", "confidence=0.9"]  # fmt: skip
    versions.store(tmp_path / "s", *(followed(versions, seed) for seed in range(2)))
    trials = Challengers(str(tmp_path / "s"), "mood")
    trials.challenge(2)
    for life in range(40):
        with Process(tmp_path / "s", tmp_path, *quick) as server:
            server.wait_until(str(Store(tmp_path / "s").champion("mood").number))
            for number in range(10 + 10 * life):
                server.ask(f"{life}-{number}")
                if Store(tmp_path / "s").champion("mood").number == 2:
                    break
            server.process.send_signal(signal.SIGKILL)
        if Store(tmp_path / "s").champion("mood").number == 2:
            break
    assert Store(tmp_path / "s").champion("mood").number == 2
    assert [one.outcome for one in trials.every()] in ([], ["promoted"])
    with Process(tmp_path / "s", tmp_path, *quick) as server:
        server.wait_until("2")
        status = server.ask(path="/v1/models/agent/upgrades")
        assert status["challenger"] is None
