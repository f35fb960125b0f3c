"""A small Kubernetes API server over loopback, for tests.

It keeps JSON objects, checks built-in kinds against the schemas of kubernetes-validate (strictly), and
answers GET, LIST, watch, POST, PUT, PATCH (server-side apply, merge, strategic, JSON) and DELETE on
every resource it knows, discovery, /version, and access reviews. No controllers run: a test that needs
one (a Deployment becoming ready) puts a function in `controllers`, which is called after every write.

    with FakeKubernetes() as cluster:
        cluster.add({"apiVersion": "v1", "kind": "Secret", ...})
        os.environ["KUBECONFIG"] = cluster.kubeconfig(tmp_path)
"""

from __future__ import annotations

import copy
import functools
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import kubernetes_validate
import kubernetes_validate.utils
import yaml

# It reads 600 kB of JSON anew for each object.
kubernetes_validate.utils.schema_contents = functools.cache(
    kubernetes_validate.utils.schema_contents
)

VERSION = "1.36"
TOKEN = "fake-token"
Json = dict[str, Any]
# group/version: kind -> (plural, namespaced). The empty group is the core API.
KINDS: dict[str, dict[str, tuple[str, bool]]] = {
    "v1": {
        "Namespace": ("namespaces", False),
        "Node": ("nodes", False),
        "PersistentVolume": ("persistentvolumes", False),
        "Pod": ("pods", True),
        "Service": ("services", True),
        "Endpoints": ("endpoints", True),
        "Secret": ("secrets", True),
        "ConfigMap": ("configmaps", True),
        "PersistentVolumeClaim": ("persistentvolumeclaims", True),
        "ServiceAccount": ("serviceaccounts", True),
        "Event": ("events", True),
        "ResourceQuota": ("resourcequotas", True),
        "LimitRange": ("limitranges", True),
    },
    "apps/v1": {
        "Deployment": ("deployments", True),
        "ReplicaSet": ("replicasets", True),
        "StatefulSet": ("statefulsets", True),
        "DaemonSet": ("daemonsets", True),
    },
    "batch/v1": {"Job": ("jobs", True), "CronJob": ("cronjobs", True)},
    "autoscaling/v2": {"HorizontalPodAutoscaler": ("horizontalpodautoscalers", True)},
    "policy/v1": {"PodDisruptionBudget": ("poddisruptionbudgets", True)},
    "networking.k8s.io/v1": {
        "NetworkPolicy": ("networkpolicies", True),
        "Ingress": ("ingresses", True),
    },
    "rbac.authorization.k8s.io/v1": {
        "Role": ("roles", True),
        "RoleBinding": ("rolebindings", True),
        "ClusterRole": ("clusterroles", False),
        "ClusterRoleBinding": ("clusterrolebindings", False),
    },
    "storage.k8s.io/v1": {"StorageClass": ("storageclasses", False)},
    "apiextensions.k8s.io/v1": {"CustomResourceDefinition": ("customresourcedefinitions", False)},
    "authorization.k8s.io/v1": {
        "SelfSubjectAccessReview": ("selfsubjectaccessreviews", False),
        "SubjectAccessReview": ("subjectaccessreviews", False),
    },
}
# Custom resources, served only after `serve("kserve", ...)`: their schemas are not checked.
CUSTOM: dict[str, dict[str, dict[str, tuple[str, bool]]]] = {
    "kserve": {"serving.kserve.io/v1beta1": {"InferenceService": ("inferenceservices", True)}},
    "monitoring": {
        "monitoring.coreos.com/v1": {
            "ServiceMonitor": ("servicemonitors", True),
            "PrometheusRule": ("prometheusrules", True),
        }
    },
    "kfp": {
        "kubeflow.org/v1beta1": {"ScheduledWorkflow": ("scheduledworkflows", True)},
        "argoproj.io/v1alpha1": {"Workflow": ("workflows", True)},
    },
}
Key = tuple[str, str, str, str]  # group/version, plural, namespace, name


