"""A server that follows a store, under requests: swaps, trials, shadows, and what its status says."""

import asyncio
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from asgi import Client
from upgrading import TEXTS, Server

from bertworks.contracts.files import to_json
from bertworks.runtime.agent import Agent
from bertworks.serving import log
from bertworks.serving.access.caller import Caller
from bertworks.serving.exchange import Exchange
from bertworks.serving.upgrades.trial import Rules
from bertworks.spec.upgrades import Canary, Shadow
from bertworks.storage import challengers, sealed
from bertworks.storage.artifacts import json_bytes
from bertworks.storage.challengers import Challengers
from bertworks.storage.store import Store

# Answers differ between the two bundles, and times on a busy machine say nothing: neither is judged
# where the test is about something else.
EASY = {"disagreement": None, "confidence": None, "slower": 50.0, "slow": 0.9, "errors": 0.3}
OTHERWISE = 2
"""The seed of a bundle that gives other labels than that of 0."""
QUICK = Rules(Canary(share=0.5, least_requests=10, **EASY))


def run(scenario, server):
    async def whole():
        async with server:
            return await scenario(server)

    return asyncio.run(asyncio.wait_for(whole(), 240))


async def ask_many(server, count, at_once=8, first=0):
    """The answers to requests of several rows, so many at a time."""
    found = []
    for start in range(first, first + count, at_once):
        names = range(start, min(start + at_once, first + count))
        found += await asyncio.gather(*(server.ask(TEXTS, f"r{name}") for name in names))
    return found


def expected(folder):
    return [one["label"] for one in Agent.load(folder, threads=1).predict(TEXTS)]


def scores(folder):
    return [one["scores"]["good"] for one in Agent.load(folder, threads=1).predict(TEXTS)]


