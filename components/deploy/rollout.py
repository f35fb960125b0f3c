"""Follows a rollout until the new pods serve, or until it is clear that they will not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from components.deploy.cluster import Cluster, Unreachable
from components.deploy.manifests import CONTAINER, ROLLOUT, Object, object_name
from components.deploy.settings import Kind

POLL_SECONDS = 2.0
PATIENCE_SECONDS = 180.0
"""How long a pod may be stuck with what seldom heals, before the rollout is given up."""
SETTLE_SECONDS = 45.0
"""How long the autoscaler may take to raise a new Deployment from one replica to its minimum."""
CRASHES = 3
LOG_LINES = 8
STUCK = {
    "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull",
    "CreateContainerConfigError", "CreateContainerError", "RunContainerError",
}  # fmt: skip
HOPELESS = {"InvalidImageName", "ErrImageNeverPull"}
Say = Callable[[str], None]


@dataclass(frozen=True)
class Problem:
    """Why a rollout does not go on.

    Attributes:
        text: Of one pod, or of the Deployment.
        hopeless: Waiting will not help.
        stuck: Seldom heals by itself.
    """

    text: str
    hopeless: bool = False
    stuck: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a rollout is.

    Attributes:
        desired: Replicas that are wanted.
        updated: Pods of the new kind.
        ready: Those of them that are ready and were for a moment.
        done: The new pods serve, and no old one does.
        problems: What stands in the way.
    """

    desired: int
    updated: int
    ready: int
    done: bool
    problems: list[Problem] = field(default_factory=list)

    def line(self) -> str:
        """For people: 1 of 2 ready."""
        return f"{self.ready} of {self.desired} ready"


def wait(
    cluster: Cluster,
    agent: str,
    kind: Kind,
    rollout: str,
    *,
    seconds: float,
    say: Say,
    replicas: int = 1,
    poll: float = POLL_SECONDS,
    patience: float = PATIENCE_SECONDS,
    settle: float = SETTLE_SECONDS,
) -> Progress:
    """Waits until the pods with the mark `rollout` serve.

    Args:
        cluster: Where they run.
        agent: Whose they are.
        kind: What makes them.
        rollout: The mark of the new pods.
        seconds: How long to wait at most.
        say: Is given a line whenever something new shows; what comes and goes, as a crash does, once.
        replicas: How many the autoscaler wants at least.
        poll: Seconds between two looks.
        patience: Seconds that a pod may be stuck.
        settle: Seconds that the autoscaler may take for it.

    Returns:
        The last progress; `done` says whether they serve.

    Raises:
        EnvironmentFault: The cluster says no, or does not answer until the time is up.
    """
    began = time.monotonic()
    stuck_since = done_since = None
    shown: set[str] = set()
    while True:
        passed = time.monotonic() - began
        try:
            now = look(cluster, agent, kind, rollout)
        except (
            Unreachable
        ):  # It may come back: an API server that is upgraded is away for a minute.
            if passed > seconds:
                raise
            time.sleep(poll)
            continue
        line = "; ".join([now.line(), *(one.text.splitlines()[0] for one in now.problems)])
        if line not in shown:
            shown.add(line)
            say(f"{passed:4.0f} s  {line}")
        stuck = any(one.stuck for one in now.problems)
        stuck_since = (stuck_since or time.monotonic()) if stuck else None
        done_since = (done_since or time.monotonic()) if now.done else None
        hopeless = any(one.hopeless for one in now.problems)
        if now.done and (now.desired >= replicas or _longer(done_since, settle)):
            return now
        if hopeless or _longer(stuck_since, patience) or passed > seconds:
            return now
        time.sleep(poll)


def _longer(since: float | None, seconds: float) -> bool:
    return since is not None and time.monotonic() - since > seconds


