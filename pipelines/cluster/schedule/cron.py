"""Cron: the five fields that people write, the six that Kubeflow Pipelines wants.

KFP's scheduler parses with the Go library robfig/cron 1.2: seconds come first, Sunday is 0 and never 7,
ranges do not wrap around, and a prefix such as `CRON_TZ=` is refused. Where crontab(5) and that library
disagree, what is written here is translated into a form that both read alike, or refused. `cronsim`
counts the times; it has neither that form nor reasons for what it refuses, so that the fields are read
here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import groupby

from bertworks.errors import SpecError

WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
EXAMPLE = 'Write five fields: minute hour day-of-month month day-of-week, e.g. "0 3 * * 1".'


@dataclass(frozen=True)
class Field:
    """What one field may hold; the names stand for its values in their order."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def all(self) -> frozenset[int]:
        """Every value there is."""
        return frozenset(range(self.low, self.high + 1))


MINUTE, HOUR, DAY = Field("minute", 0, 59), Field("hour", 0, 23), Field("day of month", 1, 31)
MONTH = Field("month", 1, 12, MONTHS)
# Read with 7 as another Sunday, kept without it.
WEEKDAY = Field("day of week", 0, 6, WEEKDAYS)
FIELDS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)


@dataclass(frozen=True)
class Cron:
    """A schedule, as sets of values.

    As in crontab(5): where day of month and day of week are both restricted, EITHER makes a match.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @property
    def either_day(self) -> bool:
        """Both kinds of day are restricted, so that either makes a match."""
        return self.days != DAY.all and self.weekdays != WEEKDAY.all

    def five(self) -> str:
        """The five fields, in their shortest common form."""
        values = (self.minutes, self.hours, self.days, self.months, self.weekdays)
        return " ".join(map(_written, values, FIELDS))

    def six(self) -> str:
        """KFP's six fields: at second 0 of each minute of `five`."""
        return f"0 {self.five()}"

    def on(self, day: date) -> bool:
        """Whether it runs on that day."""
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        fits = by_day or by_weekday if self.either_day else by_day and by_weekday
        return fits and day.month in self.months

    def at(self, moment: datetime) -> bool:
        """Whether it runs when a clock shows that."""
        return (
            moment.minute in self.minutes and moment.hour in self.hours and self.on(moment.date())
        )


def parse(text: str) -> Cron:
    """Reads a five-field cron expression, or a word such as @daily.

    Raises:
        SpecError: It is not one, means different things to different schedulers, or never runs.
    """
    from cronsim import CronSim, CronSimError

    line = WORDS.get(text.strip(), text)
    parts = line.split()
    if line.strip().startswith("@"):
        raise SpecError(
            f"Unknown cron word {text.strip()!r}.", f"Use {', '.join(sorted(WORDS))}. {EXAMPLE}"
        )
    if "=" in line:
        raise SpecError(
            f"KFP's scheduler takes no time zone inside a cron expression. Received: {text!r}",
            "Give the zone beside it: --timezone or schedule.timezone.",
        )
    if len(parts) == 6 and parts[0] == "0":
        raise SpecError(
            f"{text!r} has six fields, as KFP writes them; the seconds are put in for you: "
            "leave the first 0 out.",
            EXAMPLE,
        )
    if len(parts) != 5:
        message = f"A cron expression has five fields. Received {len(parts)}: {text!r}"
        raise SpecError(message, EXAMPLE)
    minutes, hours, days, months, weekdays = (
        frozenset().union(*(_values(one, field, text) for one in part.split(",")))
        for part, field in zip(parts, FIELDS, strict=True)
    )
    starred = parts[2][0] in "*?" or parts[4][0] in "*?"
    restricted = days != DAY.all, weekdays != WEEKDAY.all
    if all(restricted) and starred:
        raise SpecError(
            f"{text!r} restricts both day of month and day of week, one of them by a step over `*`: "
            "schedulers disagree whether both must match or one is enough.",
            "Leave one of the two fields `*`, or write the days as a list, e.g. 1,3,5: then either "
            "is enough.",
        )
    if not all(restricted) and not starred:
        # Both were written out and one of them names every day: either matches, so each day does.
        days, weekdays = DAY.all, WEEKDAY.all
    cron = Cron(minutes, hours, days, months, weekdays)
    try:
        CronSim(cron.five(), datetime(2024, 1, 1))
    except CronSimError:
        raise SpecError(
            f"{text!r} never runs: no such day exists.", "Check day and month."
        ) from None
    return cron


def from_six(text: str) -> Cron | None:
    """Reads KFP's six fields back; None where they cannot be written with five."""
    seconds, _, five = text.partition(" ")
    try:
        return parse(five) if seconds == "0" else None
    except SpecError:
        return None


def following(cron: Cron, after: datetime, zone: tzinfo) -> Iterator[datetime]:
    """The times after `after`, in UTC, when the clock of `zone` shows one of the schedule's.

    As KFP's scheduler does: a time that the clock skips in spring is left out, one that it shows twice
    in autumn runs twice.
    """
    from cronsim import CronSim

    now = after.astimezone(UTC)
    # A day earlier, because a clock that is put back shows times again.
    shown = CronSim(cron.five(), now.astimezone(zone).replace(tzinfo=None) - timedelta(days=1))
    for _, times in groupby(shown, key=datetime.date):
        yield from sorted({one for time in times for one in _moments(time, zone) if one > now})