@pytest.mark.parametrize("swaps", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_swaps_under_requests_fail_none_and_mix_none(tmp_path, versions, swaps):
    folders = [versions.bundle(seed) for seed in range(2)]
    store = versions.store(tmp_path / "s", *folders)
    right = {str(number): scores(folder) for number, folder in enumerate(folders, 1)}
    assert not np.allclose(right["1"], right["2"], atol=0.01)

    async def scenario(server):
        answers, done = [], asyncio.Event()

        async def client(number):
            count = 0
            while not done.is_set():
                answers.append(await server.ask(TEXTS, f"c{number}-{count}"))
                count += 1

        clients = [asyncio.create_task(client(number)) for number in range(8)]
        for swap in range(swaps):
            before, champion = len(answers), 2 - swap % 2
            await asyncio.to_thread(store.promote, "mood", champion)
            await server.look()
            # Each swap has requests on both of its sides: those under way may all be the old version's.
            while str(champion) not in {one["model_version"] for _, one in answers[before:]}:
                await asyncio.sleep(0.001)
        done.set()
        await asyncio.gather(*clients)
        return answers

    answers = run(scenario, Server(tmp_path / "s", threads=2))
    assert {status for status, _ in answers} == {200}
    seen = [answer["model_version"] for _, answer in answers]
    assert sum(a != b for a, b in zip(seen, seen[1:], strict=False)) >= swaps - 1
    print(f"{swaps} swaps, {len(answers)} requests of {len(TEXTS)} rows from 8 clients: 0 failed")
    for _, answer in answers:
        rows = next(one["data"] for one in answer["outputs"] if one["name"] == "prediction")
        given = [json.loads(row)["scores"]["good"] for row in rows]
        assert given == pytest.approx(right[answer["model_version"]], abs=1e-4)
        digest = store.show("mood", int(answer["model_version"])).digest
        assert answer["parameters"]["digest"] == digest


def test_a_share_is_answered_by_the_challenger_always_the_same_requests(tmp_path, versions):
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    Challengers(str(tmp_path / "s"), "mood").challenge(2)
    rules = Rules(Canary(share=0.25, least_requests=10**6, **EASY))

    async def scenario(server):
        await server.look()
        first = [answer["model_version"] for _, answer in await ask_many(server, 80)]
        again = [answer["model_version"] for _, answer in await ask_many(server, 80)]
        return first, again

    first, again = run(scenario, Server(tmp_path / "s", rules=rules))
    assert first == again
    assert 8 <= first.count("2") <= 35


def test_a_caller_stays_with_one_version(tmp_path, versions):
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    Challengers(str(tmp_path / "s"), "mood").challenge(2)
    rules = Rules(Canary(share=0.5, by="caller", least_requests=10**6, **EASY))

    async def scenario(server):
        await server.look()
        return [
            {
                (await server.ask(TEXTS, key=Caller(f"key-{number}")))[1]["model_version"]
                for _ in range(4)
            }
            for number in range(16)
        ]

    seen = run(scenario, Server(tmp_path / "s", rules=rules))
    assert all(len(one) == 1 for one in seen)
    assert set().union(*seen) == {"1", "2"}


def test_a_better_challenger_is_promoted_by_itself(tmp_path, versions):
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    trials = Challengers(str(tmp_path / "s"), "mood")
    trials.challenge(2)

    async def scenario(server):
        await server.look()
        answers = []
        while Store(server.uri).champion("mood").number == 1:
            answers += await ask_many(server, 40, first=len(answers))
            await server.settled()
            await server.look()
        last = await server.ask(TEXTS)
        return answers, last, server.upgrading.status()

    answers, last, status = run(scenario, Server(tmp_path / "s", rules=QUICK))
    assert {code for code, _ in answers} == {200}
    assert last[1]["model_version"] == "2"
    (record,) = trials.every()
    assert (record.outcome, record.champion.version, record.challenger.version) == (
        "promoted",
        1,
        2,
    )
    assert record.reason.startswith("All limits are kept")
    assert {one.name for one in record.figures} == {"errors", "slower", "slow", "accuracy"}
    assert record.challenger.requests >= 10
    assert status["champion"]["version"] == 2
    assert status["previous"]["version"] == 1
    assert status["challenger"] is None
    assert trials.read() is None


def test_a_challenger_that_fails_is_put_back_and_no_client_notices(tmp_path, versions, monkeypatch):
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    trials = Challengers(str(tmp_path / "s"), "mood")
    trials.challenge(2)

    async def scenario(server):
        await server.look()
        challenger = server.upgrading.versions.state.challenger.agent

        def broken(*_, **__):
            raise RuntimeError("the graph fails")

        monkeypatch.setattr(challenger, "answers", broken)
        answers = []
        while server.upgrading.versions.state.draw is not None:
            answers += await ask_many(server, 40, first=len(answers))
            await server.settled()
        await server.look()
        tried = len(answers)
        return answers + await ask_many(server, 40, first=tried), tried, server.upgrading.status()

    answers, tried, status = run(scenario, Server(tmp_path / "s", rules=QUICK))
    assert {code for code, _ in answers} == {200}
    assert {answer["model_version"] for _, answer in answers} == {"1"}
    (record,) = trials.every()
    assert record.outcome == "put back"
    assert "The limit on errors is broken" in record.reason
    assert 10 <= record.challenger.errors == record.challenger.requests <= 0.75 * tried
    assert status["challenger"] is None


def test_a_challenger_that_answers_otherwise_is_put_back(tmp_path, versions):
    folders = [versions.bundle(0), versions.bundle(OTHERWISE)]
    assert sum(a != b for a, b in zip(*map(expected, folders), strict=True)) >= 2
    versions.store(tmp_path / "s", *folders)
    trials = Challengers(str(tmp_path / "s"), "mood")
    trials.challenge(2)
    rules = Rules(Canary(share=0.5, **EASY | {"disagreement": 0.05}, agreement_share=1))

    async def scenario(server):
        await server.look()
        while not trials.every():
            await ask_many(server, 40)
            await server.settled()
            await server.look()

    run(scenario, Server(tmp_path / "s", rules=rules))
    (record,) = trials.every()
    assert record.outcome == "put back"
    assert "it answers" in record.reason and "of rows otherwise" in record.reason


def test_labels_that_come_later_decide(tmp_path, versions):
    folders = [versions.bundle(0), versions.bundle(OTHERWISE)]
    right = expected(folders[1])  # the challenger's answers are the true ones
    versions.store(tmp_path / "s", *folders)
    trials = Challengers(str(tmp_path / "s"), "mood")
    trials.challenge(2)
    rules = Rules(
        Canary(share=0.5, **EASY | {"accuracy": 0.0}, labels="required", least_requests=10)
    )

    async def scenario(server):
        await server.look()
        asked = 0
        while Store(server.uri).champion("mood").number == 1:
            await ask_many(server, 16, first=asked)
            await server.settled()
            for number in range(asked, asked + 16):
                if server.upgrading.trial is not None:
                    (labelled,) = server.serving.labelled
                    for row, label in enumerate(right):
                        exchange = Exchange("v2", "mood", f"r{number}")
                        assert labelled(exchange, row, label)
                        assert not labelled(exchange, row, label)  # said already
            asked += 16
            await server.look()
        assert not server.upgrading.labelled(Exchange("v2", "mood", "unknown"), 0, "good")

    run(scenario, Server(tmp_path / "s", rules=rules))
    (record,) = trials.every()
    assert record.outcome == "promoted"
    assert "accuracy" in record.reason


def test_in_a_shadow_nobody_is_answered_by_the_challenger(tmp_path, versions):
    folders = [versions.bundle(0), versions.bundle(OTHERWISE)]
    versions.store(tmp_path / "s", *folders)
    trials = Challengers(str(tmp_path / "s"), "mood")
    trials.challenge(2)
    alike = np.mean([a == b for a, b in zip(*map(expected, folders), strict=True)])

    async def scenario(server):
        await server.look()
        answers = await ask_many(server, 40)
        await server.settled()
        await server.look()
        return answers, server.upgrading.status(), server.upgrading._shadow.ended

    rules = Rules(shadow=Shadow(share=1.0))
    answers, status, ended = run(scenario, Server(tmp_path / "s", rules=rules))
    assert {answer["model_version"] for _, answer in answers} == {"1"}
    assert ended == {"answered": 40}
    figures = {one["name"]: one for one in status["trial"]["figures"]}
    assert figures["disagreement"]["value"] == pytest.approx(1 - alike)
    assert status["trial"]["challenger"]["requests"] == 40
    assert not status["trial"]["clear"]
    assert trials.every() == []


def test_a_shadow_that_cannot_follow_is_dropped_and_counted(tmp_path, versions, monkeypatch):
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    Challengers(str(tmp_path / "s"), "mood").challenge(2)

    async def scenario(server):
        await server.look()
        challenger = server.upgrading.versions.state.challenger
        release, work = asyncio.Event(), challenger.work

        class Held:
            cost = 0.0

            def __init__(self, made):
                self.future = asyncio.ensure_future(self._wait(made))

            async def _wait(self, made):
                await release.wait()
                return await made.future

        monkeypatch.setattr(challenger, "work", lambda *a, **more: Held(work(*a, **more)))
        answers = await ask_many(server, 30)
        while sum(server.upgrading._shadow.ended.values()) < 26:
            await asyncio.sleep(0.001)
        release.set()
        await server.settled()
        return answers, server.upgrading._shadow.ended

    rules = Rules(shadow=Shadow(share=1.0, waiting=4))
    answers, ended = run(scenario, Server(tmp_path / "s", rules=rules))
    assert {code for code, _ in answers} == {200}
    assert ended == {"answered": 4, "dropped": 26}


def test_a_store_that_takes_no_decision_is_asked_again(tmp_path, versions, monkeypatch):
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    trials = Challengers(str(tmp_path / "s"), "mood")
    trials.challenge(2)

    async def scenario(server):
        await server.look()
        answers = []
        while server.upgrading.versions.state.draw is not None:  # at once, whatever the store says
            server.upgrading.trial.failed()
            answers += await ask_many(server, 1, first=len(answers))
            await server.settled()

        def read_only(self, record):
            raise PermissionError("read-only file system")

        with monkeypatch.context() as patched:
            patched.setattr(Challengers, "decide", read_only)
            await server.look()
        assert trials.every() == []
        await server.look()
        return server.upgrading.status()

    status = run(scenario, Server(tmp_path / "s", rules=QUICK))
    assert [one.outcome for one in trials.every()] == ["put back"]
    assert status["challenger"] is None


def test_a_trial_that_lasts_too_long_is_undecided(tmp_path, versions):
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    trials = Challengers(str(tmp_path / "s"), "mood")
    trials.challenge(2)

    async def scenario(server):
        await server.look()
        server.upgrading.trial.began = "2020-01-01T00:00:00Z"
        await server.look()
        await server.look()

    run(scenario, Server(tmp_path / "s", rules=QUICK))
    (record,) = trials.every()
    assert record.outcome == "undecided"
    assert record.reason == "It was not clear after 168 hours."
    assert Store(tmp_path / "s").champion("mood").number == 1


def test_another_champion_ends_the_trial_and_begins_it_anew(tmp_path, versions):
    store = versions.store(tmp_path / "s", *map(versions.bundle, range(3)))
    Challengers(str(tmp_path / "s"), "mood").challenge(2)

    async def scenario(server):
        await server.look()
        first = server.upgrading.trial
        await asyncio.to_thread(store.promote, "mood", 3)
        await server.look()
        return first, server.upgrading.trial, server.upgrading.status()

    first, second, status = run(scenario, Server(tmp_path / "s", rules=QUICK))
    assert second is not None and second is not first
    assert status["champion"]["version"] == 3
    assert (status["trial"]["champion"]["version"], status["challenger"]["version"]) == (3, 2)


def test_the_rules_are_those_of_the_challengers_spec(tmp_path, versions):
    serve = {"canary": {"share": 0.4, "errors": 0.1}, "shadow": {"share": 0.2}}
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1, serve=serve))
    Challengers(str(tmp_path / "s"), "mood").challenge(2)

    async def scenario(server):
        await server.look()
        return server.upgrading.trial.rules

    rules = run(scenario, Server(tmp_path / "s"))
    assert (rules.canary.share, rules.canary.errors, rules.shadow.share) == (0.4, 0.1, 0.2)


