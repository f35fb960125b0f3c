"""The engine: batches by tokens, answers that know no company, turns, deadlines, faults that stay alone.

No clock: threads are held by events, and what is asked is which rows were computed together.
"""

import asyncio
import os
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import TEXTS, make_model

from bertworks.runtime.agent import Agent
from bertworks.serving.engine import batches
from bertworks.serving.engine.batcher import BEHIND, Batcher
from bertworks.serving.engine.work import Work

LENGTHS = st.lists(st.integers(2, 600), min_size=1, max_size=200)


@given(LENGTHS, st.integers(1, 16), st.integers(16, 4096))
def test_a_batch_fits_and_the_first_row_is_in_it(lengths, most_rows, most_tokens):
    chosen = batches.choose(lengths, most_rows, most_tokens)
    assert 0 in chosen and len(set(chosen)) == len(chosen)
    longest = max(lengths[place] for place in chosen)
    assert batches.fits(len(chosen), longest, most_rows, most_tokens)


@given(LENGTHS)
def test_no_row_that_needs_no_padding_is_left_behind(lengths):
    chosen = batches.choose(lengths)
    longest = max(lengths[place] for place in chosen)
    window = range(min(len(lengths), batches.LOOK_AHEAD * batches.ROWS))
    if batches.fits(len(chosen) + 1, longest):
        assert not [place for place in window if place not in chosen and lengths[place] == longest]


@given(LENGTHS)
def test_a_batch_costs_no_more_than_the_first_row_alone(lengths):
    chosen = [lengths[place] for place in batches.choose(lengths)]
    cost = (batches.FIXED + len(chosen) * max(chosen)) / sum(chosen)
    assert cost <= (batches.FIXED + lengths[0]) / lengths[0] + 1e-9


def test_rows_of_like_length_are_put_together():
    lengths = [20, 500, 21, 480, 19, 510, 22]
    assert sorted(batches.choose(lengths, most_tokens=100)) == [0, 2, 4, 6]
    # Three of 500 tokens would take more memory than a batch may.
    assert sorted(batches.choose(lengths[1:], most_tokens=1600)) == [0, 4]


class Held(Agent):
    """Notes each batch, and computes it when it is let go; a row "fault" cannot be computed."""

    def note(self, held=False):
        self.batches, self.release, self.entered = [], threading.Event(), threading.Event()
        self.encoding, self.encode_on = threading.Event(), threading.Event()
        self.encode_on.set()
        if not held:
            self.release.set()

    def encode(self, rows):
        self.encoding.set()
        assert self.encode_on.wait(60)
        if "no tokens" in rows:
            raise ValueError("no tokens")
        return super().encode(rows)

    def answers(self, rows, encoded, *rest, **more):
        self.batches.append(list(rows))
        self.entered.set()
        assert self.release.wait(60)
        if any("so so fault" in row for row in rows):
            raise ValueError("no such row")
        return super().answers(rows, encoded, *rest, **more)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine") / "model"
    return make_model(folder, {"type": "classification"}, ["bad", "good"])


@pytest.fixture
def agent(model):
    agent = Held.from_model(model, threads=1)
    agent.note()
    return agent


@pytest.fixture
def batcher():
    made = Batcher(1)
    yield made
    made.close()


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario(), 60))


async def begun(agent):
    """Until a batch is held."""
    await asyncio.get_running_loop().run_in_executor(None, agent.entered.wait, 60)


def asked(batcher, lane, *rows, deadline=None):
    work = Work(rows, deadline)
    batcher.submit(lane, work)
    return work


def test_a_lone_request_goes_at_once_and_others_gather_meanwhile(agent, batcher):
    agent.note(held=True)

    async def scenario():
        lane = batcher.lane(agent)
        works = [asked(batcher, lane, "good film")]
        await begun(agent)
        works += [asked(batcher, lane, f"good film {'a ' * count}") for count in range(5)]
        agent.release.set()
        return [await work.future for work in works]

    assert [len(one) for one in run(scenario)] == [1] * 6
    assert [len(batch) for batch in agent.batches] == [1, 5]


def test_it_rests_when_the_last_thread_does(agent, batcher):
    agent.note(held=True)

    async def scenario():
        work = asked(batcher, batcher.lane(agent), "good film")
        await begun(agent)
        assert not batcher.rests(within=0.02)
        agent.release.set()
        return await work.future

    assert run(scenario)
    assert batcher.rests(within=60)


