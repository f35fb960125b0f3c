"""Kubeflow Pipelines itself: found, let in, which version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bertworks.errors import BertworksError
from pipelines.cluster.doctor.checks.base import Finding

if TYPE_CHECKING:
    from pipelines.cluster.kfp.connection import Connection

SUPPORTED = (2, 17)


def check(host: str | None, namespace: str | None, insecure: bool) -> Iterator[Finding]:
    """Connects and asks for one of each list that the commands need."""
    from pipelines.cluster.kfp.connection import connect

    try:
        connection = connect(host, namespace, insecure=insecure)
    except BertworksError as error:
        yield Finding("KFP", "error", error.message, error.fix)
        return
    try:
        mode = "multi-user" if connection.multi_user else "single-user"
        yield Finding(
            "KFP", "ok", f"{connection.host}, API v2beta1, {mode}, runs in {connection.namespace}"
        )
        yield _version(connection)
        yield from _lists(connection)
    finally:
        connection.close()


def _version(connection: Connection) -> Finding:
    """The server's version, which only its older health check tells."""
    fix = "bertworks is made for KFP 2.17."
    try:
        said = connection.client._run_api.api_client.call_api(
            "/apis/v1beta1/healthz",
            "GET",
            response_type="object",
            _return_http_data_only=True,
            _request_timeout=(4, 8),
        )
        tag = str(said.get("tag_name") or "") if isinstance(said, dict) else ""
    except BertworksError:
        tag = ""
    try:
        number = tuple(int(part) for part in tag.lstrip("v").split(".")[:2])
    except ValueError:
        number = ()
    if len(number) < 2:
        return Finding("KFP version", "ok", "not told by the server; its API is the one of KFP 2")
    if number < (2, 15):
        return Finding("KFP version", "error", f"{tag} is too old", fix)
    if number != SUPPORTED:
        return Finding("KFP version", "warning", f"{tag} is another than was tested", fix)
    return Finding("KFP version", "ok", tag)


def _lists(connection: Connection) -> Iterator[Finding]:
    client, scope = connection.client, connection.scope
    asked: dict[str, Callable[[], object]] = {
        "pipelines": lambda: client.list_pipelines(page_size=1, namespace=scope),
        "runs": lambda: client.list_runs(page_size=1, namespace=scope),
        "recurring runs": lambda: client.list_recurring_runs(page_size=1, namespace=scope),
    }
    failed = False
    for what, ask in asked.items():
        try:
            ask()
        except BertworksError as error:
            failed = True
            yield Finding(f"KFP: {what}", "error", error.message, error.fix)
    if not failed:
        yield Finding("KFP: access", "ok", f"{', '.join(asked)} may be listed")