def test_its_status_is_shown(tmp_path, versions):
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))

    async def scenario(server):
        return await server.get("/v1/models/mood/upgrades"), await server.get(
            "/v1/models/other/upgrades"
        )

    (code, status), (missing, _) = run(scenario, Server(tmp_path / "s"))
    assert (code, missing) == (200, 404)
    assert status["champion"]["version"] == 1
    assert status["previous"] is None
    assert status["refused"] == {}


def test_feedback_reaches_the_trial(tmp_path, versions):
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(OTHERWISE))
    Challengers(str(tmp_path / "s"), "mood").challenge(2)

    async def scenario(server):
        await server.look()
        await ask_many(server, 12)
        await server.settled()
        said = []
        for number in range(12):
            body = json.dumps({"request": f"r{number}", "row": 1, "label": "good"}).encode()
            client = Client("POST", "/v1/feedback", body)
            said.append((await client.ask(server.app)).json())
        return said, server.upgrading.status()

    said, status = run(scenario, Server(tmp_path / "s", rules=QUICK))
    assert said == [{"kept": False}] * 12
    (accuracy,) = (one for one in status["trial"]["figures"] if one["name"] == "accuracy")
    assert accuracy["compared"] > 0
    assert accuracy["value"] == -1  # the challenger says "good" always, the champion never


