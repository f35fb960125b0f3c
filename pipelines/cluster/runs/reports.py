"""What steps said at their ends, read from their logs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bertworks.errors import EnvironmentFault
from bertworks.notices import Notice, from_log
from pipelines.cluster.kfp.connection import Connection
from pipelines.cluster.runs.declared import RunStep
from pipelines.cluster.runs.logs import from_ui, lines
from pipelines.cluster.runs.pods import pods_of

TAILS = (500, 5000, None)
"""Lines of a log's end that are read in turn, until a step's last line is among them."""


@dataclass(frozen=True)
class StepReport:
    """What a step that succeeded said at its end."""

    metrics: dict[str, float]
    notices: list[Notice]


def reports_of(
    connection: Connection, run_id: str, steps: Sequence[RunStep], day: str = ""
) -> dict[str, StepReport]:
    """Step to what it reported, of those that have succeeded: the last lines of its own in its log.

    KFP keeps the numbers where its API does not reach. Its launcher says a hundred lines more after the
    step's last, so that the log is read backwards. Of a pod that is gone the archive has the log.

    Args:
        day: When the run was made, as the Kubeflow UI wants to know it: 2026-11-26.

    Raises:
        EnvironmentFault: Neither the pods nor the archive can be read.
    """
    wanted = [step for step in steps if step.state == "succeeded"]
    found: dict[str, StepReport] = {}
    trouble: EnvironmentFault | None = None
    try:
        for pod in pods_of(connection, run_id) if wanted else []:
            if pod.step in {step.name for step in wanted}:
                for tail in TAILS:
                    log = "".join(lines(connection, pod.name, follow=False, tail=tail))
                    if report := _report(pod.step, log):
                        found[pod.step] = report
                    if report or not tail or log.count("\n") < tail:
                        break
    except EnvironmentFault as error:
        trouble = error
    for step in wanted:
        for name in step.pods[::-1] if step.name not in found else ():
            try:
                log = from_ui(connection, name, day) or ""
            except EnvironmentFault:  # no Kubeflow UI at this address
                if trouble:
                    raise trouble from None
                return found
            if report := _report(step.name, log):
                found[step.name] = report
                break
    return found


def _report(step: str, log: str) -> StepReport | None:
    ended = list(re.finditer(rf"^step {re.escape(step)} succeeded .*?: ?(.*)$", log, re.M))
    if not ended:
        return None
    metrics = {}
    for pair in re.split(r", (?=[^,=]+=)", ended[-1].group(1)):
        name, _, value = pair.rpartition("=")
        try:
            metrics[name] = float(value)
        except ValueError:
            continue
    return StepReport(metrics, from_log(step, log))
