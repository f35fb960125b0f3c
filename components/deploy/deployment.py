"""Puts a version behind an agent's server, and the one before it back when it does not become ready.

Each object is first applied as a dry run, so that a conflict, a missing permission or somebody else's
object is known before anything changes. What served before is noted on the object that runs the pods
(annotation `bertworks/storage/history`), so that any later command can go back to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bertworks.errors import BertworksError, EnvironmentFault
from components.deploy import manifests, rollout
from components.deploy.asking import Answer, Wrong, ask_once
from components.deploy.cluster import Cluster, Refused
from components.deploy.manifests import AGENT, TOP, Object, port_name
from components.deploy.present import Live, address, check_ours, kinds_of, live
from components.deploy.settings import Kind, Serving

KEPT = 5
"""Versions in the history."""
MODE = "serving.kserve.io/deploymentMode"
STANDARD, STANDARD_ONCE = "Standard", "RawDeployment"
"""KServe's mode without Knative, and what it was called before 0.16."""
MODE_UNKNOWN = ("raw deployment mode", "not a supported metric")
"""What its webhook says of our fields where it takes the mode for another one."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Deployed:
    """How a rollout ended.

    Attributes:
        serving: What serves.
        kind: What runs the pods.
        namespace: Where.
        url: Where it answers, inside the cluster.
        previous: The version before; None at the first time.
        ready: Pods that were ready; 0 when nobody waited.
        seconds: How long it took.
        answer: What the server said when it was asked; None when nobody waited.
    """

    serving: Serving
    kind: Kind
    namespace: str
    url: str
    previous: int | None
    ready: int
    seconds: float
    answer: Answer | None = field(default=None)


def deploy(
    cluster: Cluster,
    serving: Serving,
    kind: Kind,
    *,
    wait: bool = True,
    say: Say = print,
    poll: float = rollout.POLL_SECONDS,
    patience: float = rollout.PATIENCE_SECONDS,
    seconds: float | None = None,
) -> Deployed:
    """Makes `serving` what serves, or leaves what served before.

    Args:
        cluster: Where.
        serving: What is to serve.
        kind: What is to run the pods.
        wait: Until it serves; else return when the cluster has taken it.
        say: Is given the progress, line by line.
        poll: Seconds between two looks.
        patience: Seconds that a pod may be stuck.
        seconds: Time limit; None: what the settings say.

    Raises:
        EnvironmentFault: Not ready in time (the version before is put back), somebody else's objects,
            a conflict, a missing permission, no answer.
        SpecError: The settings cannot be served so.
    """
    history, earlier = histories(cluster, serving, kind)
    return _roll(
        cluster, serving, kind, history, earlier,
        wait=wait, say=say, poll=poll, patience=patience, seconds=seconds,
    )  # fmt: skip


def histories(
    cluster: Cluster, serving: Serving, kind: Kind
) -> tuple[list[Serving], list[Serving]]:
    """The history with `serving` as its last, and what to go back to from it, oldest first."""
    before = live(cluster, serving.name, (kind,))
    earlier = _proven(cluster, before) if before else []
    if earlier[-1:] == [serving]:
        return earlier, earlier[:-1]
    return [*earlier, serving][-KEPT:], earlier


def _proven(cluster: Cluster, before: Live) -> list[Serving]:
    """The history up to the last version that serves: one that never did is nothing to go back to."""
    mark = manifests.rollout_of([before.top])
    if mark == manifests.UNMARKED:
        made = rollout.deployment_of(cluster, before.top["metadata"]["labels"][AGENT], before.kind)
        serves = bool(made and (made.get("status") or {}).get("availableReplicas"))
    else:
        pods = cluster.select("Pod", f"{manifests.ROLLOUT}={mark}")
        serves = any(rollout.is_ready(pod) for pod in pods)
    return before.history if serves else before.history[:-1]


def roll_back(cluster: Cluster, agent: str, **how: Any) -> Deployed:
    """Makes what served before serve again.

    Args:
        cluster: Where.
        agent: The agent.
        **how: As for `deploy`.

    Raises:
        EnvironmentFault: Nothing served before, or the servers follow the store; and as `deploy`.
    """
    found = live(cluster, agent, kinds_of(cluster))
    if found is None or len(found.history) < 2:
        raise EnvironmentFault(
            f"There is nothing to go back to: {agent} "
            + ("is not deployed" if found is None else "has no version before the one that serves")
            + f" in namespace {cluster.namespace}.",
            f"Deploy a version by its number: bertworks deploy {agent} --version N.",
        )
    if found.history[-1].follow:
        raise EnvironmentFault(
            f"The servers of {agent} follow the model store: they serve its champion, whatever was "
            "deployed before.",
            f"Go back there: bertworks models rollback {agent}.",
        )
    history = found.history[:-1]
    say = how.get("say", print)
    say(f"going back from {found.history[-1].label} to {history[-1].label}")
    return _roll(cluster, history[-1], found.kind, history, history[:-1], **how)


def _roll(
    cluster: Cluster,
    serving: Serving,
    kind: Kind,
    history: Sequence[Serving],
    earlier: Sequence[Serving],
    *,
    wait: bool = True,
    say: Say = print,
    poll: float = rollout.POLL_SECONDS,
    patience: float = rollout.PATIENCE_SECONDS,
    seconds: float | None = None,
) -> Deployed:
    """Applies, waits and asks; what is in `earlier` is put back when that fails."""
    began = time.monotonic()
    limit = 60.0 * serving.timeout_minutes if seconds is None else seconds
    objects = manifests.render(serving, kind, cluster.namespace, history)
    if wait:  # Whoever may not look must not begin.
        rollout.look(cluster, serving.name, kind, manifests.rollout_of(objects))
    _apply(cluster, objects, serving.name)
    say(f"applied {serving.label} as {TOP[kind]} in namespace {cluster.namespace}")
    if serving.follow:
        say("its servers follow the model store: what serves is the champion there")
    previous = earlier[-1].version if earlier else None
    url = address(cluster, serving.name, kind, port_name(serving))
    if not wait:
        return Deployed(serving, kind, cluster.namespace, url, previous, 0, 0.0)
    mark = manifests.rollout_of(objects)
    end = rollout.wait(
        cluster, serving.name, kind, mark, seconds=limit, say=say, poll=poll, patience=patience,
        replicas=serving.min_replicas,
    )  # fmt: skip
    fault, answer = "", None
    if end.done:
        try:
            answer = ask_once(cluster, serving, kind, mark, poll=poll)
        except Wrong as error:
            fault = f"it became ready, but {error}"
    else:
        fault = _why(end, time.monotonic() - began, limit)
    if fault:
        _put_back(cluster, serving, kind, earlier, fault, say=say, poll=poll, limit=limit)
    url = address(
        cluster, serving.name, kind, port_name(serving)
    )  # KServe tells it when it is ready.
    spent = round(time.monotonic() - began, 1)
    return Deployed(serving, kind, cluster.namespace, url, previous, end.ready, spent, answer)


def _put_back(
    cluster: Cluster,
    failed: Serving,
    kind: Kind,
    earlier: Sequence[Serving],
    fault: str,
    *,
    say: Say,
    poll: float,
    limit: float,
) -> None:
    """Raises what happened, after the version before serves again where there is one."""
    head = f"{failed.label} did not become ready in namespace {cluster.namespace}: {fault}"
    if not earlier:
        raise EnvironmentFault(
            f"{head}\nIt was the first one, so there is nothing to go back to; it was left as it is "
            "and gets no requests.",
            f"Look at it: kubectl describe pods -n {cluster.namespace} -l {AGENT}={failed.name}. "
            "Mend the cause and deploy again.",
        )
    target = earlier[-1]
    say(f"putting {target.label} back")
    objects = manifests.render(target, kind, cluster.namespace, earlier)
    try:
        _apply(cluster, objects, target.name)
        mark = manifests.rollout_of(objects)
        end = rollout.wait(cluster, target.name, kind, mark, seconds=limit, say=say, poll=poll)
    except BertworksError as error:
        raise EnvironmentFault(
            f"{head}\nPutting {target.label} back failed as well: {error.message}",
            f"{error.fix} Then: bertworks deploy {failed.name} --version {target.version}",
        ) from None
    state = "serves again" if end.done else f"was put back and is not ready yet ({end.line()})"
    raise EnvironmentFault(
        f"{head}\n{target.label} {state}.",
        "Mend the cause and deploy again. The store's champion was not changed: "
        f"`bertworks models rollback {failed.name}` does that.",
    )


def _apply(cluster: Cluster, objects: Sequence[Object], agent: str) -> None:
    """All of the objects, or none: what can be refused is refused in the dry run."""
    for one in objects:
        present = cluster.get(one["kind"], one["metadata"]["name"])
        if present is not None:
            check_ours(present, agent, cluster.namespace)
            _keep_mode(one, present)
    for one in objects:
        _try(cluster, one)
    for one in objects:
        cluster.apply(one)


def _keep_mode(one: Object, present: Object) -> None:
    """KServe refuses another deployment mode than the present one, another name for it included."""
    mode = (present.get("status") or {}).get("deploymentMode")
    if one["kind"] == "InferenceService" and mode in (STANDARD, STANDARD_ONCE):
        one["metadata"]["annotations"][MODE] = mode


def _try(cluster: Cluster, one: Object) -> None:
    """The dry run; for an older KServe with the name that it has for its standard mode."""
    try:
        cluster.apply(one, dry_run=True)
    except Refused as error:
        notes = one["metadata"].get("annotations") or {}
        unknown = any(words in error.message for words in MODE_UNKNOWN)
        if not unknown or notes.get(MODE) != STANDARD:
            raise
        notes[MODE] = STANDARD_ONCE
        cluster.apply(one, dry_run=True)


def _why(end: rollout.Progress, spent: float, limit: float) -> str:
    """The problems, the gravest first; else that the time was up."""
    late = f"the time was up after {limit:.0f} s with {end.line()}"
    texts = [one.text for one in sorted(end.problems, key=lambda one: not one.hopeless)]
    if not texts:
        return late
    return "; ".join(texts) + ("" if spent < limit else f" ({late})")
