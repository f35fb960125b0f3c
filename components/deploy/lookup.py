"""Asks a volume that only pods can see: which version is the champion, and is it whole?

A short-lived pod of the server's image mounts the volume read-only, checks the version as the server
would, prints what it found, and is deleted.
"""

from __future__ import annotations

import copy
import json
import time
import uuid
from collections.abc import Callable

from bertworks.errors import ArtifactError, BertworksError, EnvironmentFault, GateRefused
from components.deploy import manifests
from components.deploy.cluster import Cluster
from components.deploy.manifests import Object
from components.deploy.rollout import pod_problems
from components.deploy.settings import Serving

_CODES = {5: ArtifactError, 6: GateRefused}


def version_in_cluster(
    cluster: Cluster,
    serving: Serving,
    number: int | None,
    *,
    say: Callable[[str], None] = print,
    seconds: float | None = None,
    poll: float = 1.0,
) -> tuple[int, str]:
    """Number and digest of a version that may serve.

    Args:
        cluster: Where the volume's claim is.
        serving: Image, volume and store; its version and digest are not looked at.
        number: The version; None: the champion.
        say: Is given a line when the pod has to wait.
        seconds: How long to wait at most; None: as long as for the server, `timeout_minutes`.
        poll: Seconds between two looks.

    Raises:
        ArtifactError: There is no such version or no champion, or it is damaged.
        GateRefused: It did not pass its gates.
        EnvironmentFault: The pod could not run.
    """
    seconds = 60.0 * serving.timeout_minutes if seconds is None else seconds
    pod = lookup_pod(serving, number, cluster.namespace, seconds)
    name = pod["metadata"]["name"]
    cluster.create(pod)
    try:
        log = _finished(cluster, name, say, seconds, poll)
    finally:
        cluster.delete("Pod", name)
    return _read(log)


def lookup_pod(serving: Serving, number: int | None, namespace: str, seconds: float) -> Object:
    """The pod: the server's own, with another command."""
    wanted = [] if number is None else [str(number)]
    server = manifests.render(serving, "deployment", namespace)[0]
    spec = copy.deepcopy(server["spec"]["template"]["spec"])
    for field in ("topologySpreadConstraints", "terminationGracePeriodSeconds"):
        spec.pop(field)
    (container,) = spec["containers"]
    for field in ("ports", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle"):
        container.pop(field)
    container["name"] = "lookup"
    container["command"] = ["python", "-m", "bertworks.serving.facts"]
    container["args"] = [serving.store, serving.name, *wanted]
    spec |= {"restartPolicy": "Never", "activeDeadlineSeconds": max(1, int(seconds))}
    labels = {
        "app.kubernetes.io/name": "bertworks",
        manifests.INSTANCE: serving.name,
        "app.kubernetes.io/component": "lookup",
        manifests.MANAGED_BY: manifests.MANAGER,
        manifests.AGENT: serving.name,
    }
    name = f"bertworks-lookup-{uuid.uuid4().hex[:8]}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": spec,
    }


def _finished(
    cluster: Cluster, name: str, say: Callable[[str], None], seconds: float, poll: float
) -> str:
    """What the pod printed."""
    began, reason = time.monotonic(), f"it did not end within {seconds:.0f} s (--timeout)"
    shown: set[str] = set()
    while time.monotonic() - began < seconds:
        pod = cluster.get("Pod", name) or {}
        if _has_ended(pod):
            if log := cluster.log(name, "lookup"):
                return log
            reason = "it ended without a word"
            break
        problems = pod_problems(cluster, pod, "lookup") if pod else []
        if problems:
            reason = f"{problems[0].text} (waited {seconds:.0f} s: --timeout)"
            line = problems[0].text.splitlines()[0]
            if line not in shown:
                shown.add(line)
                say(f"the pod that reads the store waits: {line}")
        if any(one.hopeless for one in problems):
            break
        time.sleep(poll)
    raise EnvironmentFault(
        f"The pod {name}, which was to read the model store in namespace {cluster.namespace}, "
        f"gave no answer: {reason}",
        "Mend the cause (`bertworks doctor` looks for it), and try again.",
    )


def _has_ended(pod: Object) -> bool:
    """Whether its container has: the pod's own phase follows a moment later."""
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return True
    return any(
        (one.get("state") or {}).get("terminated")
        for one in status.get("containerStatuses") or []
        if one.get("name") == "lookup"
    )


def _read(log: str) -> tuple[int, str]:
    last = log.splitlines()[-1]
    try:
        told = json.loads(last)
        if "error" in told:
            kind: type[BertworksError] = _CODES.get(told["code"], EnvironmentFault)
            raise kind(told["error"], told["fix"])
        return int(told["version"]), str(told["digest"])
    except (ValueError, KeyError, TypeError):
        raise EnvironmentFault(
            f"The pod that reads the model store ended with: {last[:300]}",
            "Its image must be of the same version as this command: `serve.deploy.image`.",
        ) from None
