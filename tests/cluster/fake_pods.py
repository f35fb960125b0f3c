"""The few calls of the Kubernetes API that watching runs needs: pods, their logs, port-forwards.

The port-forward speaks the real protocol (websocket, v4.channel.k8s.io) to the real client.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve


@dataclass
class FakePods:
    """A Kubernetes API with pods and services.

    Attributes:
        pods: By name, as the API shows them.
        services: The same.
        logs: Pod to its log; "POD/CONTAINER" for another container than the main one.
        workflows: Argo's records, as the API shows them.
        target: Port on this machine that every port-forward ends at.
        refuse: Status with which everything is answered, if set.
        websockets: Whether port-forwards are to be had.
    """

    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    workflows: list[dict[str, Any]] = field(default_factory=list)
    target: int = 0
    refuse: int = 0
    websockets: bool = True
    forwards: int = 0
    paths: list[str] = field(default_factory=list)

    def __enter__(self) -> FakePods:
        self._server = serve(
            self._forward,
            "127.0.0.1",
            0,
            process_request=self._answer,
            subprotocols=["v4.channel.k8s.io"],  # type: ignore[list-item]
            compression=None,
            close_timeout=0.2,
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()

    def kubeconfig(self, folder: Path) -> str:
        """Path of a kubeconfig for this server."""
        port = self._server.socket.getsockname()[1]
        file = folder / "kubeconfig"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
            "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "fake", "user": {}}],
        }
        file.write_text(yaml.safe_dump(content))
        return str(file)

    def add_service(self, name: str, namespace: str, target: int | str) -> None:
        """A service with a ready pod behind it."""
        self.services[name] = {
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "selector": {"app": name},
                "ports": [
                    {"name": "grpc", "port": 8887, "targetPort": 8887},
                    {"name": "http", "port": 8888, "targetPort": target},
                ],
            },
        }
        self.pods[f"{name}-1"] = {
            "metadata": {"name": f"{name}-1", "namespace": namespace, "labels": {"app": name}},
            "spec": {
                "containers": [{"name": "api", "ports": [{"name": "api", "containerPort": 8888}]}]
            },
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        }

    def add_step(self, run_id: str, step: str, status: dict[str, Any], log: str = "") -> str:
        """A pod of a run's step; returns its name."""
        name = f"wf-{step}-{len(self.pods)}"
        self.pods[name] = {
            "metadata": {
                "name": name,
                "namespace": "kubeflow",
                "creationTimestamp": f"2026-11-22T03:00:{len(self.pods):02}Z",
                "labels": {"pipeline/runid": run_id, "app.kubernetes.io/component": step},
            },
            "spec": {"containers": [{"name": "main"}]},
            "status": status,
        }
        self.logs[name] = log
        return name

    def add_own(
        self, run_id: str, node: str, status: dict[str, Any], log: str = "", container: str = "main"
    ) -> str:
        """A pod of KFP's own, of a driver: labelled with the run, not with a step."""
        name = f"wf-system-container-driver-{len(self.pods)}"
        self.pods[name] = {
            "metadata": {
                "name": name,
                "namespace": "kubeflow",
                "creationTimestamp": f"2026-11-22T03:00:{len(self.pods):02}Z",
                "labels": {"pipeline/runid": run_id, "workflows.argoproj.io/completed": "false"},
                "annotations": {"workflows.argoproj.io/node-name": f"wf(0).root(0).{node}(0)"},
            },
            "spec": {"containers": [{"name": "wait"}, {"name": "main"}]},
            "status": status,
        }
        self.logs[name if container == "main" else f"{name}/{container}"] = log
        return name

    def add_workflow(self, run_id: str, nodes: dict[str, str], shutdown: str = "") -> None:
        """Argo's record of a run: its failed nodes, by display name, with their messages."""
        self.workflows.append({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"name": "wf", "namespace": "kubeflow", "labels": {"pipeline/runid": run_id}},
            "spec": {"shutdown": shutdown} if shutdown else {},
            "status": {"nodes": {
                f"wf-{number}": {"id": f"wf-{number}", "displayName": name, "phase": "Error",
                                 "message": message, "finishedAt": f"2026-11-22T03:01:{number:02}Z"}
                for number, (name, message) in enumerate(nodes.items())
            }},
        })  # fmt: skip

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        parts = urlsplit(request.path)
        self.paths.append(parts.path)
        if self.refuse:
            return _response(self.refuse, {"message": "pods is forbidden", "code": self.refuse})
        if parts.path.endswith("/portforward"):
            return None if self.websockets else _response(403, {"message": "no upgrade"})
        if parts.path == "/apis/argoproj.io/v1alpha1/namespaces/kubeflow/workflows":
            wanted = parse_qs(parts.query)["labelSelector"][0].partition("=")[2]
            items = [
                one for one in self.workflows
                if one["metadata"]["labels"]["pipeline/runid"] == wanted
            ]  # fmt: skip
            return _response(200, {"kind": "WorkflowList", "items": items})
        found = re.fullmatch(
            r"/api/v1/namespaces/([^/]+)/(pods|services)(?:/([^/]+))?(/log)?", parts.path
        )
        if found is None:
            return _response(404, {"message": f"no path {parts.path}"})
        namespace, kind, name, log = found.groups()
        among = self.pods if kind == "pods" else self.services
        if name is None:
            selector = parse_qs(parts.query).get("labelSelector", [""])[0]
            wanted = dict(one.split("=") for one in selector.split(",") if one)
            items = [
                one
                for one in among.values()
                if one["metadata"]["namespace"] == namespace
                and wanted.items() <= one["metadata"].get("labels", {}).items()
            ]
            return _response(200, {"kind": "PodList", "apiVersion": "v1", "items": items})
        if name not in among or among[name]["metadata"]["namespace"] != namespace:
            return _response(404, {"message": f'{kind} "{name}" not found', "code": 404})
        if not log:
            return _response(200, among[name])
        query = parse_qs(parts.query)
        container = query.get("container", ["main"])[0]
        text = self.logs.get(name if container == "main" else f"{name}/{container}", "")
        if tail := query.get("tailLines"):
            text = "".join(text.splitlines(keepends=True)[-int(tail[0]) :])
        return _response(200, text)

    def _forward(self, connection: ServerConnection) -> None:
        """One forwarded connection: channel 0 is data, channel 1 errors; ports come first."""
        assert connection.request is not None
        port = int(parse_qs(urlsplit(connection.request.path).query)["ports"][0])
        self.forwards += 1
        for channel in (0, 1):
            connection.send(bytes([channel]) + port.to_bytes(2, "little"))
        with socket.create_connection(("127.0.0.1", self.target)) as far:

            def back() -> None:
                while data := far.recv(65536):
                    connection.send(b"\0" + data)
                connection.close()

            threading.Thread(target=back, daemon=True).start()
            for frame in connection:
                assert isinstance(frame, bytes) and frame[0] == 0
                far.sendall(frame[1:])


def _response(status: int, body: Any) -> Response:
    text = isinstance(body, str)
    data = (body if text else json.dumps(body)).encode()
    headers = Headers(
        {
            "Content-Type": "text/plain" if text else "application/json",
            "Content-Length": str(len(data)),
            "Connection": "close",
        }
    )
    return Response(status, HTTPStatus(status).phrase, headers, data)
