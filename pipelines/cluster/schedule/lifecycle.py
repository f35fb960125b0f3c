"""Schedules: `bertworks schedule`.

A schedule is one recurring run of KFP. To change one, another must take its place (KFP cannot update
it), so that at each time of the schedule exactly one of the two starts a run:

1. Wait until the scheduler is quiet: no time of the old or the new one is about to come, or has come
   so lately that the old one may still be starting its run.
2. Make the new one, switched off.
3. Switch the old one off.   } nobody can interrupt between these two but by force
4. Switch the new one on.    } (kill -9, a lost network)
5. Delete the old one; the runs that it started go on.

Killed anywhere, the next `schedule` finds what is left and finishes: old on, new off (after 2) is begun
anew; all off (after 3) gets a new one that is on; old off, new on (after 4) is cleaned up. A recurring
run that was switched off is never switched on again after one of its times has passed: KFP would start
the missed run at once, also with no_catchup.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal

from bertworks.errors import BertworksError
from pipelines.cluster.kfp.connection import Connection
from pipelines.cluster.schedule import recurring
from pipelines.cluster.schedule.cron import following, from_six
from pipelines.cluster.schedule.recurring import Recurring, Setting
from pipelines.cluster.schedule.zones import zone_of
from pipelines.dag import pipeline_name

# KFP's scheduler looks at each recurring run at least twice a minute.
SETTLE = timedelta(seconds=60)
AHEAD = timedelta(seconds=20)
LONGEST_WAIT = timedelta(seconds=150)
Say = Callable[[str], None]
Change = Literal["created", "updated", "unchanged", "cleaned up", "paused", "resumed", "deleted"]


@dataclass(frozen=True)
class Outcome:
    """What was done.

    Attributes:
        name: The schedule's.
        active: Whether the schedule runs now.
        missed: The times at which nothing was scheduled, because an earlier change was cut off.
    """

    name: str
    change: Change
    recurring_run_id: str
    active: bool
    missed: tuple[datetime, ...] = ()


def apply(connection: Connection, name: str, wanted: Setting, say: Say) -> Outcome:
    """Makes a schedule what it is to be: created, replaced, or left alone.

    A paused schedule is brought up to date and stays paused.

    Args:
        connection: From `connect()`.
        name: The schedule's name.
        wanted: What it is to be.
        say: Takes lines on what takes time.

    Raises:
        EnvironmentFault: KFP refused, or the connection broke; calling it again goes on from there.
    """
    there = recurring.find(connection, name)
    if not there:
        made = recurring.create(connection, name, wanted, enabled=True)
        return _settled(connection, name, Outcome(name, "created", made, True))
    same = [one for one in there if one.enabled and one.hash == wanted.hash and not one.paused]
    if same:
        return _keep(connection, same[-1], there)
    if recurring.state_of(there) == "paused":
        if there[-1].hash == wanted.hash:
            return _keep(connection, there[-1], there)
        made = recurring.create(connection, name, wanted, enabled=False, paused=True)
        _retire(connection, there)
        return Outcome(name, "updated", made, False)
    return _settled(connection, name, _replace(connection, name, wanted, there, say))


def pause(connection: Connection, name: str) -> Outcome:
    """Lets a schedule start no more runs; those under way go on. Raises as `known` does."""
    there = known(connection, name)
    newest = recurring.current(there)
    if newest.enabled:
        recurring.switch(connection, newest.id, on=False)
    _retire(connection, [one for one in there if one is not newest])
    return Outcome(newest.name, "paused" if newest.enabled else "unchanged", newest.id, False)


def resume(connection: Connection, name: str) -> Outcome:
    """Lets a paused schedule run again, from its next time on. Raises as `known` does.

    With catch-up the missed times are run as well. Without it the recurring run is made anew, because
    KFP would start the latest of the missed runs at once.
    """
    there = known(connection, name)
    newest = recurring.current(there)
    if newest.enabled:
        return _keep(connection, newest, there)
    if newest.setting.catch_up and not newest.paused:
        recurring.switch(connection, newest.id, on=True)
        return replace(_keep(connection, newest, there), change="resumed", active=True)
    made = recurring.create(
        connection, newest.name, newest.setting, enabled=True, hash_=newest.hash
    )
    _retire(connection, there)
    return Outcome(newest.name, "resumed", made, True)


def delete(connection: Connection, name: str) -> Outcome:
    """Deletes a schedule; the runs that it started go on. Raises as `known` does."""
    there = known(connection, name)
    _retire(connection, there)
    return Outcome(there[-1].name, "deleted", there[-1].id, False)


def known(connection: Connection, name: str) -> list[Recurring]:
    """The recurring runs of a schedule, oldest first.

    Args:
        connection: From `connect()`.
        name: Of the schedule, or of its agent.

    Raises:
        BertworksError: There is none.
    """
    every = recurring.find(connection)
    for full in (name, pipeline_name(name, "retrain")):
        if found := [one for one in every if one.name == full]:
            return found
    names = sorted({one.name for one in every})
    raise BertworksError(
        f"There is no schedule {name!r} in {connection.namespace}.",
        f"There is: {', '.join(names)}."
        if names
        else "Make one: bertworks schedule SPEC --cron ...",
    )


def _keep(connection: Connection, kept: Recurring, there: Sequence[Recurring]) -> Outcome:
    """Leaves one as it is; the others go."""
    rest = [one for one in there if one is not kept]
    _retire(connection, rest)
    return Outcome(kept.name, "cleaned up" if rest else "unchanged", kept.id, kept.enabled)


def _retire(connection: Connection, olds: Sequence[Recurring]) -> None:
    """Switches off what is on, all first, then deletes."""
    for one in olds:
        if one.enabled:
            recurring.switch(connection, one.id, on=False)
    for one in olds:
        recurring.delete(connection, one.id)


def _settled(connection: Connection, name: str, done: Outcome) -> Outcome:
    """Where somebody else made one at the same time, both keep the same one: the newest."""
    on = [one for one in recurring.find(connection, name) if one.enabled]
    _retire(connection, on[:-1])
    return replace(done, recurring_run_id=on[-1].id) if on else done


def _replace(
    connection: Connection, name: str, wanted: Setting, there: Sequence[Recurring], say: Say
) -> Outcome:
    on = [one for one in there if one.enabled]
    crons = [(one.six, one.clock) for one in (*(old.setting for old in on), wanted)]
    if left := wait_for_quiet(crons, datetime.now(UTC)).total_seconds():
        say(
            f"waiting {left:.0f} s: a scheduled run is about to start, and it must start exactly once"
        )
        time.sleep(left)
    missed = () if on else _missed(there[-1])
    with _undisturbed():
        made = recurring.create(connection, name, wanted, enabled=False)
        off: list[Recurring] = []
        try:
            for one in on:
                recurring.switch(connection, one.id, on=False)
                off.append(one)
            recurring.switch(connection, made, on=True)
        except BertworksError:
            _put_back(connection, off, made)
            raise
    _retire(connection, [one for one in there if not one.enabled])
    for one in off:
        recurring.delete(connection, one.id)
    return Outcome(name, "updated", made, True, missed)


def _put_back(connection: Connection, off: Sequence[Recurring], made: str) -> None:
    """After a refusal between the two switches: the old one goes on, as far as KFP lets us."""
    for one in off:
        with suppress(BertworksError):
            recurring.switch(connection, one.id, on=True)
    with suppress(BertworksError):
        recurring.delete(connection, made)


def _missed(last: Recurring) -> tuple[datetime, ...]:
    """The times since the new one was made in a change that was cut off; at most three."""
    cron = from_six(last.setting.six)
    if cron is None:
        return ()
    now = datetime.now(UTC)
    times = following(cron, last.created, zone_of(last.setting.clock))
    return tuple(moment for moment in islice(times, 3) if moment <= now)


def wait_for_quiet(crons: Sequence[tuple[str, str]], now: datetime) -> timedelta:
    """How long to wait until no time of these schedules is near; nothing where they never rest.

    Args:
        crons: (six fields, zone of the scheduler) of each.
        now: The time.
    """
    until = now
    while until - now <= LONGEST_WAIT:
        near = [moment for six, zone in crons for moment in _near(six, zone, until)]
        if not near:
            return until - now
        until = max(near) + SETTLE + timedelta(seconds=1)
    return timedelta()


def _near(six: str, zone: str, moment: datetime) -> list[datetime]:
    """The times that came within SETTLE before a moment or will come within AHEAD after it."""
    cron = from_six(six)
    if cron is None:
        return []
    times = following(cron, moment - SETTLE, zone_of(zone))
    return [one for one in islice(times, 3) if one <= moment + AHEAD]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keeps Ctrl-C and SIGTERM waiting for the end of the block; the switch takes milliseconds."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for one in came[:1]:
        signal.raise_signal(one)