def test_a_restart_goes_on_with_what_was_seen(tmp_path, versions, server_log):
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    trials = Challengers(str(tmp_path / "s"), "mood")
    trials.challenge(2)
    rules = Rules(Canary(share=0.5, least_requests=10**6, **EASY))

    async def scenario(server, first, end=True):
        await server.look()
        began = server.upgrading.status()["trial"]["challenger"]["requests"]
        await ask_many(server, 40, first=first)
        await server.settled()
        if end:
            await server.upgrading.stop()
        return began, server.upgrading.status()["trial"]

    def made(**more):
        return Server(tmp_path / "s", rules=rules, **more)

    began, before = run(lambda server: scenario(server, 0), made(server="a-1"))
    assert began == 0 and before["challenger"]["requests"] > 5
    # One that goes by other rules has seen nothing.
    other = Server(tmp_path / "s", server="a-1", rules=Rules(Canary(share=0.4, **EASY)))
    assert run(lambda server: scenario(server, 40, end=False), other)[0] == 0
    del server_log[:]
    began, after = run(lambda server: scenario(server, 40), made(server="a-1"))
    assert began == before["challenger"]["requests"]
    seen = "goes on with 40 requests that were seen before"
    assert sum(seen in one.getMessage() for one in server_log) == 1
    assert after["began"] == before["began"]
    assert after["challenger"]["requests"] > began
    for one, two in zip(before["figures"], after["figures"], strict=True):
        assert one["compared"] <= two["compared"]
    # A challenger that is named anew is another trial, though it is the same version.
    anew = replace(trials.read(), since="2031-01-01T00:00:00+00:00", seal=None)
    trials._place.replace(trials._file, json_bytes(sealed.seal(to_json(anew))))
    assert run(lambda server: scenario(server, 0, end=False), made(server="a-1"))[0] == 0


