"""What there is to say of a schedule: for `bertworks schedule list` and `show`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from pipelines.cluster.kfp.connection import Connection
from pipelines.cluster.kfp.faults import Answer
from pipelines.cluster.schedule import recurring
from pipelines.cluster.schedule.cron import following, from_six
from pipelines.cluster.schedule.recurring import Recurring, Setting
from pipelines.cluster.schedule.zones import zone_of

RUNS = 50


@dataclass(frozen=True)
class Schedule:
    """One schedule, as it is shown.

    Attributes:
        state: "active", "paused", or "unfinished" where a change was cut off.
        next: The next time in UTC; None where it stands still.
    """

    name: str
    cron: str
    zone: str
    kfp_cron: str
    scheduler_zone: str
    state: str
    next: datetime | None
    last_run_id: str | None
    last_run_state: str | None
    last_run_at: datetime | None
    pipeline_id: str
    version_id: str
    version: str
    service_account: str
    max_concurrency: int
    catch_up: bool
    recurring_run_id: str
    link: str

    def next_text(self) -> str:
        """The next time, on the schedule's clock and in UTC."""
        if self.next is None:
            return "-"
        local = f"{self.next.astimezone(zone_of(self.zone)):%a %d %b %H:%M}"
        return local if self.zone == "UTC" else f"{local} ({self.next:%d %b %H:%M} UTC)"

    def last_text(self) -> str:
        """The last run's state and time."""
        if self.last_run_state is None or self.last_run_at is None:
            return "-"
        return f"{self.last_run_state.lower()} {self.last_run_at:%d %b %H:%M} UTC"

    def plain(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }

    def lines(self) -> Iterator[str]:
        """All of it, a line each."""
        yield f"{self.name}: {self.state}"
        if self.state == "unfinished":
            yield "  a change was cut off: call `bertworks schedule SPEC` again"
        yield f"  cron: {self.cron} ({self.zone}); for KFP: {self.kfp_cron} ({self.scheduler_zone})"
        yield f"  next: {self.next_text()}"
        yield f"  last run: {self.last_text()}" + (
            f"  {self.last_run_id}" if self.last_run_id else ""
        )
        yield f"  version: {self.version}"
        yield f"  service account: {self.service_account}"
        yield f"  at most {self.max_concurrency} at a time; missed times are " + (
            "run later" if self.catch_up else "left out"
        )
        yield f"  page: {self.link}"


def schedules(connection: Connection) -> list[Schedule]:
    """All schedules, by name."""
    found = sorted(recurring.find(connection), key=attrgetter("name"))
    return [schedule_of(connection, list(group)) for _, group in groupby(found, attrgetter("name"))]


def schedule_of(connection: Connection, there: Sequence[Recurring]) -> Schedule:
    """The schedule that some recurring runs, the oldest first, are the parts of."""
    newest = recurring.current(there)
    setting = newest.setting
    cron = from_six(setting.six)
    coming = (
        following(cron, datetime.now(UTC), zone_of(setting.clock))
        if newest.enabled and cron
        else iter(())
    )
    last = _last_run(connection, newest)
    return Schedule(
        name=newest.name,
        cron=setting.cron or (cron.five() if cron else setting.six),
        zone=(setting.cron and setting.zone) or setting.clock,
        kfp_cron=setting.six,
        scheduler_zone=setting.clock,
        state=recurring.state_of(there),
        next=next(coming, None),
        last_run_id=last.run_id if last else None,
        last_run_state=last.state if last else None,
        last_run_at=last.created_at if last else None,
        pipeline_id=setting.pipeline_id,
        version_id=setting.version_id,
        version=_version(connection, setting),
        service_account=setting.service_account,
        max_concurrency=setting.max_concurrency,
        catch_up=setting.catch_up,
        recurring_run_id=newest.id,
        link=connection.recurring_run_link(newest.id),
    )


def _last_run(connection: Connection, one: Recurring) -> Any:
    """The newest run of this pipeline that a schedule started, also by a former recurring run."""
    page = connection.client.list_runs(
        page_size=RUNS,
        sort_by="created_at desc",
        experiment_id=one.setting.experiment_id or None,
        namespace=None if one.setting.experiment_id else connection.scope,
    )
    for run in page.runs or []:
        reference = run.pipeline_version_reference
        if run.recurring_run_id and reference and reference.pipeline_id == one.setting.pipeline_id:
            return run
    return None


def _version(connection: Connection, one: Setting) -> str:
    """The version's name; its id where it is gone."""
    try:
        found = connection.client.get_pipeline_version(one.pipeline_id, one.version_id)
    except Answer:
        return f"{one.version_id} (deleted: no run can start)"
    return str(found.display_name or one.version_id)
