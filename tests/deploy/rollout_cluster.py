"""A Kubernetes API server whose Deployments roll out, after a fashion.

On each write of a Deployment its controller makes new pods and lets old ones go as a rolling update with
`maxUnavailable: 0` would: as long as the new pods are not ready, the old ones stay. What a pod does is
up to the test, by version: `behave[3] = crash`.
"""

from __future__ import annotations

import copy
import re

from fake_kubernetes import FakeKubernetes, Refused

READY = {
    "phase": "Running",
    "podIP": "127.0.0.1",
    "conditions": [{"type": "Ready", "status": "True"}],
    "containerStatuses": [
        {"name": "server", "ready": True, "restartCount": 0, "image": "i", "imageID": "i",
         "state": {"running": {}}}
    ],
}  # fmt: skip


def waiting(reason, message="", restarts=0, ended=None):
    """The status of a pod whose container waits."""
    one = {"name": "server", "ready": False, "restartCount": restarts, "image": "i", "imageID": "i",
           "state": {"waiting": {"reason": reason, "message": message}}}  # fmt: skip
    if ended:
        one["lastState"] = {"terminated": ended}
    return {"phase": "Pending", "containerStatuses": [one]}


CRASHING = waiting("CrashLoopBackOff", restarts=3, ended={"exitCode": 5, "reason": "Error"})
NO_IMAGE = waiting("InvalidImageName", "couldn't parse image name")
UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
         "message": "0/3 nodes are available: 3 Insufficient memory."}
    ],
}  # fmt: skip