def look(cluster: Cluster, agent: str, kind: Kind, rollout: str) -> Progress:
    """How far the rollout is at this moment."""
    pods = cluster.select("Pod", f"{ROLLOUT}={rollout}")
    problems = [one for pod in pods for one in _pod_problems(cluster, pod, kind)]
    deployment = deployment_of(cluster, agent, kind)
    if deployment is None or _mark(deployment) != rollout:
        # KServe has not got to it yet; it says so where it cannot.
        problems += _conditions(cluster.get("InferenceService", object_name(agent)))
        return Progress(1, 0, 0, False, _once(problems))
    spec, status = deployment["spec"], deployment.get("status") or {}
    desired = spec.get("replicas", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    total = status.get("replicas", 0)
    done = seen and updated >= desired and total == updated and available >= updated
    ready = sum(is_ready(pod) for pod in pods)
    failed = [
        Problem(f"no pod can be made: {one.get('message', '')}", stuck=True)
        for one in status.get("conditions") or []
        if one["type"] == "ReplicaFailure" and one["status"] == "True"
    ]
    return Progress(desired, updated, ready, done, [] if done else _once(failed + problems))


def deployment_of(cluster: Cluster, agent: str, kind: Kind) -> Object | None:
    """The Deployment behind the agent: ours, or the one that KServe made."""
    if kind == "deployment":
        return cluster.get("Deployment", object_name(agent))
    made = cluster.select("Deployment", f"serving.kserve.io/inferenceservice={object_name(agent)}")
    return made[0] if made else None


def _mark(deployment: Object) -> str:
    labels = deployment["spec"]["template"].get("metadata", {}).get("labels") or {}
    return str(labels.get(ROLLOUT, ""))


def is_ready(pod: Object) -> bool:
    """Whether a pod gets requests."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _pod_problems(cluster: Cluster, pod: Object, kind: Kind) -> list[Problem]:
    if pod["metadata"].get("deletionTimestamp"):
        return []
    return pod_problems(cluster, pod, CONTAINER[kind])


def pod_problems(cluster: Cluster, pod: Object, container: str) -> list[Problem]:
    """What keeps a pod from running: no node, no image, a crash with its last words."""
    status = pod.get("status") or {}
    problems = [
        Problem(f"no node takes the pod: {one.get('message', '')}")
        for one in status.get("conditions") or []
        if one["type"] == "PodScheduled"
        and one["status"] == "False"
        and one.get("reason") == "Unschedulable"
    ]
    if _is_being_made(status):
        warned = cluster.warnings(pod["metadata"]["name"])
        problems += [Problem(f"the pod cannot start: {text}") for text in warned[-1:]]
    own = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    for one in own:
        problems += _container_problems(cluster, pod["metadata"]["name"], one, container)
    return problems


def _is_being_made(status: Any) -> bool:
    """Whether its volumes and containers are still to come: why not is only said in events."""
    reasons = {
        ((one.get("state") or {}).get("waiting") or {}).get("reason")
        for one in status.get("containerStatuses") or []
    }
    return bool(reasons & {"ContainerCreating", "PodInitializing"})


def _container_problems(cluster: Cluster, pod: str, status: Any, container: str) -> list[Problem]:
    waiting = (status.get("state") or {}).get("waiting") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in STUCK:
        said = f": {message}" if message else ""
        return [Problem(f"{reason}{said}", hopeless=reason in HOPELESS, stuck=True)]
    ended = (status.get("lastState") or {}).get("terminated") or (status.get("state") or {}).get(
        "terminated"
    )
    restarts = status.get("restartCount", 0)
    if not ended or status.get("ready"):
        return []
    why = ended.get("reason") or "ended"
    times = f", {restarts} restarts" if restarts else ""
    text = f"the server ended ({why}, exit code {ended.get('exitCode')}{times})"
    if why == "OOMKilled":
        text += ": it needs more memory than `serve.deploy.memory`"
    words = ""
    if status.get("name") == container:
        has_last = bool((status.get("lastState") or {}).get("terminated"))
        words = cluster.log(pod, container, lines=LOG_LINES, previous=has_last)
    lines = "".join(f"\n    | {line}" for line in words.splitlines())
    return [Problem(text + lines, hopeless=restarts >= CRASHES, stuck=True)]


def _conditions(service: Object | None) -> list[Problem]:
    """What an InferenceService says of its predictor."""
    if service is None:
        return []
    return [
        Problem(f"KServe: {one.get('reason', '')} {one['message']}".strip())
        for one in (service.get("status") or {}).get("conditions") or []
        if one["type"] == "PredictorReady" and one["status"] == "False" and one.get("message")
    ]


def _once(problems: list[Problem]) -> list[Problem]:
    """Pods of one kind fail alike: each text once."""
    return list({one.text.splitlines()[0]: one for one in problems}.values())
