"""The few calls to the Kubernetes API that a rollout needs, with errors in words.

Objects are applied by the server (server-side apply) under the field manager `bertworks`: fields that
somebody else set are a conflict, not overwritten. By hand: `kubernetes.dynamic` cannot ask for strict
validation of fields, asks for a list of all resources first, and keeps that in a file of a known name
in the folder for temporary files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bertworks.errors import BertworksError, EnvironmentFault
from bertworks.tls import forgiving
from components.deploy.manifests import MANAGER, Object

SECONDS = 30
"""Time limit of one call."""

CERTIFICATE = (
    "In a pod the cluster's authority is /var/run/secrets/kubernetes.io/serviceaccount/ca.crt, from the "
    "ConfigMap kube-root-ca.crt of its namespace; outside it is the kubeconfig's. It must be the one "
    "that signed the API server's certificate."
)
PATHS = {
    "Deployment": ("apis/apps/v1", "deployments"),
    "InferenceService": ("apis/serving.kserve.io/v1beta1", "inferenceservices"),
    "Service": ("api/v1", "services"),
    "Pod": ("api/v1", "pods"),
    "Event": ("api/v1", "events"),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets"),
}
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Refused(EnvironmentFault):
    """The answer was no.

    Attributes:
        status: The HTTP status.
        by_api: Said by the API server itself, not by a Service behind its proxy.
    """

    def __init__(self, status: int, message: str, fix: str, *, by_api: bool = True) -> None:
        super().__init__(message, fix)
        self.status, self.by_api = status, by_api


class Unreachable(EnvironmentFault):
    """The API server did not answer."""


class Cluster:
    """One namespace of a cluster.

    Args:
        api: A `kubernetes.client.ApiClient`.
        namespace: Where the objects are.
        inside: Whether this process runs in the cluster and reaches pods by their addresses.
    """

    def __init__(self, api: Any, namespace: str, *, inside: bool = False) -> None:
        self._api, self.namespace, self.inside = api, namespace, inside

    @classmethod
    def from_pod(cls, namespace: str | None = None) -> Cluster:
        """The cluster that this pod runs in, by its service account.

        Raises:
            EnvironmentFault: This process is in no pod, or in one without a token.
        """
        from kubernetes import client, config

        given = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=given)
        except config.ConfigException as error:
            raise EnvironmentFault(
                f"This step deploys from inside a cluster, and there is none here: {error}",
                "On a laptop use `bertworks deploy SPEC`; in a cluster let the pod's service "
                "account mount its token.",
            ) from None
        api = client.ApiClient(given)
        forgiving(api.rest_client, "the Kubernetes API")
        return cls(api, namespace or own_namespace(), inside=True)

    def get(self, kind: str, name: str) -> Object | None:
        """An object, or None."""
        try:
            found: Object = self._call("GET", self._path(kind, name), f"read {kind} {name}")
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return found

    def select(self, kind: str, selector: str) -> list[Object]:
        """The objects with these labels."""
        query = [("labelSelector", selector)]
        found = self._call("GET", self._path(kind), f"list {kind}s", query)
        items: list[Object] = found.get("items") or []
        return items

    def apply(self, one: Object, *, dry_run: bool = False) -> Object:
        """Creates or changes an object, as the field manager `bertworks`.

        Args:
            one: The whole object, as it should be.
            dry_run: Check it on the server, permissions, conflicts and admission included, and
                change nothing.

        Raises:
            Refused: A conflict, a missing permission, or an object that is not valid.
            Unreachable: No answer.
        """
        kind, name = one["kind"], one["metadata"]["name"]
        query = [("fieldManager", MANAGER), ("force", "false")]
        if kind != "InferenceService":  # An older KServe lacks fields that it can do without.
            query.append(("fieldValidation", "Strict"))
        if dry_run:
            query.append(("dryRun", "All"))
        made: Object = self._call(
            "PATCH", self._path(kind, name), f"apply {kind} {name}", query, one,
            content_type="application/apply-patch+yaml",
        )  # fmt: skip
        return made

    def create(self, one: Object) -> Object:
        """Creates an object."""
        kind, name = one["kind"], one["metadata"]["name"]
        made: Object = self._call(
            "POST", self._path(kind), f"create {kind} {name}", [("fieldManager", MANAGER)], one
        )
        return made

    def delete(self, kind: str, name: str) -> None:
        """Deletes an object; one that is gone already counts as deleted."""
        query = [("gracePeriodSeconds", "0")] if kind == "Pod" else []
        try:
            self._call("DELETE", self._path(kind, name), f"delete {kind} {name}", query)
        except Refused as error:
            if error.status != 404:
                raise

    def log(
        self, pod: str, container: str, *, lines: int | None = None, previous: bool = False
    ) -> str:
        """What a container wrote; "" where there is nothing to read."""
        query = [("container", container)]
        query += [("tailLines", str(lines))] if lines else []
        query += [("previous", "true")] if previous else []
        try:
            raw = self._send("GET", self._path("Pod", pod) + "/log", query)
        except EnvironmentFault:
            return ""
        return raw.decode("utf-8", errors="replace").strip()

    def warnings(self, pod: str) -> list[str]:
        """What Kubernetes warned of a pod, oldest first; nothing where that may not be read."""
        query = [("fieldSelector", f"involvedObject.name={pod},type=Warning")]
        try:
            found = self._call("GET", self._path("Event"), "list Events", query)
        except EnvironmentFault:
            return []
        events = sorted(found.get("items") or [], key=lambda one: one.get("lastTimestamp") or "")
        return [f"{one.get('reason', '')}: {one.get('message', '')}" for one in events]

    def ask(self, service: str, path: str, body: Any, port: str = "http") -> Any:
        """Sends a request to a Service, through the API server, which checks no certificate.

        Args:
            service: Its name.
            path: Of the URL, behind the server.
            body: JSON to send.
            port: What its port is called: http or https.

        Raises:
            Refused: The API server or the Service answered with an error status.
            Unreachable: No answer.
        """
        where = f"{self._path('Service', f'{port}:{service}:{port}')}/proxy/{path.lstrip('/')}"
        return self._call("POST", where, f"ask the Service {service}", [], body)

    def has_kserve(self) -> bool:
        """Whether the cluster knows InferenceServices."""
        try:
            self._call("GET", f"/{PATHS['InferenceService'][0]}", "look for KServe")
        except Refused as error:
            if error.status in (403, 404):
                return False
            raise
        return True

    def _path(self, kind: str, name: str = "") -> str:
        group, plural = PATHS[kind]
        path = f"/{group}/namespaces/{self.namespace}/{plural}"
        return f"{path}/{quote(name, safe=':')}" if name else path

    def _call(
        self,
        method: str,
        path: str,
        aim: str,
        query: list[tuple[str, str]] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Any:
        raw = self._send(method, path, query, body, content_type, aim)
        try:
            return json.loads(raw)
        except ValueError:
            raise EnvironmentFault(
                f"Could not {aim}: the answer is not JSON: {raw[:200]!r}",
                "Look at what stands between here and the cluster: a proxy, a login page.",
            ) from None

    def _send(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        aim: str = "ask the cluster",
    ) -> bytes:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            answer = self._api.call_api(
                path,
                method,
                query_params=list(query or []),
                header_params={"Accept": "application/json, */*", "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=SECONDS,
            )
            data: bytes = answer.data
        except ApiException as error:
            raise _refusal(error, aim, self.namespace) from None
        except (HTTPError, OSError) as error:
            said = getattr(error, "reason", None) or error
            if "CERTIFICATE_VERIFY_FAILED" in str(said):
                raise Unreachable(
                    f"Could not {aim}: the cluster's certificate is not trusted: {said}",
                    CERTIFICATE,
                ) from None
            raise Unreachable(
                f"Could not {aim}: the cluster does not answer: {said}",
                "Check the cluster, the network and KUBECONFIG: `kubectl get pods` must work.",
            ) from None
        return data


def own_namespace() -> str:
    """The namespace of the pod that this process runs in; "default" outside of one."""
    try:
        return _POD_NAMESPACE.read_text("utf-8").strip()
    except OSError:
        return "default"


def _refusal(error: Any, aim: str, namespace: str) -> BertworksError:
    """An error answer in words: what was asked, what the server said, what to do."""
    if not error.status:
        return Unreachable(f"Could not {aim}: {error.reason}", CERTIFICATE)
    try:
        said = json.loads(error.body or b"{}")
        message = str(said.get("message") or said.get("error") or "") or str(error.reason)
        causes = (said.get("details") or {}).get("causes") or []
        by_api = said.get("kind") == "Status"
    except (ValueError, AttributeError):
        message, causes, by_api = _text(error.body) or str(error.reason), [], False
    if error.status == 409 and any(c.get("reason") == "FieldManagerConflict" for c in causes):
        theirs = "; ".join(f"{c.get('field')}: {c.get('message')}" for c in causes)
        return Refused(
            409,
            f"Could not {aim}: somebody else set fields of it. {theirs}",
            "Undo that change, or make it in the spec. To take the fields over: bertworks deploy … "
            f"--dry-run | kubectl apply -n {namespace} --server-side --force-conflicts "
            f"--field-manager={MANAGER} -f -",
        )
    fixes = {
        401: "Log in again: `kubectl get pods` must work.",
        403: "Ask for this permission; k8s/base has the role that deploying needs.",
        404: f"Check that the namespace {namespace} exists and has what is named.",
        409: "Try again: it was changed at the same moment.",
        422: "Mend the value that it names, in the spec.",
    }
    fix = fixes.get(error.status, "Try again; `kubectl get events` may say more.")
    text = f"Could not {aim} ({error.status}): {message}"
    return Refused(error.status, text, fix, by_api=by_api)


def _text(body: Any) -> str:
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    return " ".join(text.split())[:300]
