"""Finds Kubeflow Pipelines and logs in: `connect()`.

Where it is: `--host` or KFP_HOST; inside a pod the cluster's own service; else, when there is a
kubeconfig, a port-forward of our own to the `ml-pipeline` service.
Who we are: KFP_TOKEN or KFP_TOKEN_FILE (bearer token), the service-account token that Kubeflow mounts
into pods, or KFP_USERNAME and KFP_PASSWORD (Dex login, a session cookie).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bertworks.errors import EnvironmentFault
from pipelines.cluster.kfp.credentials import credentials_for
from pipelines.cluster.kfp.faults import Answer, LoginPage, Unreachable
from pipelines.cluster.kfp.transport import API, make_client

POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SYSTEM_NAMESPACE = "kubeflow"
API_PORT = 8888
LOCAL_UI = "http://localhost:8080"
ADDRESS = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<user>[^/@\s]*@)?"
    r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/\S*)?"
)


@dataclass
class Connection:
    """One KFP server that answered.

    Attributes:
        client: The `kfp.Client`. Every request has a time limit, reads are tried again, and what goes
            wrong is an EnvironmentFault: `transport.Answer` where the server refused (it is also a
            `kfp_server_api.ApiException`), `transport.Unreachable` where nothing usable came back.
        host: Root of the API; requests go to HOST/apis/v2beta1/...
        ui: Root of the pages, for links.
        namespace: Namespace of the runs' pods.
        multi_user: Whether the server keeps users' namespaces apart.
        hint: How to open `ui` when it is not reachable as it is; empty when it is.
    """

    client: Any
    host: str
    ui: str
    namespace: str
    multi_user: bool
    hint: str = ""
    _closers: list[Any] = field(default_factory=list, repr=False)

    @property
    def scope(self) -> str | None:
        """The namespace to send with requests: single-user servers know none."""
        return self.namespace if self.multi_user else None

    def run_link(self, run_id: str) -> str:
        """The run's page."""
        return f"{self.ui}/#/runs/details/{run_id}"

    def pipeline_link(self, pipeline_id: str, version_id: str) -> str:
        """The page of a pipeline's version."""
        return f"{self.ui}/#/pipelines/details/{pipeline_id}/version/{version_id}"

    def recurring_run_link(self, recurring_run_id: str) -> str:
        """The recurring run's page."""
        return f"{self.ui}/#/recurringrun/details/{recurring_run_id}"

    def kube(self) -> Any:
        """A `kubernetes.client.ApiClient` for the cluster.

        Raises:
            EnvironmentFault: There is neither a kubeconfig nor a pod's service account.
        """
        from pipelines.cluster.kube.client import api_client

        return api_client()

    def close(self) -> None:
        """Ends the port-forward, if there is one. Also done when the program ends."""
        for close in self._closers:
            close()
        self._closers.clear()