@pytest.mark.skipif(sys.platform != "linux", reason="a thread's own niceness is Linux's")
def test_what_computes_stands_behind_what_reads_requests(agent, batcher):
    seen = []
    batcher.batched = lambda *facts: seen.append(os.getpriority(os.PRIO_PROCESS, 0))

    async def scenario():
        return await asked(batcher, batcher.lane(agent), "good film").future

    run(scenario)
    assert seen == [min(os.getpriority(os.PRIO_PROCESS, 0) + BEHIND, 19)]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("task", ["classification", "tagging", "regression"])
def test_an_answer_knows_no_company(tmp_path, threads, task):
    labels = {"classification": ["bad", "good"], "tagging": ["O", "B-X"], "regression": []}[task]
    score = {"mean": 0.0, "std": 1.0, "min": -1.0, "max": 1.0} if not labels else None
    agent = Agent.from_model(
        make_model(tmp_path / "m", {"type": task}, labels, score), threads=threads
    )
    batcher = Batcher(threads)
    stream = np.random.default_rng(0)
    texts = [" ".join(stream.choice(TEXTS, stream.integers(1, 5))) for _ in range(60)]

    async def scenario():
        lane = batcher.lane(agent)
        cuts = np.split(np.array(texts, object), [1, 2, 5, 30, 33])
        works = [asked(batcher, lane, *rows.tolist()) for rows in cuts]
        return [answer for work in works for answer in await work.future]

    together = run(scenario)
    batcher.close()
    for text, answer in zip(texts, together, strict=True):
        (alone,) = agent.predict([text])
        assert set(answer) == set(alone) and answer["truncated"] == alone["truncated"]
        for name in ("score", "scores"):
            if name in alone:
                numbers = [
                    list(one[name].values()) if isinstance(one[name], dict) else one[name]
                    for one in (answer, alone)
                ]
                np.testing.assert_allclose(*numbers, atol=1e-5)
        for name in ("label", "tags", "tokens"):
            assert answer.get(name) == alone.get(name)


def test_a_lone_text_does_not_wait_for_the_many_of_another_request(agent, batcher):
    agent.note(held=True)

    async def scenario():
        lane = batcher.lane(agent)
        many = asked(batcher, lane, *["bad story"] * 400)
        await begun(agent)
        lone = asked(batcher, lane, "good film")
        agent.release.set()
        await lone.future
        done = many.done_rows
        await many.future
        return done

    assert run(scenario) < 400 / 2
    assert sum(map(len, agent.batches)) == 401


def test_of_large_requests_one_is_done_after_the_other(agent, batcher):
    agent.note(held=True)

    async def scenario():
        lane = batcher.lane(agent)
        first = asked(batcher, lane, "good film")
        await begun(agent)
        large = [asked(batcher, lane, *[f"{letter} film"] * 100) for letter in "abc"]
        agent.release.set()
        await asyncio.gather(first.future, *(work.future for work in large))

    run(scenario)
    rows = [row for batch in agent.batches for row in batch][1:]
    ends = [max(place for place, row in enumerate(rows) if row[0] == letter) for letter in "abc"]
    assert ends[0] < 120 and ends[1] < 220


def test_models_take_turns_by_tokens(model, batcher):
    agents = []
    for _ in range(2):
        agent = Held.from_model(model, threads=1)
        agent.note()
        agents.append(agent)
    agents[0].note(held=True)
    order = []
    for agent in agents:
        agent.batches = order

    async def scenario():
        lanes = [batcher.lane(agent) for agent in agents]
        first = asked(batcher, lanes[0], *["good film"] * 160)
        await begun(agents[0])
        second = asked(batcher, lanes[1], *["bad story"] * 160)
        agents[0].release.set()
        await asyncio.gather(first.future, second.future)

    run(scenario)
    which = [batch[0] for batch in order]
    # While both wait neither gets two batches more than the other.
    both = which[: 2 * min(which.count("good film"), which.count("bad story"))]
    for end in range(1, len(both)):
        assert abs(both[:end].count("good film") - both[:end].count("bad story")) <= 2


def test_what_runs_behind_waits_for_all_others(agent, batcher):
    agent.note(held=True)

    async def scenario():
        lane, behind = batcher.lane(agent), batcher.lane(agent, background=True)
        first = asked(batcher, lane, "good film")
        await begun(agent)
        shadow = asked(batcher, behind, "bad story")
        later = [asked(batcher, lane, "so so") for _ in range(40)]
        agent.release.set()
        await asyncio.gather(first.future, shadow.future, *(one.future for one in later))

    run(scenario)
    assert agent.batches[-1] == ["bad story"]


