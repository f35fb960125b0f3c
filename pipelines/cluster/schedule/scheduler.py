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
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{DEPLOYMENT}"
    deployment = _get(api, path)
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        for variable in container.get("env") or []:
            if variable["name"] == VARIABLE:
                return _value(api, namespace, variable)
    return ""


def _value(api: Any, namespace: str, variable: dict[str, Any]) -> str:
    if "value" in variable:
        return str(variable["value"])
    reference = (variable.get("valueFrom") or {}).get("configMapKeyRef") or {}
    if not reference:
        return ""
    path = f"/api/v1/namespaces/{namespace}/configmaps/{reference['name']}"
    return str((_get(api, path).get("data") or {}).get(reference["key"], ""))


def _get(api: Any, path: str) -> Any:
    return api.call_api(
        path,
        "GET",
        auth_settings=["BearerToken"],
        response_type="object",
        _return_http_data_only=True,
        _request_timeout=SECONDS,
    )
