"""A port-forward of our own, for when there is only a kubeconfig.

It listens on a free port of the loopback, and hands each connection to a ready pod through the
Kubernetes API's websocket; where that is not to be had, through `kubectl port-forward`. Nothing has to
be made anew when a pod goes away: the next connection finds the next pod. It ends with the program.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import re
import select
import shutil
import socket
import subprocess
import threading
from typing import Any

from bertworks.errors import EnvironmentFault
from pipelines.cluster.kube.client import SECONDS, api_client, why

SERVICE = "ml-pipeline"
CHUNK = 65536


class Forward:
    """Listens on the loopback and hands each connection to a ready pod of a service.

    Attributes:
        namespace: Where the service is.
        url: Where to send requests.
    """

    def __init__(self, api: Any, namespace: str, service: str, port: int) -> None:
        self._api, self.namespace, self._service, self._port = api, namespace, service, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._kubectl = Kubectl(namespace, service, port)
        self._by_kubectl = False
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name="port-forward", daemon=True).start()
        atexit.register(self.close)

    def close(self) -> None:
        """Stops listening."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept()
        with contextlib.suppress(OSError):
            self._listener.close()
        self._kubectl.stop()
        atexit.unregister(self.close)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        """Carries one connection; when the pod's end fails, says so in HTTP, and closes."""
        with near:
            try:
                far = self._far()
            except Exception as error:
                with contextlib.suppress(OSError):
                    near.recv(CHUNK)
                    near.sendall(_bad_gateway(f"port-forward: {why(error).message}"))
                return
            try:
                received = pump(near, far)
            finally:
                with contextlib.suppress(Exception):
                    far.close()
        if received == 0:
            # It opens and leads nowhere: the next connection goes the other way.
            self._kubectl.stop()
            self._by_kubectl = not self._by_kubectl and self._kubectl.installed

    def _far(self) -> Any:
        if self._by_kubectl:
            return self._kubectl.connect()
        pod, port = ready_pod(self._api, self.namespace, self._service, self._port)
        try:
            return open_socket(self._api, self.namespace, pod, port)
        except Exception as error:
            if not self._kubectl.installed:
                raise why(error) from None
            self._by_kubectl = True
            return self._kubectl.connect()


