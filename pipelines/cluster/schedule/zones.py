"""Time zones: from the clock that a person means to the one that KFP's scheduler reads.

A recurring run carries no zone: the scheduler (deployment ml-pipeline-scheduledworkflow) reads every
cron line on one clock, that of its environment variable CRON_SCHEDULE_TIMEZONE, UTC as installed.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, available_timezones

from bertworks.errors import EnvironmentFault, SpecError
from pipelines.cluster.schedule.cron import Cron, following, shift

# Two years hold every change of the clocks that is known; a sample each six hours misses none.
LOOK_AHEAD = timedelta(days=2 * 366)
SAMPLE = timedelta(hours=6)


@dataclass(frozen=True)
class Placed:
    """A schedule, as the scheduler's clock has it.

    Attributes:
        wanted: As the person wrote it, on the clock of `zone`.
        actual: What the scheduler is given, on the clock of `scheduler`.
        zone: Name of the person's zone.
        scheduler: Name of the scheduler's zone.
        drifts: When the run first comes at another hour of `zone` than was asked for; None: never.
    """

    wanted: Cron
    actual: Cron
    zone: str
    scheduler: str
    drifts: datetime | None = None

    def next(self, count: int, after: datetime | None = None) -> list[datetime]:
        """The next times at which it will really run, in UTC."""
        start = after or datetime.now(UTC)
        return list(islice(following(self.actual, start, zone_of(self.scheduler)), count))


def zone_of(name: str) -> tzinfo:
    """The zone of an IANA name.

    Raises:
        SpecError: There is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        near = difflib.get_close_matches(name, sorted(available_timezones()), n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else "Use an IANA name such as Europe/Berlin."
        raise SpecError(f"There is no time zone {name!r}.", hint) from None


def place(
    wanted: Cron, zone: str, scheduler: str, now: datetime, *, allow_dst_shift: bool = False
) -> Placed:
    """Writes a schedule of one zone as one of the scheduler's zone.

    Args:
        wanted: The schedule, on the clock of `zone`.
        zone: IANA name.
        scheduler: IANA name of the zone that KFP's scheduler reads.
        now: From when on the clocks are compared.
        allow_dst_shift: Where the two clocks drift apart (daylight saving), keep today's difference,
            so that the run comes an hour early or late for a part of the year.

    Raises:
        SpecError: It cannot be written as one cron line there, or a zone does not exist.
        EnvironmentFault: The clocks drift apart and that was not allowed.
    """
    here, there = zone_of(zone), zone_of(scheduler)
    differences = _differences(here, there, now)
    ways_out = (
        f"let the scheduler read {zone}: kubectl -n kubeflow set env "
        f"deployment/ml-pipeline-scheduledworkflow CRON_SCHEDULE_TIMEZONE={zone}; "
        f"or give the times in {scheduler}: --timezone {scheduler}"
    )
    try:
        shifted = {difference: shift(wanted, difference) for difference in differences}
    except SpecError as error:
        raise SpecError(error.message, f"Either {ways_out}.") from None
    actual = shifted[differences[0]]
    if len(set(shifted.values())) == 1:
        return Placed(wanted, actual, zone, scheduler)
    changes = _first_change(wanted, actual, here, there, now)
    if not allow_dst_shift and changes is not None:
        raise EnvironmentFault(
            f"KFP's scheduler on this cluster reads {scheduler}, and a recurring run cannot name a "
            f"zone of its own: {wanted.five()!r} would be at another hour of {zone} from "
            f"{changes.astimezone(here):%d %b %Y} on, when its clocks change.",
            f"Either {ways_out}; or accept the other hour for a part of the year: "
            "--allow-dst-shift.",
        )
    return Placed(wanted, actual, zone, scheduler, changes)


def _differences(here: tzinfo, there: tzinfo, now: datetime) -> list[int]:
    """Minutes from the clock of `here` to that of `there`: today's, then others of two years."""
    samples = (now + number * SAMPLE for number in range(int(LOOK_AHEAD / SAMPLE)))
    clocks = (
        [one.astimezone(zone).replace(tzinfo=None) for zone in (here, there)] for one in samples
    )
    return list(dict.fromkeys(int((b - a).total_seconds() // 60) for a, b in clocks))


def _first_change(
    wanted: Cron, actual: Cron, here: tzinfo, there: tzinfo, now: datetime
) -> datetime | None:
    """The first run whose hour on the clock of `here` is not one that was asked for."""
    coming = takewhile(lambda one: one <= now + LOOK_AHEAD, following(actual, now, there))
    return next((one for one in coming if not wanted.at(one.astimezone(here))), None)
