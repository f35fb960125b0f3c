"""Which clock KFP's scheduler reads, asked of the cluster."""

from __future__ import annotations

from typing import Any, Literal

from bertworks.errors import BertworksError
from pipelines.cluster.kfp.connection import SYSTEM_NAMESPACE, Connection

DEPLOYMENT = "ml-pipeline-scheduledworkflow"
VARIABLE = "CRON_SCHEDULE_TIMEZONE"
SECONDS = (3, 5)
How = Literal["asked", "assumed"]


def scheduler_zone(connection: Connection) -> tuple[str, How]:
    """The scheduler's zone, and whether the cluster said so; UTC, as installed, where it cannot."""
    try:
        api = connection.kube()
    except BertworksError:
        return "UTC", "assumed"
    try:
        said = read_zone(api, SYSTEM_NAMESPACE)
    except Exception:  # no permission, no network: the Kubernetes API is only asked as a favour
        return "UTC", "assumed"
    # Go takes an empty name for UTC, and the container's own zone is UTC as well.
    return ("UTC" if said in ("", "Local") else said), "asked"


def read_zone(api: Any, namespace: str) -> str:
    """What the scheduler's deployment has in its environment; empty where it is not set.

    Raises:
        kubernetes.client.ApiException: The deployment cannot be read.
    """
    from kubernetes import client

    found = client.AppsV1Api(api).read_namespaced_deployment(
        DEPLOYMENT, namespace, _request_timeout=SECONDS
    )
    for container in found.spec.template.spec.containers:
        for variable in container.env or []:
            if variable.name == VARIABLE:
                return _value(api, namespace, variable)
    return ""


def _value(api: Any, namespace: str, variable: Any) -> str:
    from kubernetes import client

    key = variable.value_from and variable.value_from.config_map_key_ref
    if not key:
        return variable.value or ""
    found = client.CoreV1Api(api).read_namespaced_config_map(
        key.name, namespace, _request_timeout=SECONDS
    )
    return (found.data or {}).get(key.key, "")
