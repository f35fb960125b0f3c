"""Which clock KFP's scheduler reads, asked of the cluster."""

from __future__ import annotations

from typing import Any

from pipelines.cluster.kfp.connection import SYSTEM_NAMESPACE, Connection

DEPLOYMENT = "ml-pipeline-scheduledworkflow"
VARIABLE = "CRON_SCHEDULE_TIMEZONE"
SECONDS = (3, 5)


def scheduler_zone(connection: Connection) -> tuple[str, bool]:
    """The scheduler's zone, and whether it is only assumed: UTC, as installed."""
    try:
        return read_zone(connection.kube()), False
    except Exception:  # no permission, no network: the Kubernetes API is only asked as a favour
        return "UTC", True


def read_zone(api: Any) -> str:
    """The zone that the scheduler's deployment has in its environment.

    Raises:
        kubernetes.client.ApiException: The deployment cannot be read.
    """
    from kubernetes import client

    found = client.AppsV1Api(api).read_namespaced_deployment(
        DEPLOYMENT, SYSTEM_NAMESPACE, _request_timeout=SECONDS
    )
    every = (one for each in found.spec.template.spec.containers for one in each.env or [])
    said = next((_value(api, one) for one in every if one.name == VARIABLE), "")
    # Go takes an empty name for UTC, and the container's own zone is UTC as well.
    return "UTC" if said in ("", "Local") else said


def _value(api: Any, variable: Any) -> str:
    from kubernetes import client

    key = variable.value_from and variable.value_from.config_map_key_ref
    if not key:
        return variable.value or ""
    found = client.CoreV1Api(api).read_namespaced_config_map(
        key.name, SYSTEM_NAMESPACE, _request_timeout=SECONDS
    )
    return (found.data or {}).get(key.key, "")
