"""Five-field cron, KFP's six fields, and time zones.

Two judges that share no code with the module: a reader of crontab(5) that looks at each minute, and a
reader of six fields that does what robfig/cron 1.2 (KFP's scheduler) does.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bertworks.errors import EnvironmentFault, SpecError
from pipelines.cluster.schedule.cron import following, from_six, parse, shift
from pipelines.cluster.schedule.zones import place, zone_of

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


# ---- judge 1: crontab(5) --------------------------------------------------------------------------


def crontab_says(line: str, wall: datetime) -> bool:
    """Whether crontab(5) runs a line in the minute that a clock shows."""
    minute, hour, day, month, weekday = line.split()
    if not (
        _has(minute, wall.minute, 0, 59)
        and _has(hour, wall.hour, 0, 23)
        and _has(month, wall.month, 1, 12, MONTHS, 1)
    ):
        return False
    by_day = _has(day, wall.day, 1, 31)
    dow = wall.isoweekday()
    by_weekday = any(
        _has(weekday, value, 0, 7, DAYS, 0) for value in ({dow, 0} if dow == 7 else {dow})
    )
    if day.startswith("*") or weekday.startswith("*"):
        return by_day and by_weekday
    return by_day or by_weekday


def _has(
    field: str, value: int, low: int, high: int, names: list[str] | None = None, base: int = 0
) -> bool:
    def number(text: str) -> int:
        return names.index(text.lower()) + base if names and text.isalpha() else int(text)

    for part in field.split(","):
        span, _, step = part.partition("/")
        first, last = (
            (low, high)
            if span == "*"
            else (number(span.split("-")[0]), number(span.split("-")[-1]))
        )
        if first <= value <= last and (value - first) % int(step or 1) == 0:
            return True
    return False


def crontab_times(line: str, after: datetime, zone: ZoneInfo, minutes: int) -> list[datetime]:
    """Minute by minute, with no shortcut."""
    moment = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    found = []
    for _ in range(minutes):
        if crontab_says(line, moment.astimezone(zone)):
            found.append(moment)
        moment += timedelta(minutes=1)
    return found


# ---- judge 2: robfig/cron 1.2 ---------------------------------------------------------------------

BOUNDS = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]


def robfig_parse(text: str) -> list[tuple[set[int], bool]]:
    """(values, star?) of six fields; ValueError where the Go library refuses."""
    fields = text.split()
    if len(fields) != 6:
        raise ValueError("Expected 6 fields")
    parsed = []
    for index, (field, (low, high)) in enumerate(zip(fields, BOUNDS, strict=True)):
        names = {4: {n: i + 1 for i, n in enumerate(MONTHS)}, 5: {n: i for i, n in enumerate(DAYS)}}
        values: set[int] = set()
        star = False
        for expression in field.split(","):
            range_and_step = expression.split("/")
            ends = range_and_step[0].split("-")
            single = len(ends) == 1
            if ends[0] in ("*", "?"):
                start, end, star = low, high, True
            else:
                known = names.get(index, {})
                numbers = [known.get(e.lower(), None) for e in ends]
                numbers = [int(e) if n is None else n for e, n in zip(ends, numbers, strict=True)]
                start, end = numbers[0], numbers[-1]
            step = 1
            if len(range_and_step) == 2:
                step = int(range_and_step[1])
                if single:
                    end = high
            if start < low or end > high or start > end or step < 1:
                raise ValueError(expression)
            values |= set(range(start, end + 1, step))
        parsed.append((values, star))
    return parsed


def robfig_runs(parsed: list[tuple[set[int], bool]], wall: datetime) -> bool:
    (second, _), (minute, _), (hour, _), (dom, dom_star), (month, _), (dow, dow_star) = parsed
    if wall.second not in second or wall.minute not in minute or wall.hour not in hour:
        return False
    if wall.month not in month:
        return False
    by_day, by_weekday = wall.day in dom, wall.isoweekday() % 7 in dow
    return by_day and by_weekday if dom_star or dow_star else by_day or by_weekday


# ---- what people write ----------------------------------------------------------------------------


def lists(
    low: int, high: int, names: list[str] | None = None, base: int = 0
) -> st.SearchStrategy[str]:
    value = st.integers(low, high)
    word = value.map(str) if not names else st.one_of(
        value.map(str),
        st.integers(0, len(names) - 1).flatmap(
            lambda i: st.sampled_from([names[i], names[i].upper(), names[i].title()])
        ),
    )  # fmt: skip
    span = st.tuples(value, value).map(lambda ends: f"{min(ends)}-{max(ends)}")
    steps = st.integers(1, min(high - low, 6 if high == 7 else 59))
    stepped = st.tuples(span, steps.map(str)).map("/".join)
    return st.lists(st.one_of(word, span, stepped), min_size=1, max_size=3).map(",".join)


def field(
    low: int, high: int, names: list[str] | None = None, base: int = 0
) -> st.SearchStrategy[str]:
    every = st.integers(1, 6 if high == 7 else high - low).map(lambda step: f"*/{step}")
    return st.one_of(st.just("*"), st.just("*"), every, lists(low, high, names, base))


LINES = st.tuples(
    field(0, 59), field(0, 23), field(1, 31), field(1, 12, MONTHS, 1), field(0, 7, DAYS)
).map(" ".join)


@given(LINES, st.integers(0, 3 * 366))
@settings(max_examples=150, deadline=None)
def test_runs_when_crontab_would_and_kfp_reads_it_alike(line: str, days: int) -> None:
    try:
        cron = parse(line)
    except SpecError as error:
        assert "disagree" in error.message or "never runs" in error.message, error
        return
    parsed = robfig_parse(cron.six())
    generator = random.Random(line)
    for _ in range(120):
        moment = NOW + timedelta(days=days, minutes=generator.randrange(2 * 366 * 1440))
        moment = moment.replace(second=0)
        wanted = crontab_says(line, moment)
        runs = (
            cron.on(moment.date()) and moment.hour in cron.hours and moment.minute in cron.minutes
        )
        assert runs == wanted, (line, moment)
        assert robfig_runs(parsed, moment) == wanted, (line, cron.six(), moment)
        assert not robfig_runs(parsed, moment.replace(second=7))


@given(LINES)
@settings(max_examples=200, deadline=None)
def test_writing_and_reading_again_changes_nothing(line: str) -> None:
    try:
        cron = parse(line)
    except SpecError:
        assume(False)
    assert parse(cron.five()) == cron
    assert from_six(cron.six()) == cron


@given(LINES, st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]))
@settings(max_examples=20, deadline=None)
def test_next_times_are_those_that_a_look_at_each_minute_finds(line: str, name: str) -> None:
    try:
        cron = parse(line)
    except SpecError:
        assume(False)
    # Over the end of summer time, where Berlin and New York show an hour twice.
    after = datetime(2026, 10, 24, 20, 17, 30, tzinfo=UTC)
    zone = ZoneInfo(name)
    slow = crontab_times(line, after, zone, 3 * 1440)
    assert list(islice(following(cron, after, zone), len(slow))) == slow


def test_a_skipped_time_is_left_out_and_a_doubled_one_comes_twice() -> None:
    zone = ZoneInfo("Europe/Berlin")
    spring = list(
        islice(following(parse("30 2 * * *"), datetime(2027, 3, 27, tzinfo=UTC), zone), 2)
    )
    assert [moment.astimezone(zone).day for moment in spring] == [27, 29]
    autumn = list(
        islice(following(parse("30 2 * * *"), datetime(2027, 10, 30, 12, tzinfo=UTC), zone), 2)
    )
    assert autumn[1] - autumn[0] == timedelta(hours=1)


@pytest.mark.parametrize(
    ("line", "six"),
    [
        ("0 3 * * 1", "0 0 3 * * 1"),
        ("*/15 * * * *", "0 */15 * * * *"),
        ("0 3 * * 7", "0 0 3 * * 0"),
        ("0 3 * * SUN", "0 0 3 * * 0"),
        ("0 3 * * fri-sun", "0 0 3 * * 0,5,6"),
        ("0 3 * JAN-MAR Mon", "0 0 3 * 1-3 1"),
        ("0 0 */2 * *", "0 0 0 1-31/2 * *"),
        ("0 9 1-31 * 1", "0 0 9 * * *"),  # crontab(5): either fits, and each day is one of 1-31
        ("5,10,15,20 0 ? * 1-5", "0 5-20/5 0 * * 1-5"),
        ("  0   3 * * *  ", "0 0 3 * * *"),
        ("@weekly", "0 0 0 * * 0"),
        ("0 0 29 2 *", "0 0 0 29 2 *"),
    ],
)
def test_six_fields(line: str, six: str) -> None:
    assert parse(line).six() == six


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "five fields"),
        ("* * * *", "Received 4"),
        ("0 0 3 * * 1", "six fields"),
        ("0 0 3 * * 1 2026", "Received 7"),
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of month"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "day of week"),
        ("* * * * MONDAY", "not a value"),
        ("-1 * * * *", "a number is missing"),
        ("1- * * * *", "a number is missing"),
        ("1,,2 * * * *", "a number is missing"),
        ("1-2-3 * * * *", "not a value"),
        ("*/0 * * * *", "step"),
        ("*/x * * * *", "step"),
        ("*/60 * * * *", "longer than the field"),
        ("5/15 * * * *", "after a single number"),
        ("0 22-2 * * *", "upwards"),
        ("0 3 * * sat-mon", "upwards"),
        ("0 3 L * *", "L, W and #"),
        ("0 3 15W * *", "L, W and #"),
        ("0 3 * * 1#2", "L, W and #"),
        ("? 3 * * *", "only for a day"),
        ("H 3 * * *", "not a value"),
        ("0 3 */2 * 1", "disagree"),
        ("0 0 31 2 *", "never runs"),
        ("0 0 31 4,6,9,11 *", "never runs"),
        ("TZ=Europe/Berlin 0 3 * * *", "--timezone"),
        ("CRON_TZ=UTC 0 3 * * *", "--timezone"),
        ("@every 1h", "Unknown"),
        ("@reboot", "Unknown"),
        ("٣ 3 * * *", "not a value"),
    ],
)
def test_what_cannot_be_meant_is_refused(line: str, why: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(line)
    assert why in str(caught.value)
    assert caught.value.fix


@given(LINES, st.sampled_from([-720, -330, -60, 0, 60, 330, 345, 840]))
@settings(max_examples=100, deadline=None)
def test_a_shifted_schedule_runs_at_the_same_instants(line: str, minutes: int) -> None:
    try:
        cron = parse(line)
        moved = shift(cron, minutes)
    except SpecError:
        assume(False)
    parsed = robfig_parse(moved.six())
    generator = random.Random(line)
    for _ in range(100):
        moment = NOW.replace(minute=0) + timedelta(minutes=generator.randrange(366 * 1440))
        assert robfig_runs(parsed, moment + timedelta(minutes=minutes)) == crontab_says(
            line, moment
        )


@pytest.mark.parametrize(
    ("line", "zone", "six"),
    [
        ("0 9 * * 1-5", "Asia/Tokyo", "0 0 0 * * 1-5"),
        ("0 3 * * 1", "Asia/Tokyo", "0 0 18 * * 0"),
        ("30 20 * * *", "Asia/Kolkata", "0 0 15 * * *"),
        (
            "0 * * * *",
            "Europe/Berlin",
            "0 0 * * * *",
        ),  # each hour: the change of clocks is not seen
        ("0 12 1 * *", "Asia/Tokyo", "0 0 3 1 * *"),
    ],
)
def test_zones_without_drift_are_converted(line: str, zone: str, six: str) -> None:
    placed = place(parse(line), zone, "UTC", NOW)
    assert (placed.actual.six(), placed.drifts) == (six, None)
    for moment in placed.next(5, NOW):
        assert crontab_says(line, moment.astimezone(ZoneInfo(zone)))


def test_a_zone_with_summer_time_is_never_silently_an_hour_off() -> None:
    cron = parse("0 3 * * 1")
    with pytest.raises(EnvironmentFault) as caught:
        place(cron, "Europe/Berlin", "UTC", NOW)
    assert "29 Mar 2027" in caught.value.message
    assert "CRON_SCHEDULE_TIMEZONE=Europe/Berlin" in caught.value.fix
    allowed = place(cron, "Europe/Berlin", "UTC", NOW, allow_dst_shift=True)
    assert allowed.actual.six() == "0 0 2 * * 1"
    assert allowed.drifts == datetime(2027, 3, 29, 2, 0, tzinfo=UTC)
    same = place(cron, "Europe/Berlin", "Europe/Berlin", NOW)
    assert (same.actual.six(), same.drifts) == ("0 0 3 * * 1", None)
    assert same.next(1, datetime(2027, 7, 1, tzinfo=UTC)) == [datetime(2027, 7, 5, 1, tzinfo=UTC)]
    # Other names, the same rules.
    assert place(cron, "Europe/Berlin", "Europe/Paris", NOW).actual == cron


def test_days_of_the_month_that_would_move_are_refused() -> None:
    with pytest.raises(SpecError, match="one cron line"):
        place(parse("0 3 1 * *"), "Asia/Tokyo", "UTC", NOW)


def test_an_unknown_zone_is_named_with_the_nearest() -> None:
    with pytest.raises(SpecError) as caught:
        zone_of("Europe/Berln")
    assert "Europe/Berlin" in caught.value.fix
    for odd in ("", "../etc/passwd", "/etc/passwd", "a\x00b"):
        with pytest.raises(SpecError):
            zone_of(odd)


def endless(line: str) -> Iterator[datetime]:
    return following(parse(line), NOW, UTC)


def test_rare_days_are_found_and_dense_ones_are_quick() -> None:
    leap = list(islice(endless("0 0 29 2 *"), 3))
    assert [moment.year for moment in leap] == [2028, 2032, 2036]
    assert len(list(islice(endless("* * * * *"), 5000))) == 5000
