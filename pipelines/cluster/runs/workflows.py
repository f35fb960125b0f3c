"""Argo's own record of a run, for what neither KFP nor a pod tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.cluster.kfp.connection import Connection
from pipelines.cluster.kube.client import SECONDS, why

RUN_LABEL = "pipeline/runid"
# What a node says that failed because of one inside it.
OF_OTHERS = re.compile(r"^(child|children|No more retries|Retry|Max duration)", re.I)


@dataclass(frozen=True)
class Workflow:
    """A run as Argo keeps it.

    Attributes:
        stopped: Somebody ended it.
        messages: (node, what it failed with), the first failure first: "ingest-driver", "pods is
            forbidden: error looking up service account".
    """

    stopped: bool
    messages: tuple[tuple[str, str], ...]


def workflow_of(connection: Connection, run_id: str) -> Workflow | None:
    """The record of a run; None where it is gone.

    Raises:
        EnvironmentFault: There is no kubeconfig, or it does not let us look.
    """
    from kubernetes import client

    api = client.CustomObjectsApi(connection.kube())
    try:
        found = api.list_namespaced_custom_object(
            "argoproj.io", "v1alpha1", connection.namespace, "workflows",
            label_selector=f"{RUN_LABEL}={run_id}", _request_timeout=SECONDS,
        )  # fmt: skip
    except Exception as error:
        raise why(error) from None
    items = found.get("items") or []
    return _workflow(items[0]) if items else None


def _workflow(item: Mapping[str, Any]) -> Workflow:
    nodes = ((item.get("status") or {}).get("nodes") or {}).values()
    failed = [
        node
        for node in nodes
        if node.get("phase") in ("Failed", "Error")
        and node.get("message")
        and not OF_OTHERS.match(node["message"])
    ]
    failed.sort(key=lambda node: node.get("finishedAt") or "9")
    messages = tuple(
        (
            re.sub(r"(\(\d+\))+$", "", node.get("displayName") or ""),
            " ".join(node["message"].split()),
        )
        for node in failed
    )
    return Workflow(bool((item.get("spec") or {}).get("shutdown")), messages)