def _moments(time: datetime, zone: tzinfo) -> Iterator[datetime]:
    """The moments, in UTC, when a clock shows a time: none, one or two."""
    for fold in (0, 1):
        moment = time.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        # A time that the clock skips comes back as another one.
        if moment.astimezone(zone).replace(tzinfo=None, fold=0) == time:
            yield moment


def shift(cron: Cron, minutes: int) -> Cron:
    """The same schedule on a clock that is `minutes` ahead.

    Raises:
        SpecError: It cannot be written as one cron line.
    """
    moved = [divmod(60 * hour + minute + minutes, 1440) for hour in cron.hours
             for minute in cron.minutes]  # fmt: skip
    carries, times = {day for day, _ in moved}, {divmod(rest, 60) for _, rest in moved}
    hours, minutes_ = (frozenset(values) for values in zip(*times, strict=True))
    every_date = cron.days == DAY.all and cron.months == MONTH.all
    every_day = every_date and cron.weekdays == WEEKDAY.all
    carry = 0 if every_day else min(carries)
    if len(carries) > 1 and not every_day:
        why = "some of its runs fall on the day before or after"
    elif len(times) != len(hours) * len(minutes_):
        why = "its minutes differ from hour to hour there"
    elif carry and not every_date:
        why = "its days of the month fall on the day before or after"
    else:
        weekdays = frozenset((day + carry) % 7 for day in cron.weekdays)
        return replace(cron, hours=hours, minutes=minutes_, weekdays=weekdays)
    raise SpecError(
        f"{cron.five()!r} cannot be written as one cron line in the scheduler's zone: {why}.",
        "Give the times in the scheduler's zone, and name that with --timezone or schedule.timezone.",
    )


def _values(part: str, field: Field, whole: str) -> frozenset[int]:
    """What a number, a name, a range or a step stands for."""
    span, slash, step = part.partition("/")
    ends = ["*"] if span == "?" and field in (DAY, WEEKDAY) else span.split("-")
    high = 7 if field is WEEKDAY else field.high
    numbers = [_number(end, field) for end in ends] if ends != ["*"] else [field.low, field.high]
    if field is WEEKDAY and numbers[-1] == 0 < numbers[0]:
        numbers[-1] = high
    why, fix = "", EXAMPLE
    if slash and not re.fullmatch("0*[1-9][0-9]*", step):
        why, fix = "a step is a whole number from 1.", "Write for example */15."
    elif slash and int(step) > field.high - field.low:
        why = f"a step of {step} is longer than the field ({field.low} to {field.high})."
        fix = f"Write {field.low} for once, or a smaller step."
    elif span == "?" and ends == ["?"]:
        why = "`?` stands only for a day."
    elif -1 in numbers or len(numbers) > 2:
        special = re.fullmatch("[0-9]*[LW]+|.*#.*", part, re.IGNORECASE)
        why = "L, W and # are not known to KFP's scheduler." if special else "not a value."
        why = "a number is missing." if "" in ends else why
        known = f" or {field.names[0]} to {field.names[-1]}" if field.names else ""
        fix = f"Use {field.low} to {field.high}{known}."
    elif slash and ends != ["*"] and len(ends) == 1:
        why = "schedulers disagree about a step after a single number."
        fix = f"Write the range: {numbers[0]}-{field.high}/{step}."
    elif not all(number in range(field.low, high + 1) for number in numbers):
        why = f"must be {field.low} to {high}."
    elif numbers[0] > numbers[-1]:
        why = "a range runs upwards."
        fix = f"Write two: {_span(numbers[0], field.high)},{_span(field.low, numbers[-1])}."
    if why:
        raise SpecError(f"{field.name} of {whole!r}: {why} Received: {part!r}", fix)
    values = range(numbers[0], numbers[-1] + 1, int(step or 1))
    return frozenset(value % 7 if field is WEEKDAY else value for value in values)


def _number(text: str, field: Field) -> int:
    """A number or a name; -1 where it is neither."""
    if text.lower() in field.names:
        return field.low + field.names.index(text.lower())
    return int(text) if re.fullmatch("[0-9]+", text) else -1


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"


def _written(values: frozenset[int], field: Field) -> str:
    """A field's shortest common form: `*`, a list of numbers and ranges, or a range with a step."""
    if values == field.all:
        return "*"
    ordered = sorted(values)
    step = ordered[1] - ordered[0] if len(ordered) > 2 else 1
    if step > 1 and ordered == list(range(ordered[0], ordered[-1] + 1, step)):
        # Not `*/n`: the star would change how the two kinds of day are combined.
        full = ordered[0] == field.low and ordered[-1] + step > field.high
        star = full and field not in (DAY, WEEKDAY)
        return f"*/{step}" if star else f"{ordered[0]}-{ordered[-1]}/{step}"
    # Neighbours have one distance from their place in the list.
    numbered = groupby(enumerate(ordered), lambda one: one[1] - one[0])
    runs = [[value for _, value in run] for _, run in numbered]
    return ",".join(
        _span(run[0], run[-1]) if len(run) != 2 else f"{run[0]},{run[1]}" for run in runs
    )
