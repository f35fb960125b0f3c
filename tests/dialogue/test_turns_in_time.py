"""A turn is answered in its time, or refused as other requests are and leaves the dialogue as it was."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from bertworks.runtime.agent import Agent
from bertworks.serving.audit.joining import join as audit
from bertworks.serving.dialogues.waiting import Settled
from bertworks.serving.line import Ticket
from bertworks.spec.audit import Audit
from bertworks.spec.limits import Limits
from tests.dialogue.test_served import LABELS, Server, lines
from tests.helpers.tiny_model import bundle_of, make_model

SOON = 5.0
"""Seconds in which a refusal is there, on a starved machine; a store that is held waits for ten."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("understanding")
    model = make_model(folder / "model", {"type": "understanding"}, LABELS)
    return Path(bundle_of(model, folder / "bundle"))


@pytest.fixture
def agent(bundle: Path) -> Agent:
    return Agent.load(bundle, threads=1)


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Somebody else writes to the sessions meanwhile, and takes long."""
    base = sqlite3.connect(file, isolation_level=None)
    base.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        base.execute("ROLLBACK")
        base.close()


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done() and time.monotonic() < end:
        time.sleep(0.01)
    assert done()


def turn(server: Server, text: str, number: int, **headers: str) -> tuple[int, Any]:
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return server.ask("POST", "/a/turns", {"text": text, "turn": number}, headers=given)


def turned_away(reason: str) -> float:
    name = "bertworks_requests_turned_away_total"
    return REGISTRY.get_sample_value(name, {"reason": reason}) or 0.0


@pytest.mark.parametrize("header", ["x_request_timeout_ms", "x_envoy_expected_rq_timeout_ms"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_turn_whose_deadline_is_over_is_refused_and_changes_nothing(
    tmp_path: Path, agent: Agent, header: str, number: int
) -> None:
    server = Server(tmp_path, agent, helped=False)
    audit(server.serving, Audit(folder=str(tmp_path / "audit")))
    if number == 2:
        turn(server, "cheap chinese", 1)
    history, before = server.ask("GET", "/a"), turned_away("deadline")
    status, found = turn(server, "north", number, **{header: "0"})
    assert status == 504 and "the request gave was over" in found["error"]
    assert turned_away("deadline") == before + 1
    assert server.ask("GET", "/a") == history
    for close in server.serving.closed:
        close()
    refused = lines(tmp_path / "audit")[-1]
    assert (refused["status"], refused["reason"], refused["answers"]) == (504, "deadline", [])
    status, found = turn(server, "north", number, **{header: "60000"})
    assert status == 200 and not found["again"] and found["turn"] == number


@pytest.mark.parametrize("limit", [None, 0.2])
def test_a_turn_that_waits_for_the_disk_is_refused_in_time(
    tmp_path: Path, agent: Agent, limit: float | None
) -> None:
    limits = None if limit is None else Limits(seconds=limit)
    server = Server(tmp_path, agent, limits=limits, helped=False)
    turn(server, "cheap chinese", 1)
    history = server.ask("GET", "/a")
    with held(tmp_path / "sessions.db"):
        began = time.monotonic()
        told = {} if limit else {"x_request_timeout_ms": "200"}
        status, found = turn(server, "north", 2, **told)
        assert time.monotonic() - began < SOON
    if limit is None:
        assert status == 504 and "the request gave was over" in found["error"]
    else:
        assert status == 503 and "The answer took more than 0.2 s." in found["error"]
        assert "serve.limits.seconds" in found["error"]
    # The thread has the file now, and sees that nobody waits for its turn.
    until(lambda: not any(one.name.startswith("turns") and busy(one) for one in threads()))
    assert server.ask("GET", "/a") == history


def threads() -> list[threading.Thread]:
    return threading.enumerate()


def busy(thread: threading.Thread) -> bool:
    """Whether a thread of a pool is at something of ours."""
    import sys
    import traceback

    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and any(
        "/dialogue/sessions/" in one.filename for one in traceback.extract_stack(frame)
    )


class Holding(Agent):
    """Understands nothing before it may."""

    may = threading.Event()
    asked = 0

    def answers(self, rows: Any, *given: Any, **more: Any) -> Any:
        type(self).asked += 1
        self.may.wait(60)
        return super().answers(rows, *given, **more)


@pytest.mark.parametrize("limit", [None, 0.2])
def test_a_turn_that_waits_for_a_model_is_refused_in_time(
    tmp_path: Path, bundle: Path, limit: float | None
) -> None:
    limits = None if limit is None else Limits(seconds=limit)
    server = Server(tmp_path, Holding.load(bundle, threads=1), limits=limits)
    Holding.may.clear()
    try:
        began = time.monotonic()
        told = {} if limit else {"x_request_timeout_ms": "200"}
        status, found = turn(server, "cheap chinese", 1, **told)
        assert status == (503 if limit else 504), found
        assert time.monotonic() - began < SOON
        assert server.ask("GET", "/a")[0] == 404
    finally:
        Holding.may.set()
    assert Holding.asked
    until(lambda: server.ask("POST", "/b/turns", {"text": "hello"})[0] == 200)
    assert server.ask("GET", "/a")[0] == 404


def test_of_kept_and_refused_the_first_one_stays() -> None:
    settled = Settled(Ticket())
    assert settled.keep() and not settled.refuse() and settled.keep()
    settled = Settled(Ticket())
    assert settled.refuse() and not settled.keep() and settled.refuse()
    late = Ticket()
    late.deadline = time.monotonic() - 1
    settled = Settled(late)
    assert not settled.keep() and settled.refuse()


def test_what_is_called_on_cancelling_is_called_once_and_at_once_afterwards() -> None:
    ticket, called = Ticket(), []
    ticket.when_cancelled(lambda: called.append(1))
    ticket.cancel()
    ticket.cancel()
    ticket.when_cancelled(lambda: called.append(2))
    assert called == [1, 2]
