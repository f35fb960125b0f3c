"""Cron: the five fields that people write, the six that Kubeflow Pipelines wants.

KFP's scheduler parses with the Go library robfig/cron 1.2: seconds come first, Sunday is 0 and never 7,
ranges do not wrap around, and a prefix such as `CRON_TZ=` is refused. Where crontab(5) and that library
disagree, what is written here is translated into a form that both read alike, or refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from bertworks.errors import SpecError

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
EXAMPLE = 'Write five fields: minute hour day-of-month month day-of-week, e.g. "0 3 * * 1".'
IN_ITS_ZONE = (
    "Give the times in the scheduler's zone, and name that with --timezone or schedule.timezone."
)
# 29 February comes back after at most eight years (over 2100).
HORIZON_DAYS = 8 * 366 + 31


@dataclass(frozen=True)
class Field:
    """What one field may hold."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    first_name: int = 0

    @property
    def all(self) -> frozenset[int]:
        """Every value there is."""
        return frozenset(range(self.low, self.high + 1))


MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY = Field("day of month", 1, 31)
MONTH = Field("month", 1, 12, MONTHS, 1)
# Read with 7 as another Sunday, kept without it.
WEEKDAY = Field("day of week", 0, 6, WEEKDAYS)


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
    def any_day(self) -> bool:
        """The day of month is not restricted."""
        return self.days == DAY.all

    @property
    def any_weekday(self) -> bool:
        """The day of week is not restricted."""
        return self.weekdays == WEEKDAY.all

    @property
    def either_day(self) -> bool:
        """Both kinds of day are restricted, so that either makes a match."""
        return not self.any_day and not self.any_weekday

    def five(self) -> str:
        """The five fields, in their shortest common form."""
        return " ".join(
            _written(values, field)
            for values, field in (
                (self.minutes, MINUTE),
                (self.hours, HOUR),
                (self.days, DAY),
                (self.months, MONTH),
                (self.weekdays, WEEKDAY),
            )
        )

    def six(self) -> str:
        """KFP's six fields: at second 0 of each minute of `five`."""
        return f"0 {self.five()}"

    def on(self, day: date) -> bool:
        """Whether it runs on that day."""
        if day.month not in self.months:
            return False
        by_day = day.day in self.days
        by_weekday = day.isoweekday() % 7 in self.weekdays
        return by_day or by_weekday if self.either_day else by_day and by_weekday


def parse(text: str) -> Cron:
    """Reads a five-field cron expression, or a word such as @daily.

    Raises:
        SpecError: It is not one, means different things to different schedulers, or never runs.
    """
    line = text.strip()
    if line.startswith("@"):
        if line not in WORDS:
            raise SpecError(
                f"Unknown cron word {line!r}.", f"Use {', '.join(sorted(WORDS))}. {EXAMPLE}"
            )
        line = WORDS[line]
    if "=" in line:
        raise SpecError(
            f"KFP's scheduler takes no time zone inside a cron expression. Received: {text!r}",
            "Give the zone beside it: --timezone or schedule.timezone.",
        )
    parts = line.split()
    if len(parts) != 5:
        raise SpecError(_wrong_count(text, parts), EXAMPLE)
    minute, hour, day, month, weekday = parts
    days, weekdays = _values(day, DAY, text), _values(weekday, WEEKDAY, text)
    day_star, weekday_star = day[0] in "*?", weekday[0] in "*?"
    restricted = days != DAY.all, weekdays != WEEKDAY.all
    if all(restricted) and (day_star or weekday_star):
        raise SpecError(
            f"{text!r} restricts both day of month and day of week, one of them by a step over `*`: "
            "schedulers disagree whether both must match or one is enough.",
            "Leave one of the two fields `*`, or write the days as a list, e.g. 1,3,5: then either "
            "is enough.",
        )
    if not all(restricted) and any(restricted) and not (day_star or weekday_star):
        # Both were written out and one of them names every day: either matches, so each day does.
        days, weekdays = DAY.all, WEEKDAY.all
    cron = Cron(
        minutes=_values(minute, MINUTE, text),
        hours=_values(hour, HOUR, text),
        days=days,
        months=_values(month, MONTH, text),
        weekdays=weekdays,
    )
    # Eight years from a leap year hold every day that there is.
    if not any(cron.on(date(2024, 1, 1) + timedelta(days=day)) for day in range(HORIZON_DAYS)):
        raise SpecError(f"{text!r} never runs: no such day exists.", "Check day and month.")
    return cron


def from_six(text: str) -> Cron | None:
    """Reads KFP's six fields back; None where they cannot be written with five."""
    parts = text.split()
    if len(parts) != 6 or parts[0] != "0":
        return None
    try:
        return parse(" ".join(parts[1:]))
    except SpecError:
        return None


def following(cron: Cron, after: datetime, zone: tzinfo) -> Iterator[datetime]:
    """The times after `after`, in UTC, when the clock of `zone` shows one of the schedule's.

    As KFP's scheduler does: a time that the clock skips in spring is left out, one that it shows twice
    in autumn runs twice. Ends where a time is more than eight years off.
    """
    now = after.astimezone(UTC)
    # A day earlier, because zones reach from UTC-12 to UTC+14.
    first = now.astimezone(zone).date() - timedelta(days=1)
    quiet = 0
    day = first
    while quiet < HORIZON_DAYS:
        found = False
        if cron.on(day):
            for moment in sorted(_moments(cron, day, zone)):
                if moment > now:
                    found = True
                    yield moment
        quiet = 0 if found else quiet + 1
        day += timedelta(days=1)