def connect(
    host: str | None = None,
    namespace: str | None = None,
    *,
    insecure: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> Connection:
    """Connects to Kubeflow Pipelines and checks that it answers.

    Args:
        host: Address of KFP; None: KFP_HOST, the pod's cluster, or a port-forward, in this order.
        namespace: Namespace of the runs; None: KFP_NAMESPACE, or what the server's mode says.
        insecure: Do not verify the server's certificate (also KFP_INSECURE=1).
        environment: Where the settings named in this module's description are read.

    Raises:
        EnvironmentFault: KFP cannot be found or reached, does not let us in, or is not KFP.
    """
    wanted = namespace or environment.get("KFP_NAMESPACE") or None
    insecure = insecure or environment.get("KFP_INSECURE", "") in ("1", "true", "yes")
    if insecure:
        print(
            "warning: the server's certificate is NOT verified (--insecure): "
            "whoever is in between can read and change everything, tokens included",
            file=sys.stderr,
        )
    closers: list[Any] = []
    where, ui, hint, system = _locate(host, wanted, environment, closers)
    try:
        where, client, multi_user = _open(where, insecure, environment)
        runs_in = _namespace(wanted, system, multi_user, where, environment)
    except BaseException:
        for close in closers:
            close()
        raise
    client.set_user_namespace(runs_in if multi_user else "")
    return Connection(
        client=client,
        host=where,
        ui=(ui or where).rstrip("/"),
        namespace=runs_in,
        multi_user=multi_user,
        hint=hint,
        _closers=closers,
    )


def _open(host: str, insecure: bool, environment: Mapping[str, str]) -> tuple[str, Any, bool]:
    """(API root, client, multi-user?) of the KFP at `host`, or at `host`/pipeline.

    Kubeflow's central dashboard sits at the root, KFP below /pipeline: people paste either.
    """
    ca_file = environment.get("KFP_CA_FILE") or None
    in_cluster = in_pod(environment) and inside_cluster(urlsplit(host).hostname or "")
    credentials = credentials_for(
        host, environment, in_cluster=in_cluster, verify=not insecure and (ca_file or True)
    )
    first: EnvironmentFault | None = None
    for root in (host, f"{host}/pipeline"):
        client = make_client(root, credentials, verify=not insecure, ca_file=ca_file)
        try:
            return root, client, bool(client.healthzs.healthz_service_get_healthz().multi_user)
        except (Answer, LoginPage) as error:
            if isinstance(error, Answer) and error.status != 404:
                raise
            first = first or error
            if urlsplit(host).path:
                break
    raise _not_kfp(host, credentials, not insecure, ca_file, first) from None


def _not_kfp(
    host: str, credentials: Any, verify: bool, ca_file: str | None, first: EnvironmentFault | None
) -> EnvironmentFault:
    """Why no v2 API answered: an old KFP, a login page, or something else."""
    client = make_client(host, credentials, verify=verify, ca_file=ca_file)
    try:
        client._run_api.api_client.call_api(
            "/apis/v1beta1/healthz", "GET", response_type="object", auth_settings=["Bearer"]
        )
    except EnvironmentFault:
        if isinstance(first, LoginPage):
            return first
        return Unreachable(
            f"{host} answers, but not as Kubeflow Pipelines: it has no {API}/healthz.",
            "Check --host or KFP_HOST: for Kubeflow it is usually https://HOST/pipeline, for KFP "
            "alone the address of ml-pipeline-ui or ml-pipeline.",
        )
    return Unreachable(
        f"{host} is Kubeflow Pipelines 1: it has the v1 API only.",
        "bertworks needs KFP 2 (2.17 is tested): upgrade the server.",
    )


def every(call: Callable[..., Any], field: str, **query: Any) -> Iterator[Any]:
    """What a list call of the client has, page by page as it is asked for.

    Args:
        call: The client's method.
        field: Where its answer has the items.
        query: Its other arguments.
    """
    token = ""
    while True:
        page = call(page_token=token, **query)
        yield from getattr(page, field) or []
        token = page.next_page_token or ""
        if not token:
            return


def in_pod(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process runs in a Kubernetes pod with a service account."""
    return "KUBERNETES_SERVICE_HOST" in environment and (POD / "token").exists()


def _locate(
    host: str | None, namespace: str | None, environment: Mapping[str, str], closers: list[Any]
) -> tuple[str, str, str, str]:
    """(API root, UI root, how to open the UI, KFP's own namespace)."""
    ui = environment.get("KF_PIPELINES_UI_ENDPOINT", "")
    forward = f"kubectl port-forward -n {{}} svc/ml-pipeline-ui {urlsplit(LOCAL_UI).port}:80"
    if given := host or environment.get("KFP_HOST"):
        where = normal_host(given)
        if urlsplit(where).port == API_PORT and not ui:  # the API alone, which has no pages
            return where, LOCAL_UI, forward.format(SYSTEM_NAMESPACE), SYSTEM_NAMESPACE
        return where, ui, "", SYSTEM_NAMESPACE
    if in_pod(environment):
        service = f"http://ml-pipeline.{SYSTEM_NAMESPACE}.svc.cluster.local:{API_PORT}"
        hint = "" if ui else forward.format(SYSTEM_NAMESPACE)
        return service, ui or LOCAL_UI, hint, SYSTEM_NAMESPACE
    from pipelines.cluster.kube.forward import forward_to_kfp

    forwarded = forward_to_kfp([namespace] if namespace else [], SYSTEM_NAMESPACE)
    closers.append(forwarded.close)
    hint = "" if ui else forward.format(forwarded.namespace)
    return forwarded.url, ui or LOCAL_UI, hint, forwarded.namespace


def normal_host(given: str) -> str:
    """An address as people paste it, made into the root of the API.

    A missing scheme is http for this machine and addresses inside a cluster, else https; a page's
    fragment (`/#/runs`), the dashboard's frame (`/_/pipeline`) and a trailing slash go.

    Raises:
        EnvironmentFault: It is no http address, or has a password in it.
    """
    found = ADDRESS.fullmatch(re.split("[?#]", given.strip(), maxsplit=1)[0].rstrip("/"))
    if found is None or int(found["port"] or 1) not in range(1, 65536):
        raise EnvironmentFault(
            f"The address of Kubeflow Pipelines must be http(s)://HOST[:PORT][/PATH]. "
            f"Received: {re.sub('//[^/@]*@', '//***@', given)!r}",
            "Set --host or KFP_HOST, for example https://kubeflow.example.com/pipeline.",
        )
    if found["user"]:
        raise EnvironmentFault(
            "The address of Kubeflow Pipelines has a user name or a password in it.",
            "Use KFP_USERNAME and KFP_PASSWORD, or KFP_TOKEN, and take them out of the address.",
        )
    name = found["name"].lower()
    near = name in ("localhost", "[::1]") or name.startswith("127.") or inside_cluster(name)
    scheme = found["scheme"] or ("http" if near else "https")
    path = (found["path"] or "").replace("/_/pipeline", "/pipeline")
    path = re.sub(r"(/apis(/v[^/]*)?)+$", "", path).rstrip("/")
    return f"{scheme}://{name}{':' + found['port'] if found['port'] else ''}{path}"


def inside_cluster(name: str) -> bool:
    """Whether a host's name can only be a Kubernetes service: ml-pipeline.kubeflow[.svc[...]]."""
    return bool(re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+\.svc(\.cluster\.local)?", name)) or (
        name == "ml-pipeline" or name.startswith("ml-pipeline.")
    )


def _namespace(
    wanted: str | None,
    system: str,
    multi_user: bool,
    host: str,
    environment: Mapping[str, str],
) -> str:
    if wanted:
        return wanted
    if not multi_user:
        return system
    if in_pod(environment) and (POD / "namespace").is_file():
        return (POD / "namespace").read_text("utf-8").strip()
    raise EnvironmentFault(
        f"{host} is multi-user: each request needs a namespace, and none was given.",
        "Set --namespace or KFP_NAMESPACE to your profile's namespace.",
    )
