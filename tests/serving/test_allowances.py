"""Rates and quotas: never more than allowed, and counts that outlive the server."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.errors import EnvironmentFault
from bertworks.serving.access import caller as callers
from bertworks.serving.access.caller import Caller, Meter
from bertworks.serving.access.keys import Allowance
from bertworks.serving.access.quotas import AHEAD, FILE, Quotas
from bertworks.serving.access.rates import MINUTE, Bucket
from bertworks.serving.refusals import Refused

STEPS = st.lists(st.tuples(st.floats(0, 90), st.integers(1, 30)), max_size=60)


@given(st.integers(1, 40), STEPS)
def test_no_stretch_of_time_gives_more_than_the_rate(per_minute, steps):
    now = [0.0]
    bucket = Bucket(per_minute, lambda: now[0])
    taken = []
    for seconds, units in steps:
        now[0] += seconds
        if bucket.wait(units) == 0:
            bucket.take(units)
            taken.append((now[0], units))
    for place, (start, _) in enumerate(taken):
        for end in range(place, len(taken)):
            given_ = sum(units for _, units in taken[place : end + 1])
            assert given_ <= per_minute * (1 + (taken[end][0] - start) / MINUTE) + 1e-6


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 40))
def test_who_waits_as_told_is_served(per_minute, units, before):
    now = [0.0]
    bucket = Bucket(per_minute, lambda: now[0])
    bucket.take(min(before, per_minute))
    wait = bucket.wait(units)
    if units > per_minute:
        assert wait == float("inf")
        return
    now[0] += wait
    assert bucket.wait(units) < 1e-6


class Day:
    """A time that a test sets."""

    def __init__(self):
        self.now = datetime(2030, 1, 2, 12, tzinfo=UTC)

    def __call__(self):
        return self.now


def test_a_killed_server_counts_a_little_too_much_never_too_little(tmp_path):
    day, quota = Day(), 1000
    killed = Quotas(tmp_path, day)
    for _ in range(321):
        killed.use("a", "texts", 1, quota)
    killed._lock.release()  # as the system does with a killed one's
    left = Quotas(tmp_path, day).left("a", "texts", quota)
    assert quota - 321 - quota // AHEAD < left <= quota - 321


def test_one_that_stops_in_order_counts_exactly(tmp_path):
    day = Day()
    first = Quotas(tmp_path, day)
    first.use("a", "texts", 7, 1000)
    first.use("b", "requests", 1, 10)
    first.close()
    second = Quotas(tmp_path, day)
    assert second.left("a", "texts", 1000) == 993
    assert second.left("b", "requests", 10) == 9 and second.left("c", "texts", 5) == 5


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(50, 2000))
def test_the_file_is_never_behind(tmp_path_factory, uses, quota):
    folder = tmp_path_factory.mktemp("usage")
    quotas, total = Quotas(folder, Day()), 0
    for units in uses:
        total += units
        quotas.use("a", "texts", units, quota)
        written = json.loads((folder / FILE).read_text())["used"]["a"]["texts"]
        assert total <= written <= max(total, quota)
    quotas.close()


def test_a_new_day_begins_with_the_whole_quota(tmp_path):
    day = Day()
    quotas = Quotas(tmp_path, day)
    quotas.use("a", "requests", 3, 3)
    assert quotas.left("a", "requests", 3) == 0 and quotas.until_tomorrow() == 12 * 3600 + 1
    quotas.close()
    day.now += timedelta(hours=12)
    assert quotas.left("a", "requests", 3) == 3
    assert Quotas(tmp_path, day).left("a", "requests", 3) == 3


def test_two_servers_do_not_count_in_one_folder(tmp_path):
    first = Quotas(tmp_path)
    with pytest.raises(EnvironmentFault, match="Another server"):
        Quotas(tmp_path)
    first.close()
    Quotas(tmp_path).close()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"day": "2030-01-02"}', '{"day": "2030-01-02", "used": 1}']
)
def test_counts_that_are_damaged_are_told(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(EnvironmentFault, match="Remove it"):
        Quotas(tmp_path, Day())


def test_counts_that_cannot_be_written_go_on_in_memory(tmp_path):
    told = []
    quotas = Quotas(tmp_path / "state", Day(), told.append)
    (tmp_path / "state").rename(tmp_path / "gone")
    (tmp_path / "state").write_text("a file where the folder was")
    for _ in range(5):
        quotas.use("a", "requests", 1, 10)
    assert quotas.left("a", "requests", 10) == 5 and len(told) == 1


def asked(caller, requests=0, texts=0):
    """The refusal, if there is one."""
    try:
        if requests:
            caller.charge_request()
        if texts:
            caller.charge_texts(texts)
    except Refused as refusal:
        return refusal
    return None


def metered(now=None, **allowance):
    now = now or [0.0]
    meter = Meter(Quotas(clock=Day()), lambda rate: Bucket(rate, lambda: now[0]))
    return Caller("a", allowance=Allowance(**allowance), meter=meter), now


def test_rates_are_429_with_the_seconds_to_wait():
    caller, now = metered(requests_per_minute=2)
    assert [asked(caller, requests=1) for _ in range(2)] == [None, None]
    refusal = asked(caller, requests=1)
    assert (refusal.status, refusal.reason, refusal.retry_after) == (429, "rate", 30)
    now[0] += 30
    assert asked(caller, requests=1) is None


def test_a_request_that_no_minute_allows_is_not_told_to_come_again():
    caller, _ = metered(texts_per_minute=5)
    refusal = asked(caller, texts=6)
    assert (refusal.status, refusal.retry_after) == (
        422,
        None,
    ) and "5 texts a minute" in refusal.said
    assert asked(caller, texts=5) is None


def test_quotas_are_429_until_midnight_and_nothing_is_taken_in_vain():
    caller, _ = metered(texts_per_day=10, texts_per_minute=100)
    assert asked(caller, texts=6) is None
    refusal = asked(caller, texts=6)
    assert (refusal.status, refusal.reason) == (429, "quota") and "4 left" in refusal.said
    assert refusal.retry_after == 12 * 3600 + 1
    assert asked(caller, texts=4) is None


def test_callers_do_not_pay_for_one_another():
    one, _ = metered(requests_per_minute=1, requests_per_day=1)
    other = Caller("b", allowance=one.allowance, meter=one.meter)
    assert asked(one, requests=1) is None and asked(other, requests=1) is None
    assert asked(one, requests=1).status == asked(other, requests=1).status == 429


def test_without_allowance_all_is_allowed():
    caller, _ = metered()
    assert all(asked(caller, requests=1, texts=10_000) is None for _ in range(100))


def test_the_buckets_of_many_callers_are_bounded(monkeypatch):
    monkeypatch.setattr(callers, "KNOWN", 10)
    first, _ = metered(requests_per_minute=1)
    for number in range(100):
        asked(Caller(str(number), allowance=first.allowance, meter=first.meter), requests=1)
    assert len(first.meter._buckets) == 20
