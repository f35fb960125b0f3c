"""`Agent.serve`: a server that answers beside the program, and never outlives it."""

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bertworks.errors import DataError, EnvironmentFault, SpecError
from bertworks.facade.server import _near

REPOSITORY = Path(__file__).parents[2]
LABELS = ["negative", "positive"]
HOLDING = """
import sys
from bertworks import Agent
agent = Agent.load(sys.argv[1])
agent.serve(port=0)  # nobody keeps the handle
print(agent._servers[0]._process.pid, flush=True)
sys.stdin.read()
"""


def test_it_answers_until_it_is_stopped(agent_of) -> None:
    agent = agent_of(LABELS)
    with agent.serve(port=0) as server:
        assert server.predict(["good film"])[0]["label"] == agent.predict(["good film"])[0]["label"]
        assert server.url in repr(server)
        with pytest.raises(DataError, match=r"\(400\): Row 1 must be a text. Received: int 7"):
            server.predict([7])
        with pytest.raises(DataError, match=r"\(400\): `instances` must be a list") as told:
            server.predict("good film")  # type: ignore[arg-type]
        assert told.value.fix
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(EnvironmentFault, match=f"Port {port} cannot be used") as raised:
            agent.serve(port=port)
        assert "port=" in raised.value.fix and "--port" not in raised.value.fix
    assert repr(server) == "<Server: stopped>"
    server.stop()  # once more does nothing
    with pytest.raises(EnvironmentFault, match=f"{port} has ended"):
        server.predict(["good film"])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize(
    ("given", "said"),
    [({"port": 99_999_999}, "port is a whole number from 0 to 65,535. Received: 99999999"),
     ({"port": -1}, "port is"), ({"port": 0, "threads": 0}, "threads is a whole number from 1")],
)  # fmt: skip
def test_a_number_that_is_none_is_told_as_an_argument(agent_of, given, said: str) -> None:
    with pytest.raises(SpecError, match=said) as raised:
        agent_of(LABELS).serve(**given)
    assert "--" not in str(raised.value) and "Usage" not in str(raised.value)


def test_it_ends_with_the_program_even_when_that_is_killed(agent_of) -> None:
    bundle = str(agent_of(LABELS).path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, bundle],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        server = os.pidfd_open(int(program.stdout.readline()))
        try:
            program.send_signal(signal.SIGKILL)
            program.wait()
            assert select.select([server], [], [], 120)[0], "the server is still there"
        finally:
            os.close(server)


def test_its_address_is_one_that_this_machine_can_ask() -> None:
    assert [_near(host) for host in ("0.0.0.0", "::", "::1", "10.0.0.7")] == [
        "127.0.0.1", "[::1]", "[::1]", "10.0.0.7",
    ]  # fmt: skip
