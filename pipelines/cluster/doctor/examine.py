"""Examines a cluster before it is used: `bertworks doctor`.

All checks run at the same time, each on a thread of its own, and the whole ends at a deadline: what has
not answered by then is reported as such.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bertworks.errors import BertworksError, EnvironmentFault
from bertworks.spec import AgentSpec
from pipelines.cluster.doctor.checks import access, engine, images, kfp, nodes, storage
from pipelines.cluster.doctor.checks.base import (
    SYSTEM_NAMESPACE,
    Case,
    Finding,
    Reader,
    not_checked,
)

DEADLINE = 20.0
Check = Callable[[Case], Iterator[Finding]]
CHECKS: Mapping[str, Check] = {
    "namespace": access.check_namespace,
    "service account": access.check_account,
    "permissions": access.check_own,
    "permissions of runs": access.check_of_runs,
    "KFP's parts": engine.check_parts,
    "retries": engine.check_retries,
    "scheduler": engine.check_schedule,
    "nodes": nodes.check,
    "storage classes": storage.check_classes,
    "volume": storage.check_volume,
    "secrets": storage.check_secrets,
    "quotas": storage.check_quotas,
    "images": images.check,
    "KServe": engine.check_kserve,
}


@dataclass
class _Job:
    """One check on its thread."""

    name: str
    findings: list[Finding] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def start(self, work: Callable[[], Iterator[Finding]]) -> None:
        """Runs it; its thread does not keep the program from ending."""
        threading.Thread(target=self._run, args=(work,), daemon=True, name=self.name).start()

    def _run(self, work: Callable[[], Iterator[Finding]]) -> None:
        try:
            for finding in work():
                self.findings.append(finding)
        except Exception as error:  # one check that breaks must not hide the others
            self.findings.append(_broken(self.name, error))
        finally:
            self.done.set()


def examine(
    spec: AgentSpec | None,
    *,
    host: str | None = None,
    namespace: str | None = None,
    insecure: bool = False,
    deadline: float = DEADLINE,
) -> list[Finding]:
    """All findings, KFP's first.

    Args:
        spec: What is to run; None: what every spec needs.
        host: Address of KFP, as for `connect()`.
        namespace: Of the runs; None: KFP_NAMESPACE, else KFP's own.
        insecure: Do not verify the server's certificate.
        deadline: Seconds after which it ends, whatever has answered.
    """
    jobs = [_Job("KFP")]
    jobs[0].start(lambda: kfp.check(host, namespace, insecure))
    case = _Job("cluster")
    cases: list[Case] = []
    case.start(lambda: _cluster(spec, host, namespace, cases))
    watch = _Watch(deadline)
    if not watch.wait(case):
        why = f"the Kubernetes API did not answer within {deadline:.0f} s"
    elif not cases:
        why = case.findings[-1].text if case.findings else "no cluster is configured"
    else:
        why = ""
        for name, check in CHECKS.items():
            job = _Job(name)
            jobs.append(job)
            job.start(lambda check=check: check(cases[0]))  # type: ignore[misc]
    found = _gathered(jobs, watch)
    if why:
        fix = case.findings[-1].fix if case.findings else "kubectl get pods must work first."
        skipped = [
            Finding(name, "skipped", "not checked: no Kubernetes API (see cluster)")
            for name in CHECKS
        ]
        return [*found, Finding("cluster", "skipped", f"not checked: {why}", fix), *skipped]
    kfp_found, others = found[: len(jobs[0].findings) or 1], found[len(jobs[0].findings) or 1 :]
    return [*kfp_found, *case.findings, *others]


class _Watch:
    """Time that is left until the deadline."""

    def __init__(self, seconds: float) -> None:
        import time

        self._now, self._end, self.seconds = time.monotonic, time.monotonic() + seconds, seconds

    def wait(self, job: _Job) -> bool:
        """Whether a job ended in time."""
        return job.done.wait(max(0.0, self._end - self._now()))


def _gathered(jobs: Sequence[_Job], watch: _Watch) -> list[Finding]:
    found: list[Finding] = []
    for job in jobs:
        in_time = watch.wait(job)
        found += list(job.findings)
        if not in_time:
            level = "error" if job.name == "KFP" else "warning"
            text = f"did not answer within {watch.seconds:.0f} s"
            said = text if level == "error" else f"not checked: {text}"
            found.append(
                Finding(job.name, level, said, "Check the address, the network and the VPN.")  # type: ignore[arg-type]
            )
    return found


def _cluster(
    spec: AgentSpec | None, host: str | None, namespace: str | None, cases: list[Case]
) -> Iterator[Finding]:
    """The Kubernetes API's version; fills `cases` when it answers."""
    from pipelines.cluster.kfp.connection import in_pod
    from pipelines.cluster.kube.client import api_client, why

    try:
        reader = Reader(api_client())
        version = reader.get("/version").get("gitVersion", "")
    except BertworksError as error:
        yield Finding("cluster", "skipped", error.message.rstrip("."), error.fix)
        return
    except Exception as error:  # urllib3, TLS, a broken exec plug-in: `why` tells them apart
        fault = why(error)
        yield Finding("cluster", "skipped", fault.message.rstrip("."), fault.fix)
        return
    chosen = namespace or os.environ.get("KFP_NAMESPACE") or SYSTEM_NAMESPACE
    forwards = not (host or os.environ.get("KFP_HOST") or in_pod())
    cases.append(Case(spec=spec, namespace=chosen, reader=reader, forwards=forwards))
    yield Finding("cluster", "ok", f"Kubernetes {version}")


def _broken(name: str, error: Exception) -> Finding:
    """A check that could not be finished: what it was to look at may be missing."""
    status = getattr(error, "status", None)
    known = isinstance(error, EnvironmentFault) or type(error).__module__.startswith("urllib3")
    if known or status:
        return not_checked(name, error)
    return Finding(
        name,
        "warning",
        f"not checked: {type(error).__name__}: {error}",
        "This is a fault in bertworks: please report it with your cluster's version.",
    )
