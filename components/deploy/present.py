"""What serves an agent at this moment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bertworks.errors import EnvironmentFault
from components.deploy import manifests
from components.deploy.cluster import Cluster
from components.deploy.manifests import AGENT, HISTORY, MANAGED_BY, MANAGER, TOP, Object
from components.deploy.settings import Kind, Serving


@dataclass(frozen=True)
class Live:
    """What an agent's server is at this moment.

    Attributes:
        kind: What runs the pods.
        top: That object.
        history: What served, oldest first; the last one is what was applied last.
    """

    kind: Kind
    top: Object
    history: list[Serving]


def choose_kind(
    cluster: Cluster, agent: str, wanted: Literal["auto", "kserve", "deployment"]
) -> Kind:
    """What is to run the pods: what does already, else what the spec says.

    Raises:
        EnvironmentFault: The other kind serves the agent, or the cluster has no KServe.
    """
    kinds = kinds_of(cluster)
    if wanted == "kserve" and "kserve" not in kinds:
        raise EnvironmentFault(
            "The cluster has no KServe: it does not know InferenceServices.",
            "Install KServe, or set `serve.deploy.kind: deployment`.",
        )
    found = live(cluster, agent, kinds)
    if found is None:
        return kinds[0] if wanted == "auto" else wanted
    if wanted not in ("auto", found.kind):
        raise EnvironmentFault(
            f"{agent} is served by a {TOP[found.kind]}, and `serve.deploy.kind` is {wanted}.",
            f"Keep the kind, or delete the old one first: kubectl delete -n {cluster.namespace} "
            f"{TOP[found.kind].lower()},service,hpa,pdb -l {AGENT}={agent}",
        )
    return found.kind


def live(cluster: Cluster, agent: str, kinds: Sequence[Kind]) -> Live | None:
    """What serves the agent, None where nothing does.

    Raises:
        EnvironmentFault: The objects of that name are not ours.
    """
    for kind in kinds:
        top = cluster.get(TOP[kind], manifests.object_name(agent))
        if top is not None and not _made_by_kserve(top):
            check_ours(top, agent, cluster.namespace)
            return Live(kind, top, _history(top))
    return None


def find(cluster: Cluster, agent: str) -> Live | None:
    """What serves the agent, whatever kind it is."""
    return live(cluster, agent, kinds_of(cluster))


def address(cluster: Cluster, agent: str, kind: Kind, scheme: str = "http") -> str:
    """Where the agent answers inside the cluster; `scheme`: of its port, see `manifests.port_name`."""
    service = manifests.service_name(agent, kind)
    if kind == "kserve":
        top = cluster.get(TOP[kind], manifests.object_name(agent)) or {}
        given = ((top.get("status") or {}).get("address") or {}).get("url")
        if given:
            return str(given)
    return f"{scheme}://{service}.{cluster.namespace}.svc.cluster.local"


def check_ours(present: Object, agent: str, namespace: str) -> None:
    meta = present["metadata"]
    labels = meta.get("labels") or {}
    if labels.get(MANAGED_BY) == MANAGER and labels.get(AGENT) == agent:
        return
    owner = labels.get(MANAGED_BY) or labels.get(AGENT) or "somebody else"
    raise EnvironmentFault(
        f"There is a {present['kind']} {meta['name']} in namespace {namespace} that bertworks did "
        f"not make for {agent} (it belongs to {owner}); it was left alone.",
        "Choose another `name` or `serve.deploy.namespace` in the spec, or delete that object if "
        "nobody needs it.",
    )


def _made_by_kserve(top: Object) -> bool:
    owners = top["metadata"].get("ownerReferences") or []
    return any(one.get("kind") == "InferenceService" for one in owners)


def kinds_of(cluster: Cluster) -> tuple[Kind, ...]:
    return ("kserve", "deployment") if cluster.has_kserve() else ("deployment",)


def _history(top: Object) -> list[Serving]:
    """What served; where there is no note (applied with kubectl), what the object itself says."""
    noted = (top["metadata"].get("annotations") or {}).get(HISTORY, "[]")
    try:
        history = [Serving.from_dict(one) for one in json.loads(noted)]
    except (ValueError, TypeError, AttributeError):
        history = []
    found = manifests.read_back(top) if not history else None
    return [found] if found else history