def shift(cron: Cron, minutes: int) -> Cron:
    """The same schedule on a clock that is `minutes` ahead.

    Raises:
        SpecError: It cannot be written as one cron line.
    """
    moved: dict[int, set[tuple[int, int]]] = {}
    for hour in cron.hours:
        for minute in cron.minutes:
            days, rest = divmod(hour * 60 + minute + minutes, 24 * 60)
            moved.setdefault(days, set()).add(divmod(rest, 60))
    every_day = cron.any_day and cron.any_weekday and cron.months == MONTH.all
    if len(moved) > 1 and not every_day:
        raise SpecError(
            _inexpressible(cron, "some of its runs fall on the day before or after"), IN_ITS_ZONE
        )
    times = set().union(*moved.values())
    hours = frozenset(hour for hour, _ in times)
    minutes_ = frozenset(minute for _, minute in times)
    if len(times) != len(hours) * len(minutes_):
        raise SpecError(
            _inexpressible(cron, "its minutes differ from hour to hour there"), IN_ITS_ZONE
        )
    carry = 0 if every_day else next(iter(moved))
    if carry and not (cron.any_day and cron.months == MONTH.all):
        raise SpecError(
            _inexpressible(cron, "its days of the month fall on the day before or after"),
            IN_ITS_ZONE,
        )
    return replace(
        cron,
        hours=hours,
        minutes=minutes_,
        weekdays=frozenset((day + carry) % 7 for day in cron.weekdays),
    )


def _inexpressible(cron: Cron, why: str) -> str:
    return f"{cron.five()!r} cannot be written as one cron line in the scheduler's zone: {why}."


def _moments(cron: Cron, day: date, zone: tzinfo) -> set[datetime]:
    """The instants of one day of the zone's calendar, in UTC."""
    found = set()
    for hour in cron.hours:
        for minute in cron.minutes:
            for fold in (0, 1):
                local = datetime.combine(day, time(hour, minute, fold=fold), zone)
                moment = local.astimezone(UTC)
                # A time that the clock skips comes back as another one.
                if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
                    found.add(moment)
    return found


def _values(text: str, field: Field, whole: str) -> frozenset[int]:
    """The values of one field: a list of numbers, names, ranges and steps."""
    found: set[int] = set()
    for part in text.split(","):
        found |= _part(part, field, whole)
    return frozenset(found)


def _part(part: str, field: Field, whole: str) -> set[int]:
    def wrong(why: str, fix: str = EXAMPLE) -> SpecError:
        return SpecError(f"{field.name} of {whole!r}: {why} Received: {part!r}", fix)

    span, slash, step_text = part.partition("/")
    step = 1
    if slash:
        if not step_text.isdecimal() or int(step_text) == 0:
            raise wrong("a step is a whole number from 1.", "Write for example */15.")
        step = int(step_text)
        if step > field.high - field.low:
            raise wrong(
                f"a step of {step} is longer than the field ({field.low} to {field.high}).",
                f"Write {field.low} for once, or a smaller step.",
            )
    if span in ("*", "?"):
        if span == "?" and field not in (DAY, WEEKDAY):
            raise wrong("`?` stands only for a day.")
        return set(range(field.low, field.high + 1, step))
    first, dash, last = span.partition("-")
    low = _number(first, field, wrong)
    high = _number(last, field, wrong) if dash else low
    if slash and not dash:
        raise wrong(
            "schedulers disagree about a step after a single number.",
            f"Write the range: {low}-{field.high}/{step}.",
        )
    if dash and field is WEEKDAY and high < low and last.lower() in ("sun", "0", "7"):
        high = 7
    if low > high:
        raise wrong(
            "a range runs upwards.",
            f"Write two: {_span(low, field.high)},{_span(field.low, high)}.",
        )
    values = set(range(low, high + 1, step))
    return {value % 7 for value in values} if field is WEEKDAY else values


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"


def _number(text: str, field: Field, wrong: Callable[..., SpecError]) -> int:
    if text.lower() in field.names:
        return field.names.index(text.lower()) + field.first_name
    # Sunday is 0 and 7 in crontab(5); KFP knows 0 alone.
    high = 7 if field is WEEKDAY else field.high
    if not (text.isascii() and text.isdecimal()):
        special = "L, W and # are not known to KFP's scheduler." if text else "a number is missing."
        known = f" or {field.names[0]} to {field.names[-1]}" if field.names else ""
        raise wrong(
            special if not text or any(mark in text.upper() for mark in "LW#") else "not a value.",
            f"Use {field.low} to {high}{known}.",
        )
    if not field.low <= int(text) <= high:
        raise wrong(f"must be {field.low} to {high}.")
    return int(text)


def _wrong_count(text: str, parts: Sequence[str]) -> str:
    if len(parts) == 6 and parts[0] == "0":
        return (
            f"{text!r} has six fields, as KFP writes them; the seconds are put in for you: "
            f"leave the first 0 out."
        )
    return f"A cron expression has five fields. Received {len(parts)}: {text!r}"


def _written(values: frozenset[int], field: Field) -> str:
    """A field's shortest common form: `*`, a list of numbers and ranges, or a range with a step."""
    if values == field.all:
        return "*"
    ordered = sorted(values)
    if len(ordered) > 2:
        step = ordered[1] - ordered[0]
        if step > 1 and ordered == list(range(ordered[0], ordered[-1] + 1, step)):
            # Not `*/n`: the star would change how the two kinds of day are combined.
            full = ordered[0] == field.low and ordered[-1] + step > field.high
            star = full and field not in (DAY, WEEKDAY)
            return f"*/{step}" if star else f"{ordered[0]}-{ordered[-1]}/{step}"
    runs: list[list[int]] = []
    for value in ordered:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ",".join(
        f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs
    )