class Refused(Exception):
    """An answer other than 2xx, as a Kubernetes Status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }


@dataclass
class Request:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    content_type: str
    body: Any


@dataclass
class Target:
    """What a path names."""

    api: str
    plural: str
    kind: str
    namespaced: bool
    namespace: str = ""
    name: str = ""
    subresource: str = ""


@dataclass
class FakeKubernetes:
    """The server; also a context manager.

    Attributes:
        allowed: Says yes or no to an access review's attributes (verb, group, resource, subresource,
            namespace, name, and user for a SubjectAccessReview).
        refuse: Called before each request; raise Refused to fail it.
        controllers: Called with (server, object) after each write, on the server's thread.
        requests: Everything that was asked, in order.
    """

    allowed: Callable[[Json], bool] = lambda attributes: True
    refuse: Callable[[Request], None] = lambda request: None
    controllers: list[Callable[[FakeKubernetes, Json], None]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    delay_seconds: float = 0.0

    def __post_init__(self) -> None:
        self._objects: dict[Key, Json] = {}
        self._owned: dict[tuple[Key, str], Json] = {}
        self._kinds = copy.deepcopy(KINDS)
        self._changed = threading.Condition(threading.RLock())
        self._version = 100
        self._log: list[tuple[int, str, Key, Json]] = []
        self._server: ThreadingHTTPServer | None = None

    # ---- for tests -------------------------------------------------------------------------------

    def __enter__(self) -> FakeKubernetes:
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def kubeconfig(self, folder: Path, namespace: str = "default", token: str = TOKEN) -> str:
        """Writes a kubeconfig that points here; returns its path."""
        file = Path(folder) / "kubeconfig"
        file.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
                    "users": [{"name": "fake", "user": {"token": token}}],
                    "contexts": [
                        {
                            "name": "fake",
                            "context": {"cluster": "fake", "user": "fake", "namespace": namespace},
                        }
                    ],
                    "current-context": "fake",
                }
            ),
            encoding="utf-8",
        )
        return str(file)

    def use(self, monkeypatch: Any, folder: Path, **options: str) -> None:
        """Makes this the cluster of the kubeconfig, for the length of a test."""
        file = self.kubeconfig(folder, **options)
        monkeypatch.setenv("KUBECONFIG", file)
        # The client reads the variable when it is imported, which an earlier test may have done.
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", file)

    def serve(self, *names: str) -> None:
        """Also serves custom resources: "kserve", "monitoring", "kfp"."""
        for name in names:
            for api, kinds in CUSTOM[name].items():
                self._kinds.setdefault(api, {}).update(kinds)

    def add(self, *objects: Json) -> None:
        """Puts objects in, status included, checked like any other; a namespace comes by itself."""
        for given in objects:
            body = copy.deepcopy(given)
            plural, namespaced = self._kinds[body["apiVersion"]][body["kind"]]
            space = body["metadata"].setdefault("namespace", "default") if namespaced else ""
            if space and ("v1", "namespaces", "", space) not in self._objects:
                self.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
            self._keep((body["apiVersion"], plural, space, body["metadata"]["name"]), body, "ADDED")

    def get(self, kind: str, name: str, namespace: str = "") -> Json | None:
        """An object as it is now."""
        with self._changed:
            return next(
                (o for o in self.all(kind, namespace) if o["metadata"]["name"] == name), None
            )

    def all(self, kind: str, namespace: str = "") -> list[Json]:
        """The objects of a kind, copied."""
        with self._changed:
            return [
                copy.deepcopy(o)
                for key, o in sorted(self._objects.items())
                if o["kind"] == kind and (not namespace or key[2] == namespace)
            ]

    def update(self, kind: str, name: str, namespace: str = "", **parts: Any) -> None:
        """Replaces top-level parts of an object, e.g. status={...}; what a controller would do."""
        with self._changed:
            key = next(
                k
                for k, o in self._objects.items()
                if o["kind"] == kind and k[3] == name and (not namespace or k[2] == namespace)
            )
            self._keep(key, {**self._objects[key], **copy.deepcopy(parts)}, "MODIFIED")

    def remove(self, kind: str, name: str, namespace: str = "") -> None:
        """Takes an object away, as the garbage collector would."""
        with self._changed:
            for key, o in list(self._objects.items()):
                if o["kind"] == kind and key[3] == name and (not namespace or key[2] == namespace):
                    self._drop(key)

    # ---- the API ---------------------------------------------------------------------------------

    def answer(self, request: Request) -> tuple[int, Any]:
        """(status, JSON) for one request."""
        self.requests.append(request)
        self.refuse(request)
        if request.method == "GET" and (found := self._discovery(request.path)) is not None:
            return 200, found
        target = self._target(request.path)
        with self._changed:
            if target.plural.endswith("subjectaccessreviews"):
                return 201, self._review(target, request.body)
            return {
                "GET": self._read,
                "POST": self._create,
                "PUT": self._replace,
                "PATCH": self._patch,
                "DELETE": self._delete,
            }[request.method](target, request)

    def _discovery(self, path: str) -> Any:
        if path == "/version":
            major, minor = VERSION.split(".")
            return {
                "major": major,
                "minor": minor,
                "gitVersion": f"v{VERSION}.1",
                "gitCommit": "0" * 40,
                "gitTreeState": "clean",
                "buildDate": "2026-06-01T00:00:00Z",
                "goVersion": "go1.27",
                "compiler": "gc",
                "platform": "linux/amd64",
            }
        if path in ("/healthz", "/readyz", "/livez"):
            return "ok"
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        groups: dict[str, list[str]] = {}
        for api in self._kinds:
            if "/" in api:
                groups.setdefault(api.partition("/")[0], []).append(api)
        if path == "/apis":
            return {
                "kind": "APIGroupList",
                "apiVersion": "v1",
                "groups": [self._group(name, apis) for name, apis in groups.items()],
            }
        match = re.fullmatch(r"/(?:api|apis)/([^/]+(?:/[^/]+)?)", path)
        if match is None:
            return None
        if match.group(1) in self._kinds:
            return {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": match.group(1),
                "resources": [
                    {
                        "name": plural + sub,
                        "singularName": "",
                        "namespaced": namespaced,
                        "kind": kind,
                        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
                    }
                    for kind, (plural, namespaced) in self._kinds[match.group(1)].items()
                    for sub in ("", "/status")
                ],
            }
        name = match.group(1)
        return self._group(name, groups[name]) if name in groups else None

    @staticmethod
    def _group(name: str, apis: list[str]) -> Json:
        versions = [{"groupVersion": a, "version": a.partition("/")[2]} for a in apis]
        return {
            "kind": "APIGroup",
            "apiVersion": "v1",
            "name": name,
            "versions": versions,
            "preferredVersion": versions[0],
        }

    def _target(self, path: str) -> Target:
        match = re.fullmatch(
            r"/(?:api/(?P<core>v1)|apis/(?P<api>[^/]+/[^/]+))"
            r"(?:/namespaces/(?P<space>[^/]+)(?=/[^/]+))?/(?P<plural>[^/]+)"
            r"(?:/(?P<name>[^/]+))?(?:/(?P<sub>.+))?",
            path,
        )
        if match is not None:
            api, space = match["core"] or match["api"], match["space"] or ""
            plural, name, sub = match["plural"], match["name"] or "", match["sub"] or ""
            if space and plural in ("status", "finalize") and api == "v1":
                space, plural, name, sub = "", "namespaces", space, plural
            for kind, (known, namespaced) in self._kinds.get(api, {}).items():
                if known == plural and (namespaced or not space):
                    return Target(
                        api, plural, kind, namespaced, unquote(space), unquote(name), unquote(sub)
                    )
        raise Refused(404, "NotFound", "the server could not find the requested resource")

    def _review(self, target: Target, body: Json) -> Json:
        self._validate(body)
        spec = body["spec"]
        attributes = dict(spec.get("resourceAttributes") or spec.get("nonResourceAttributes") or {})
        if target.kind == "SubjectAccessReview":
            attributes["user"] = spec.get("user", "")
        yes = bool(self.allowed(attributes))
        return {**body, "status": {"allowed": yes, **({} if yes else {"reason": "no rule"})}}

    def _read(self, target: Target, request: Request) -> tuple[int, Any]:
        if target.name:
            return 200, self._known(target)
        chosen = [
            o for key, o in sorted(self._objects.items()) if self._listed(key, o, target, request)
        ]
        start, limit = int(request.query.get("continue", 0)), int(request.query.get("limit", 0))
        page = chosen[start : start + limit] if limit else chosen[start:]
        more = bool(limit) and start + limit < len(chosen)
        meta = {"resourceVersion": str(self._version)}
        if more:
            meta |= {"continue": str(start + limit)}
        # As the real server: items of a list carry neither kind nor apiVersion.
        items = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in page]
        return 200, {
            "kind": f"{target.kind}List",
            "apiVersion": target.api,
            "metadata": meta,
            "items": copy.deepcopy(items if target.api in KINDS else page),
        }

    def _listed(self, key: Key, o: Json, target: Target, request: Request) -> bool:
        if key[:2] != (target.api, target.plural):
            return False
        if target.namespace and key[2] != target.namespace:
            return False
        labels = o["metadata"].get("labels") or {}
        return _selects(request.query.get("labelSelector", ""), labels.get) and _selects(
            request.query.get("fieldSelector", ""), lambda path: _at(o, path)
        )

    def _create(self, target: Target, request: Request) -> tuple[int, Any]:
        body = copy.deepcopy(request.body)
        if target.name:
            if target.subresource in ("eviction", "token", "binding"):
                return 201, body
            raise Refused(405, "MethodNotAllowed", "the server does not allow this method")
        self._expect_kind(target, body)
        meta = body.setdefault("metadata", {})
        if "name" not in meta and meta.get("generateName"):
            meta["name"] = meta["generateName"] + uuid.uuid4().hex[:5]
        self._settle(target, meta)
        key = self._key(target, meta["name"])
        if key in self._objects:
            raise Refused(409, "AlreadyExists", f'{target.plural} "{meta["name"]}" already exists')
        return 201, self._keep(key, body, "ADDED")

    def _replace(self, target: Target, request: Request) -> tuple[int, Any]:
        before = self._known(target)
        body = copy.deepcopy(request.body)
        self._expect_kind(target, body)
        given = body.get("metadata", {}).get("resourceVersion")
        if given and given != before["metadata"]["resourceVersion"]:
            raise Refused(
                409, "Conflict", "the object has been modified; please apply your changes"
            )
        if target.subresource == "status":
            body = {**before, "status": body.get("status", {})}
        elif "status" in before:
            body["status"] = before["status"]
        body["metadata"] = {**before["metadata"], **body.get("metadata", {})}
        return 200, self._keep(self._key(target, target.name), body, "MODIFIED")

    def _patch(self, target: Target, request: Request) -> tuple[int, Any]:
        key = self._key(target, target.name)
        kind = request.content_type.partition(";")[0]
        if kind == "application/apply-patch+yaml":
            return self._apply(target, key, request)
        before = self._known(target)
        if kind == "application/json-patch+json":
            body = _json_patch(before, request.body)
        elif kind in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
            body = merge(before, request.body, by_name="strategic" in kind)
        else:
            raise Refused(415, "UnsupportedMediaType", f"the patch type {kind!r} is not supported")
        if target.subresource == "scale":
            body = merge(before, {"spec": {"replicas": request.body["spec"]["replicas"]}})
        elif target.subresource != "status" and "status" in before:
            body["status"] = before["status"]
        return 200, self._keep(key, body, "MODIFIED")

    def _apply(self, target: Target, key: Key, request: Request) -> tuple[int, Any]:
        manager = request.query.get("fieldManager", "")
        if not manager:
            raise Refused(
                400, "BadRequest", "PatchOptions: fieldManager is required for apply patch"
            )
        body = copy.deepcopy(request.body)
        self._expect_kind(target, body)
        if body.get("metadata", {}).get("managedFields"):
            raise Refused(400, "BadRequest", "metadata.managedFields must be nil")
        self._settle(target, body.setdefault("metadata", {}))
        if body["metadata"].get("name") != target.name:
            raise Refused(400, "BadRequest", "the name of the object does not match the URL")
        before = self._objects.get(key)
        owned = self._owned.get((key, manager))
        self._owned[(key, manager)] = copy.deepcopy(body)
        if before is None:
            return 201, self._keep(key, body, "ADDED")
        kept = _without(before, owned, body) if owned else copy.deepcopy(before)
        return 200, self._keep(key, merge(kept, body, by_name=True), "MODIFIED")

    def _delete(self, target: Target, request: Request) -> tuple[int, Any]:
        if not target.name:
            for key, o in list(self._objects.items()):
                if self._listed(key, o, target, request):
                    self._drop(key)
            return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        self._known(target)
        self._drop(self._key(target, target.name))
        return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    # ---- keeping ---------------------------------------------------------------------------------

    def _key(self, target: Target, name: str) -> Key:
        return target.api, target.plural, target.namespace if target.namespaced else "", name

    def _known(self, target: Target) -> Json:
        found = self._objects.get(self._key(target, target.name))
        if found is None:
            group = target.api.partition("/")[0] if "/" in target.api else ""
            name = f"{target.plural}.{group}" if group else target.plural
            raise Refused(404, "NotFound", f'{name} "{target.name}" not found')
        return copy.deepcopy(found)

    def _expect_kind(self, target: Target, body: Any) -> None:
        got = (body.get("apiVersion"), body.get("kind")) if isinstance(body, dict) else None
        if got != (target.api, target.kind):
            raise Refused(
                400, "BadRequest", f"{target.api} {target.kind} does not match the body: {got}"
            )

    def _settle(self, target: Target, meta: Json) -> None:
        """The namespace of a new object: the path's, which must exist."""
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", str(meta.get("name", ""))):
            raise Refused(422, "Invalid", f"metadata.name: Invalid value: {meta.get('name')!r}")
        if not target.namespaced:
            return
        if not target.namespace:
            raise Refused(400, "BadRequest", "an empty namespace may not be set during creation")
        if meta.setdefault("namespace", target.namespace) != target.namespace:
            raise Refused(
                400, "BadRequest", "the namespace of the object does not match the request"
            )
        if ("v1", "namespaces", "", target.namespace) not in self._objects:
            raise Refused(404, "NotFound", f'namespaces "{target.namespace}" not found')

    def _keep(self, key: Key, body: Json, event: str) -> Json:
        self._validate(body)
        with self._changed:
            self._version += 1
            meta = body["metadata"]
            meta.setdefault("uid", str(uuid.uuid4()))
            meta.setdefault("creationTimestamp", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
            before = self._objects.get(key)
            if before is None:
                meta.setdefault("generation", 1)
            elif before.get("spec") != body.get("spec"):
                meta["generation"] = before["metadata"].get("generation", 1) + 1
            meta["resourceVersion"] = str(self._version)
            self._objects[key] = body
            self._log.append((self._version, event, key, copy.deepcopy(body)))
            self._changed.notify_all()
            for controller in self.controllers if not getattr(self, "_inside", False) else []:
                self._inside = True
                try:
                    controller(self, copy.deepcopy(body))
                finally:
                    self._inside = False
            return copy.deepcopy(self._objects.get(key, body))

    def _drop(self, key: Key) -> None:
        self._version += 1
        self._log.append((self._version, "DELETED", key, self._objects.pop(key)))
        self._changed.notify_all()

    def _validate(self, body: Json) -> None:
        if body.get("apiVersion") not in KINDS:
            return
        try:
            kubernetes_validate.validate(body, VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            where = ".".join(map(str, getattr(error, "path", [])))
            raise Refused(422, "Invalid", f"{body['kind']}: {where}: {error.message}") from None

    def events(self, request: Request) -> Iterator[Json]:
        """The events of a watch, until its time is over (1 s when it names none)."""
        target = self._target(request.path)
        seen = int(request.query.get("resourceVersion") or 0)
        end = datetime.now(UTC).timestamp() + float(request.query.get("timeoutSeconds", 1))
        if not seen:
            with self._changed:
                seen = self._version
                first = [o for k, o in self._objects.items() if self._listed(k, o, target, request)]
            for o in first:
                yield {"type": "ADDED", "object": o}
        while (left := end - datetime.now(UTC).timestamp()) > 0:
            with self._changed:
                new = [e for e in self._log if e[0] > seen]
                if not new:
                    self._changed.wait(min(left, 0.2))
                    continue
            for version, kind, key, o in new:
                seen = version
                if self._listed(key, o, target, request):
                    yield {"type": kind, "object": o}


class _Handler(BaseHTTPRequestHandler):
    fake: FakeKubernetes
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        kind = self.headers.get("Content-Type") or "application/json"
        request = Request(
            self.command,
            parts.path.rstrip("/"),
            {k: v[-1] for k, v in parse_qs(parts.query).items()},
            kind,
            (yaml.safe_load(raw) if "yaml" in kind else json.loads(raw)) if raw else None,
        )
        if self.fake.delay_seconds:
            threading.Event().wait(self.fake.delay_seconds)
        try:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise Refused(401, "Unauthorized", "Unauthorized")
            if request.query.get("watch") in ("true", "True", "1"):
                self.fake.requests.append(request)
                self.fake.refuse(request)
                self._watch(request)
                return
            status, body = self.fake.answer(request)
        except Refused as error:
            status, body = error.code, error.status
        raw = isinstance(body, bytes)  # a pod's log
        data = body if raw else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if raw else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _watch(self, request: Request) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for event in self.fake.events(request):
                self.wfile.write(json.dumps(event).encode() + b"\n")
                self.wfile.flush()
        except OSError:
            pass
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve


def merge(before: Any, patch: Any, *, by_name: bool = False) -> Any:
    """RFC 7396; `by_name`: lists of objects with a name (or a port, a key) are merged item by item."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merge(result.get(key), value, by_name=by_name)
        elif by_name and (ident := _identity(value, result.get(key))):
            result[key] = _merge_lists(result[key], value, ident)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _identity(*lists: Any) -> str:
    """The key by which the items of all these lists are told apart; empty: they are not."""
    for name in ("name", "containerPort", "mountPath", "type"):
        if all(
            isinstance(one, list) and one and all(isinstance(i, dict) and name in i for i in one)
            for one in lists
        ):
            return name
    return ""


def _merge_lists(before: list[Json], patch: list[Json], ident: str) -> list[Json]:
    result = {item[ident]: item for item in before}
    for item in patch:
        result[item[ident]] = merge(result.get(item[ident]), item, by_name=True)
    return list(result.values())


def _without(before: Any, owned: Any, given: Any) -> Any:
    """`before` less what was applied last time (`owned`) and is not applied now (`given`)."""
    if not (isinstance(before, dict) and isinstance(owned, dict)):
        return copy.deepcopy(before)
    result = {}
    for key, value in before.items():
        if key in owned and (not isinstance(given, dict) or key not in given):
            continue
        inner_owned, inner_given = owned.get(key), (given or {}).get(key)
        ident = _identity(value, inner_owned)
        if ident and isinstance(inner_given, list):
            mine = {i[ident]: i for i in inner_owned}
            now = {i[ident]: i for i in inner_given if ident in i}
            result[key] = [
                _without(i, mine.get(i[ident], {}), now.get(i[ident], {}))
                for i in value
                if i[ident] not in mine or i[ident] in now
            ]
        else:
            result[key] = _without(value, inner_owned, inner_given)
    return result


def _json_patch(before: Json, operations: list[Json]) -> Json:
    """RFC 6902: add, replace, remove and test."""
    result = copy.deepcopy(before)
    for one in operations:
        *parents, last = [
            p.replace("~1", "/").replace("~0", "~") for p in one["path"].lstrip("/").split("/")
        ]
        at: Any = result
        try:
            for part in parents:
                at = at[int(part)] if isinstance(at, list) else at[part]
            place: Any = last
            if isinstance(at, list):
                place = len(at) if last == "-" else int(last)
            if one["op"] == "remove":
                del at[place]
            elif one["op"] == "test":
                if at[place] != one["value"]:
                    raise Refused(422, "Invalid", f"test failed at {one['path']}")
            elif isinstance(at, list) and one["op"] == "add":
                at.insert(place, one["value"])
            else:
                at[place] = one["value"]
        except (KeyError, IndexError, ValueError):
            raise Refused(422, "Invalid", f"no such path: {one['path']}") from None
    return result


def _selects(selector: str, value_of: Callable[[str], Any]) -> bool:
    """Whether a label or field selector chooses: a=b, a==b, a!=b, a in (b,c), a, !a."""
    for one in re.split(r",(?![^(]*\))", selector):
        one = one.strip()
        if not one:
            continue
        if match := re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", one):
            inside = value_of(match[1]) in [v.strip() for v in match[3].split(",")]
            good = inside == (match[2] == "in")
        elif "!=" in one:
            key, _, wanted = one.partition("!=")
            good = value_of(key) != wanted
        elif "=" in one:
            key, _, wanted = one.replace("==", "=").partition("=")
            good = value_of(key) == wanted
        elif one.startswith("!"):
            good = value_of(one[1:]) is None
        else:
            good = value_of(one) is not None
        if not good:
            return False
    return True


def _at(o: Json, path: str) -> Any:
    value: Any = o
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
