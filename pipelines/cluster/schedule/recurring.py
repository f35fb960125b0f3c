"""Recurring runs of KFP, as `schedule` needs them: ours by name, created, switched, deleted.

KFP cannot change a recurring run, so each setting is one of its own, named after its content: NAME-HASH,
or NAME-HASH-paused for one that was made to stand still. What the name cannot say stands as JSON in the
description.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from pipelines.cluster.kfp.connection import Connection, every
from pipelines.cluster.kfp.faults import Answer

OURS = re.compile(r"^(?P<name>.+)-(?P<hash>[0-9a-f]{8})(?P<paused>-paused)?$")
MADE_BY = "bertworks schedule "
# As much as KFP's database keeps of a description in every version.
DESCRIPTION = 255
PAGE = 100
# The runs that a recurring run started belong to its Kubernetes object: without this they would be ended
# together with it (kubeflow/pipelines #12573).
KEEP_RUNS = "ORPHAN"


@dataclass(frozen=True)
class Setting:
    """What a schedule is to be.

    Attributes:
        cron: The person's five fields, on the clock of `zone`.
        six: KFP's six fields, on the clock of `clock`.
        clock: The zone that KFP's scheduler reads.
    """

    cron: str
    six: str
    zone: str
    clock: str
    pipeline_id: str
    version_id: str
    experiment_id: str
    service_account: str
    max_concurrency: int
    catch_up: bool

    @property
    def hash(self) -> str:
        """Of all that matters: the same setting has the same name."""
        content = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Recurring:
    """One recurring run that `schedule` made.

    Attributes:
        name: The schedule's name, without the hash.
        hash: Of the setting that it was made from.
        paused: Made to stand still; `enabled` says what it does.
        setting: As far as KFP tells it: cron and zone are empty where the description has no room.
    """

    id: str
    name: str
    hash: str
    paused: bool
    enabled: bool
    created: datetime
    setting: Setting


def find(connection: Connection, name: str | None = None) -> list[Recurring]:
    """The recurring runs that `schedule` made, oldest first; those of one schedule, or all."""
    listed = every(
        connection.client.list_recurring_runs,
        "recurring_runs",
        page_size=PAGE,
        namespace=connection.scope,
    )
    ours = (one for item in listed if (one := _read(item)) is not None)
    found = [one for one in ours if name is None or one.name == name]
    return sorted(found, key=lambda one: (one.created, one.id))


def current(there: Sequence[Recurring]) -> Recurring:
    """The one of a schedule's that counts: the newest that is on, else the newest."""
    return next((one for one in reversed(there) if one.enabled), there[-1])


def state_of(there: Sequence[Recurring]) -> Literal["active", "paused", "unfinished"]:
    """What a schedule does; unfinished: a change of it was cut off."""
    on = sum(one.enabled for one in there)
    if on == 0 and (len(there) == 1 or there[-1].paused):
        return "paused"
    return "active" if on == 1 else "unfinished"


def create(
    connection: Connection,
    name: str,
    setting: Setting,
    *,
    enabled: bool,
    paused: bool = False,
    hash_: str | None = None,
) -> str:
    """Makes a recurring run; returns its id."""
    facts = {"zone": setting.zone, "clock": setting.clock, "cron": setting.cron}
    description = MADE_BY + json.dumps(facts)
    if len(description) > DESCRIPTION:
        del facts["cron"]  # the six fields say it as well
        description = MADE_BY + json.dumps(facts)
    made = connection.client.create_recurring_run(
        experiment_id=setting.experiment_id,
        job_name=f"{name}-{hash_ or setting.hash}{'-paused' if paused else ''}",
        description=description,
        cron_expression=setting.six,
        max_concurrency=setting.max_concurrency,
        no_catchup=not setting.catch_up,
        pipeline_id=setting.pipeline_id,
        version_id=setting.version_id,
        enabled=enabled,
        service_account=setting.service_account,
    )
    return str(made.recurring_run_id)


def switch(connection: Connection, recurring_run_id: str, *, on: bool) -> None:
    """Lets it run, or not. One that is gone does not run."""
    client = connection.client
    if on:
        client.enable_recurring_run(recurring_run_id)
        return
    with _gone_is_fine():
        client.disable_recurring_run(recurring_run_id)


def delete(connection: Connection, recurring_run_id: str) -> None:
    """Deletes it, and lets the runs that it started go on. One that is gone is no error."""
    api = connection.client._recurring_run_api
    with _gone_is_fine():
        api.recurring_run_service_delete_recurring_run(
            recurring_run_id, propagation_policy=KEEP_RUNS
        )


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except Answer as error:
        if error.status != 404:
            raise


def _read(item: Any) -> Recurring | None:
    """What KFP says of a recurring run; None where `schedule` did not make it."""
    named = OURS.match(item.display_name or "")
    said = item.description or ""
    cron = getattr(getattr(item.trigger, "cron_schedule", None), "cron", None)
    reference = item.pipeline_version_reference
    if named is None or not said.startswith(MADE_BY) or cron is None or reference is None:
        return None
    try:
        facts = dict(json.loads(said.removeprefix(MADE_BY)))
    except (ValueError, TypeError):
        facts = {}
    return Recurring(
        id=item.recurring_run_id,
        name=named["name"],
        hash=named["hash"],
        paused=bool(named["paused"]),
        # `mode` is what was asked for; `status` follows seconds later, when the cluster reports it.
        enabled=item.mode == "ENABLE",
        created=item.created_at,
        setting=Setting(
            cron=str(facts.get("cron", "")),
            six=cron,
            zone=str(facts.get("zone", "")),
            clock=str(facts.get("clock", "UTC")),
            pipeline_id=reference.pipeline_id,
            version_id=reference.pipeline_version_id or "",
            experiment_id=item.experiment_id or "",
            service_account=item.service_account or "",
            max_concurrency=int(item.max_concurrency or 1),
            catch_up=not item.no_catchup,
        ),
    )