class RolloutCluster(FakeKubernetes):
    """The server.

    Attributes:
        behave: Version to the status of its pods; ready when not named.
        logs: Version to what its pods wrote.
        others: (kind, name) to fields that another manager set: applying them is a conflict.
        forbidden: (verb, resource) pairs that are not allowed.
        asked: What came through the proxy; `answers` says what goes back.
        replicas: What the autoscaler has set.
    """

    def __init__(self):
        super().__init__()
        self.behave, self.logs, self.others, self.forbidden = {}, {}, {}, set()
        self.asked, self.answers = [], self._right_answer
        self.replicas = 2
        self.version_of_service = None
        self.controllers.append(_deployments)
        self.refuse = self._permission
        self.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "runs"}})

    def answer(self, request):
        if match := re.search(r"/pods/([^/]+)/log$", request.path):
            self.requests.append(request)
            pod = self.get("Pod", match[1])
            return 200, self.logs.get(_version(pod), "").encode()
        if match := re.search(r"/services/http:([^/:]+):http/proxy/(.+)$", request.path):
            self.requests.append(request)
            self.refuse(request)
            return self._proxied(match[1], match[2], request)
        if request.method == "PATCH" and "apply" in request.content_type:
            self.refuse(request)
            self._conflicts(request)
            if request.query.get("dryRun") == "All":
                return self._dry(request)
        return super().answer(request)

    def _dry(self, request):
        """As the real one: everything is checked, nothing is kept."""
        with self._changed:
            kept = copy.deepcopy(self._objects), copy.deepcopy(self._owned)
            controllers, self.controllers = self.controllers, []
            try:
                return super().answer(request)
            finally:
                self._objects, self._owned = kept
                self.controllers = controllers

    def _conflicts(self, request):
        theirs = self.others.get((request.body["kind"], request.body["metadata"]["name"]))
        if theirs and request.query.get("force") != "true":
            refused = Refused(409, "Conflict", f"Apply failed with {len(theirs)} conflict")
            refused.status["details"] = {
                "causes": [
                    {"reason": "FieldManagerConflict", "field": field,
                     "message": f'conflict with "{manager}" using apps/v1'}
                    for field, manager in theirs.items()
                ]
            }  # fmt: skip
            raise refused

    def _permission(self, request):
        verbs = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
        parts = request.path.split("/")
        if "namespaces" not in parts or len(parts) <= parts.index("namespaces") + 2:
            return
        rest = parts[parts.index("namespaces") + 2 :]
        resource, verb = rest[0], verbs[request.method]
        if "proxy" in rest:
            resource = f"{resource}/proxy"
        elif verb == "get" and len(rest) == 1:
            verb = "list"
        if (verb, resource) in self.forbidden:
            raise Refused(
                403,
                "Forbidden",
                f'{resource} is forbidden: User "system:serviceaccount:runs:bertworks-pipeline" '
                f'cannot {verb} resource "{resource}" in the namespace "runs"',
            )

    def _proxied(self, service, path, request):
        found = self.get("Service", service)
        if found is None:
            raise Refused(404, "NotFound", f'services "{service}" not found')
        chosen = [
            pod for pod in self.all("Pod")
            if found["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
            and any(c["type"] == "Ready" for c in pod["status"].get("conditions", []))
        ]  # fmt: skip
        if not chosen:
            raise Refused(503, "ServiceUnavailable", f'no endpoints available for "{service}"')
        self.asked.append((service, path, request.body))
        return self.answers(chosen[0], path, request.body)

    @staticmethod
    def _right_answer(pod, path, body):
        args = dict(one[2:].split("=", 1) for one in pod["spec"]["containers"][0]["args"])
        outputs = [{"name": "prediction", "shape": [1], "datatype": "BYTES", "data": ["good"]}]
        return 200, {
            "model_version": args["agent"].rpartition("/")[2],
            "parameters": {"digest": args.get("digest")},
            "outputs": outputs,
        }

    def touch(self, kind, name, namespace):
        """Has the controllers look again."""
        self.controllers[0](self, self.get(kind, name, namespace))

    def changes(self):
        """The writes that were kept: (verb, kind, name)."""
        return [
            (one.method, one.body["kind"], one.body["metadata"]["name"])
            for one in self.requests
            if one.method in ("PATCH", "POST") and one.body and "dryRun" not in one.query
            and "kind" in one.body
        ]  # fmt: skip

    def serving(self):
        """The versions of the pods that are ready."""
        return {
            _version(pod)
            for pod in self.all("Pod")
            if any(c["type"] == "Ready" for c in pod["status"].get("conditions", []))
        }


def _version(pod):
    return _number(pod["metadata"]["labels"]["bertworks/version"])


def _deployments(fake, one):
    """What the controllers of Deployment, ReplicaSet and autoscaler would do, at once."""
    if one["kind"] != "Deployment":
        return
    name, space = one["metadata"]["name"], one["metadata"]["namespace"]
    template = one["spec"]["template"]
    mark = template["metadata"]["labels"]["bertworks/rollout"]
    own = [p for p in fake.all("Pod", space) if p["metadata"]["labels"].get("owner") == name]
    status = fake.behave.get(_number(template["metadata"]["labels"]["bertworks/version"]), READY)
    if one["spec"].get("replicas") != fake.replicas:
        one["spec"]["replicas"] = fake.replicas  # the autoscaler
        fake.update("Deployment", name, space, spec=one["spec"])
    if isinstance(status, str):  # no pod can be made
        _report(fake, one, own, mark, [failure(status)])
        return
    for number in range(fake.replicas):
        pod = f"{name}-{mark[:6]}-{number}"
        if fake.get("Pod", pod, space) is None:
            labels = {**template["metadata"]["labels"], "owner": name}
            fake.add({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": pod, "namespace": space, "labels": labels},
                "spec": template["spec"], "status": copy.deepcopy(status),
            })  # fmt: skip
    good = status.get("conditions", [{}])[0].get("type") == "Ready"
    for pod in own:
        # Old pods go when the new ones are ready; new pods that never became ready go at once.
        if pod["metadata"]["labels"]["bertworks/rollout"] != mark and good:
            fake.remove("Pod", pod["metadata"]["name"], space)
    own = [p for p in fake.all("Pod", space) if p["metadata"]["labels"].get("owner") == name]
    _report(fake, one, own, mark, [])


def failure(message):
    """The condition of a Deployment whose pods are refused."""
    return {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": message}  # fmt: skip


def _report(fake, one, pods, mark, conditions):
    new = [p for p in pods if p["metadata"]["labels"]["bertworks/rollout"] == mark]
    ready = [p for p in pods if p["status"].get("conditions", [{}])[0].get("type") == "Ready"]
    now = fake.get("Deployment", one["metadata"]["name"], one["metadata"]["namespace"])
    fake.update(
        "Deployment", one["metadata"]["name"], one["metadata"]["namespace"],
        status={
            "observedGeneration": now["metadata"]["generation"], "replicas": len(pods),
            "updatedReplicas": len(new), "readyReplicas": len(ready),
            "availableReplicas": len(ready), "conditions": conditions,
        },
    )  # fmt: skip


def _number(version):
    """The version in a label; 0: the pods follow the store."""
    return int(version) if version.isdigit() else 0