def test_what_nobody_waits_for_is_never_computed(agent, batcher):
    agent.note(held=True)

    async def scenario():
        lane = batcher.lane(agent)
        first = asked(batcher, lane, "good film")
        await begun(agent)
        left, late = asked(batcher, lane, "bad"), asked(batcher, lane, "so so", deadline=0.0)
        left.future.cancel()
        last = asked(batcher, lane, "b")
        agent.release.set()
        with pytest.raises(TimeoutError):
            await late.future
        await asyncio.gather(first.future, last.future)

    run(scenario)
    assert [row for batch in agent.batches for row in batch] == ["good film", "b"]


def test_a_fault_is_the_fault_of_one_request_alone(agent, batcher):
    agent.note(held=True)

    async def scenario():
        lane = batcher.lane(agent)
        first = asked(batcher, lane, "good film")
        await begun(agent)
        bad = asked(batcher, lane, "so so fault")
        good = [asked(batcher, lane, "good film"), asked(batcher, lane, "bad")]
        agent.release.set()
        with pytest.raises(ValueError, match="no such row"):
            await bad.future
        return [await work.future for work in (first, *good)]

    assert all(run(scenario))


def failing(*facts):
    raise RuntimeError("whoever counts fails")


@pytest.mark.parametrize("callback", ["batched", "tokenized"])
def test_who_counts_and_fails_costs_no_thread_and_no_answer(agent, batcher, callback):
    setattr(batcher, callback, failing)

    async def scenario():
        lane = batcher.lane(agent)
        return [await asked(batcher, lane, "good film").future for _ in range(3)]

    assert [len(one) for one in run(scenario)] == [1, 1, 1]
    assert batcher.whole


class Forgetful(Held):
    """Gives an answer too few, or tokens too few, for a row that says so."""

    def encode(self, rows):
        encoded = super().encode(rows)
        return super().encode(rows[:-1]) if "so tokens" in rows else encoded

    def answers(self, rows, encoded, *rest, **more):
        found = super().answers(rows, encoded, *rest, **more)
        return found[:-1] if "so answers" in rows else found


@pytest.mark.parametrize("row", ["so tokens", "so answers"])
def test_a_thread_outlives_what_no_agent_may_do(model, batcher, row):
    agent = Forgetful.from_model(model, threads=1)
    agent.note()

    async def scenario():
        lane = batcher.lane(agent)
        with pytest.raises(ValueError, match="one for each of 2 rows"):
            await asked(batcher, lane, "good film", row).future
        return await asked(batcher, lane, "good film").future, lane

    answers, lane = run(scenario)
    assert len(answers) == 1 and not lane.waits and not lane._waiting
    assert batcher.whole


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_is_lost_is_noticed(agent, batcher):
    assert batcher.whole
    lane = batcher.lane(agent)
    lane.to_encode = failing

    async def scenario():
        asked(batcher, lane, "good film")

    run(scenario)
    batcher._workers[0].join(60)
    assert not batcher.whole


def test_a_lane_that_is_closed_while_it_tokenizes_answers_what_it_tokenized(agent, batcher):
    agent.encode_on.clear()

    async def scenario():
        lane = batcher.lane(agent)
        work = asked(batcher, lane, "good film")
        await asyncio.get_running_loop().run_in_executor(None, agent.encoding.wait, 60)
        batcher.drop(lane)
        agent.encode_on.set()
        return await work.future

    assert run(scenario)
    assert not batcher.waiting


def test_what_cannot_be_tokenized_is_kept_no_longer(agent, batcher):
    lane = batcher.lane(agent)

    async def scenario():
        bad, good = asked(batcher, lane, "no tokens"), asked(batcher, lane, "good film")
        with pytest.raises(ValueError, match="no tokens"):
            await bad.future
        await good.future

    run(scenario)
    assert not lane._waiting


def test_a_lane_that_was_closed_answers_what_it_holds(agent, batcher):
    agent.note(held=True)

    async def scenario():
        lane = batcher.lane(agent)
        works = [asked(batcher, lane, "good film")]
        await begun(agent)
        works.append(asked(batcher, lane, "bad"))
        batcher.drop(lane)
        agent.release.set()
        return [await work.future for work in works]

    assert all(run(scenario))
    assert not batcher.waiting