def test_a_pod_of_another_name_goes_on_with_what_one_that_is_gone_had_seen(
    tmp_path, versions, monkeypatch
):
    """At once where that one ended in order, else as soon as it is clear that it writes no more."""
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    trials = Challengers(str(tmp_path / "s"), "mood")
    trials.challenge(2)
    rules = Rules(Canary(share=0.5, least_requests=10**6, **EASY))

    async def scenario(server, first, asked, end=False):
        await server.look()
        began = server.upgrading.trial.seen
        await ask_many(server, asked, first=first)
        await server.settled()
        if end:
            await server.upgrading.stop()
        else:
            server.upgrading._kept_at = -math.inf
            server.upgrading._keep()
        return began, server.upgrading.trial.seen

    def of(name, *given, **more):
        made = Server(tmp_path / "s", rules=rules, server=name)
        return run(lambda server: scenario(server, *given, **more), made)

    assert of("pod-a", 0, 40, end=True) == (0, 40)
    assert of("pod-b", 40, 20) == (40, 60)  # it is killed then
    assert trials.evidence("pod-a") is None
    assert of("pod-c", 60, 5) == (0, 5)  # pod-b may serve beside it
    monkeypatch.setattr(challengers, "ABANDONED_SECONDS", -1.0)
    # It goes on with its own first, and with the other's when it next looks.
    assert of("pod-c", 65, 10) == (5, 60)
    assert trials.evidence("pod-b") is None
    assert of("pod-d", 75, 0) == (60, 60)


def test_what_was_seen_of_a_trial_that_is_over_is_cleared_away(tmp_path, versions):
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    trials = Challengers(str(tmp_path / "s"), "mood")
    trials.challenge(2)
    rules = Rules(Canary(share=0.5, least_requests=10**6, **EASY))

    async def scenario(server, asked):
        await server.look()
        seen = server.upgrading.trial.seen
        await ask_many(server, asked)
        await server.settled()
        await server.upgrading.stop()
        return seen

    def of(name, asked):
        made = Server(tmp_path / "s", rules=rules, server=name)
        return run(lambda server: scenario(server, asked), made)

    assert of("pod-a", 40) == 0
    anew = replace(trials.read(), since="2031-01-01T00:00:00+00:00", seal=None)
    trials._place.replace(trials._file, json_bytes(sealed.seal(to_json(anew))))
    assert of("pod-b", 10) == 0
    assert trials.evidence("pod-a") is None and trials.evidence("pod-b") is not None


def test_evidence_is_dropped_when_the_trial_is_over(tmp_path, versions):
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    trials = Challengers(str(tmp_path / "s"), "mood")
    trials.challenge(2)

    async def scenario(server):
        await server.look()
        await ask_many(server, 20)
        await server.settled()
        server.upgrading._keep(last=True)
        assert trials.evidence("a/../b") is not None
        trials.withdraw()
        await server.look()

    run(scenario, Server(tmp_path / "s", server="a/../b", rules=QUICK))
    assert list((tmp_path / "s/mood/evidence").iterdir()) == []


def test_a_store_that_takes_no_evidence_is_told_once_and_tries_on(tmp_path, versions, monkeypatch):
    versions.store(tmp_path / "s", versions.bundle(0), versions.bundle(1))
    Challengers(str(tmp_path / "s"), "mood").challenge(2)

    def refuse(*given):
        raise PermissionError("read-only")

    monkeypatch.setattr(Challengers, "keep_evidence", refuse)

    async def scenario(server):
        await server.look()
        await ask_many(server, 20)
        await server.settled()
        for _ in range(2):
            server.upgrading._keep(last=True)
        return server.upgrading.status()["trial"]["challenger"]["requests"]

    told = []
    monkeypatch.setattr(log.LOGGER, "warning", lambda text, *given: told.append(text % given))
    assert run(scenario, Server(tmp_path / "s", rules=QUICK))
    (line,) = told
    assert "mood: the model store does not take what is seen of trials (PermissionError)" in line