def _bad_gateway(message: str) -> bytes:
    """An answer that callers know to be passing."""
    body = json.dumps({"message": message}).encode()
    head = (
        "HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Kubectl:
    """`kubectl port-forward`, started when first needed and again when it has ended."""

    def __init__(self, namespace: str, service: str, port: int) -> None:
        self._command = [
            "kubectl", "port-forward", "--address=127.0.0.1", f"--namespace={namespace}",
            f"service/{service}", f":{port}",
        ]  # fmt: skip
        self._process: subprocess.Popen[str] | None = None
        self._local = 0
        self._lock = threading.Lock()

    @property
    def installed(self) -> bool:
        return shutil.which(self._command[0]) is not None

    def connect(self) -> socket.socket:
        """A socket to the service.

        Raises:
            EnvironmentFault: kubectl ends without listening.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            return socket.create_connection(("127.0.0.1", self._local), timeout=SECONDS[0])

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        line = self._process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        if found is None:
            self._process.terminate()
            raise EnvironmentFault(
                f"kubectl port-forward failed: {self._process.stderr.read().strip()}",
                f"Try it by hand: {' '.join(self._command)}",
            )
        self._local = int(found.group(1))
        for stream in (self._process.stdout, self._process.stderr):
            # kubectl writes a line a connection: an unread pipe would stop it.
            threading.Thread(target=stream.read, daemon=True).start()


def pump(near: Any, far: Any) -> int | None:
    """Copies bytes both ways until one side ends.

    Returns:
        How many bytes came from the far side, when that ended; None when the near side did.
    """
    received = 0
    while True:
        ready, _, _ = select.select([near, far], [], [])
        for side in ready:
            other = far if side is near else near
            ended = side
            try:
                data = side.recv(CHUNK)
                if data:
                    ended = other
                    other.sendall(data)
                    ended = None
            except OSError:
                pass
            if ended is not None:
                return received if ended is far else None
            received += len(data) if side is far else 0


def open_socket(api: Any, namespace: str, pod: str, port: int) -> Any:
    """A socket to a pod's port, through the Kubernetes API's websocket."""
    from kubernetes import client
    from kubernetes.stream import portforward

    # An ApiClient of its own: portforward() swaps one's method while it connects.
    own = client.ApiClient(api.configuration)
    own.default_headers.update(api.default_headers)
    opened = portforward(
        client.CoreV1Api(own).connect_get_namespaced_pod_portforward,
        pod,
        namespace,
        ports=str(port),
    )
    return opened.socket(port)


def ready_pod(api: Any, namespace: str, service: str, port: int) -> tuple[str, int]:
    """(name, port) of a ready pod behind a service's port.

    Raises:
        EnvironmentFault: The service is gone, or none of its pods is ready.
    """
    from kubernetes import client

    core = client.CoreV1Api(api)
    try:
        found = core.read_namespaced_service(service, namespace, _request_timeout=SECONDS)
        selector = ",".join(f"{k}={v}" for k, v in sorted((found.spec.selector or {}).items()))
        pods = core.list_namespaced_pod(
            namespace, label_selector=selector, _request_timeout=SECONDS
        ).items
    except Exception as error:
        raise why(error) from None
    target = next((one.target_port for one in found.spec.ports if one.port == port), port)
    for pod in pods:
        ready = any(
            one.type == "Ready" and one.status == "True" for one in pod.status.conditions or []
        )
        if ready and pod.metadata.deletion_timestamp is None:
            return pod.metadata.name, _number(pod, target)
    raise EnvironmentFault(
        f"No pod of the service {service} in {namespace} is ready ({len(pods)} there).",
        f"kubectl get pods -n {namespace} -l {selector}",
    )


def _number(pod: Any, target: Any) -> int:
    """A service's targetPort as a number: it may be the name of a container's port."""
    if str(target).isdigit():
        return int(target)
    for container in pod.spec.containers:
        for one in container.ports or []:
            if one.name == target:
                return int(one.container_port)
    raise EnvironmentFault(
        f"Pod {pod.metadata.name} has no port named {target}.", "Set KFP_HOST instead."
    )


def _service_port(api: Any, namespace: str, service: str) -> int | None:
    """The port of a service that speaks HTTP; None when there is no such service."""
    from kubernetes import client

    try:
        found = client.CoreV1Api(api).read_namespaced_service(
            service, namespace, _request_timeout=SECONDS
        )
    except client.ApiException as error:
        if error.status == 404:
            return None
        raise why(error) from None
    except Exception as error:
        raise why(error) from None
    ports = found.spec.ports
    named = next((one.port for one in ports if one.name == "http"), None)
    return int(named or ports[0].port)


def forward_to_kfp(namespaces: list[str], system: str) -> Forward:
    """A port-forward to the API of KFP.

    Args:
        namespaces: Where to look first.
        system: Where KFP usually is.

    Raises:
        EnvironmentFault: No kubeconfig, no such service, or no pod of it is ready.
    """
    api = _kube_or_advice()
    tried = list(dict.fromkeys([*namespaces, system]))
    for namespace in tried:
        port = _service_port(api, namespace, SERVICE)
        if port is not None:
            ready_pod(api, namespace, SERVICE, port)
            return Forward(api, namespace, SERVICE, port)
    raise EnvironmentFault(
        f"There is no service {SERVICE} in {' or '.join(tried)} of the cluster that your kubeconfig "
        "names.",
        "Install Kubeflow Pipelines, choose its cluster with `kubectl config use-context`, or set "
        "KFP_HOST.",
    )


def _kube_or_advice() -> Any:
    try:
        return api_client()
    except EnvironmentFault as error:
        raise EnvironmentFault(
            f"Where Kubeflow Pipelines is, is not known: KFP_HOST is not set. {error.message}",
            "Set KFP_HOST (or --host) to its address, or KUBECONFIG to a kubeconfig of its cluster.",
        ) from None
