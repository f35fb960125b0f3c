"""The Kubernetes objects of an agent's server, from the files in k8s/serving.

Those files are whole manifests of an example agent, for `kubectl apply -k` as well. Here they are read
as data and their fields set one by one: no text is substituted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from bertworks.errors import ArtifactError, SpecError
from components.deploy.settings import Kind, Serving

MANAGER = "bertworks"
FOLLOWED = "followed"
"""The version in the labels of pods that take up whatever the store makes the champion."""
AGENT, VERSION, HISTORY = "bertworks/agent", "bertworks/version", "bertworks/storage/history"
ROLLOUT, UNMARKED = "bertworks/rollout", "none"
MANAGED_BY, INSTANCE = "app.kubernetes.io/managed-by", "app.kubernetes.io/instance"
FILES: dict[Kind, tuple[str, ...]] = {
    "deployment": ("deployment", "service", "autoscaler", "disruption"),
    "kserve": ("inferenceservice", "disruption"),
}
TOP: dict[Kind, str] = {"deployment": "Deployment", "kserve": "InferenceService"}
CONTAINER: dict[Kind, str] = {"deployment": "server", "kserve": "kserve-container"}
KEYS = "/etc/bertworks/keys"
PORT = 8080
"""Where the server listens in its pod, whatever `serve.port` is elsewhere: network policies know it."""
GRPC_PORT = 8081
"""Likewise for gRPC, in the pod and at its Service."""
TLS = "/etc/bertworks/tls"
LONGEST_SERVICE = 63
"""Of a Service's name, with the `-predictor` that KServe puts behind it."""

Object = dict[str, Any]
"""A Kubernetes object as the API server has it. Each kind has its own schema, which is the server's to
check; here single fields are set in manifests that are read from files."""


def object_name(agent: str) -> str:
    """The name of an agent's objects."""
    return f"bertworks-{agent}"


def service_name(agent: str, kind: Kind) -> str:
    """The Service that the agent answers at."""
    return object_name(agent) + ("-predictor" if kind == "kserve" else "")


def port_name(serving: Serving) -> str:
    """What the port for HTTP is called, in the pod and at its Service: as its scheme."""
    return "http" if serving.tls is None else "https"


def render(
    serving: Serving, kind: Kind, namespace: str, history: Sequence[Serving] = ()
) -> list[Object]:
    """The objects that serve an agent, the one that runs the pods first.

    Args:
        serving: What is to serve.
        kind: An InferenceService, or plain objects.
        namespace: Where they go.
        history: What served before, oldest first, and `serving` itself last; kept on the cluster.

    Raises:
        SpecError: KServe cannot take a name that long.
    """
    service = service_name(serving.name, kind)
    if len(service) > LONGEST_SERVICE:
        raise SpecError(
            f"The agent's name is too long for KServe: {service} has {len(service)} characters, "
            f"more than {LONGEST_SERVICE}.",
            "Shorten the name, or set `serve.deploy.kind: deployment`.",
        )
    objects: list[Object] = [json.loads(_load(kind, file)) for file in FILES[kind]]
    for one in objects:
        meta = one["metadata"]
        meta["name"], meta["namespace"] = object_name(serving.name), namespace
        meta["labels"] |= {INSTANCE: serving.name, AGENT: serving.name}
    fill = {
        "Deployment": _deployment,
        "InferenceService": _inference_service,
        "Service": _service,
        "HorizontalPodAutoscaler": _autoscaler,
        "PodDisruptionBudget": _disruption,
    }
    for one in objects:
        fill[one["kind"]](one, serving)
    if history:
        kept = [one.as_dict() for one in history]
        notes = objects[0]["metadata"].setdefault("annotations", {})
        notes[HISTORY] = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return objects


def rollout_of(objects: Sequence[Object]) -> str:
    """The mark that the pods of these objects bear; "none" where they were applied by other means."""
    return str((_template(objects[0]).get("labels") or {}).get(ROLLOUT, UNMARKED))


def read_back(top: Object) -> Serving | None:
    """The settings of an object that was applied from the files, without a history.

    Returns:
        None where it does not look like one of ours.
    """
    spec = top["spec"]
    pod = spec["template"]["spec"] if "template" in spec else spec.get("predictor", {})
    try:
        (container,) = pod["containers"]
        given = {name: value for name, _, value in
                 (one[2:].partition("=") for one in container["args"])}  # fmt: skip
        name, _, version = given["agent"].partition("/")
        limits = container["resources"]["limits"]
        claims = [one for one in pod["volumes"] if one["name"] == "store"]
        mounts = [one for one in container["volumeMounts"] if one["name"] == "store"]
        keys = [one["secret"]["secretName"] for one in pod["volumes"] if one["name"] == "keys"]
        tls = [one["secret"]["secretName"] for one in pod["volumes"] if one["name"] == "tls"]
        return Serving(
            name=name,
            version=int(version),
            digest=given.get("digest", ""),
            store=given["store"],
            image=container["image"],
            threads=int(given["threads"]),
            cpu=limits["cpu"],
            memory=limits["memory"],
            keys=keys[0] if keys else None,
            claim=claims[0]["persistentVolumeClaim"]["claimName"] if claims else None,
            mount=mounts[0]["mountPath"] if mounts else Serving.mount,
            pull_policy=container["imagePullPolicy"],
            grpc="grpc-port" in given,
            tls=tls[0] if tls else None,
        )
    except (KeyError, ValueError, TypeError):
        return None


def _template(top: Object) -> Object:
    spec = top["spec"]
    return spec["template"]["metadata"] if "template" in spec else spec["predictor"]


def _deployment(one: Object, serving: Serving) -> None:
    one["metadata"]["labels"][VERSION] = str(serving.version)
    spec = one["spec"]
    spec["progressDeadlineSeconds"] = 60 * serving.timeout_minutes
    spec["selector"]["matchLabels"][INSTANCE] = serving.name
    template = spec["template"]
    _pod(template["spec"], serving)
    _labels(template["metadata"]["labels"], template["spec"], serving)


def _inference_service(one: Object, serving: Serving) -> None:
    predictor = one["spec"]["predictor"]
    predictor["minReplicas"] = serving.min_replicas
    predictor["maxReplicas"] = serving.max_replicas
    predictor["scaleTarget"] = serving.target_cpu_percent
    _pod(predictor, serving)
    apart = ("labels", "minReplicas", "maxReplicas", "scaleTarget")
    pods = {key: value for key, value in predictor.items() if key not in apart}
    _labels(predictor["labels"], pods, serving)


def _service(one: Object, serving: Serving) -> None:
    one["spec"]["selector"][INSTANCE] = serving.name
    ports = one["spec"]["ports"]
    if serving.tls is not None:
        name = port_name(serving)
        ports[0] |= {"name": name, "port": 443, "targetPort": name, "appProtocol": name}
    if serving.grpc:
        # HTTP/2 without TLS is what proxies call h2c (KEP-3726); with TLS both sides agree on it.
        protocol = "kubernetes.io/h2c" if serving.tls is None else "https"
        ports.append(
            {"name": "grpc", "port": GRPC_PORT, "targetPort": "grpc", "protocol": "TCP",
             "appProtocol": protocol}
        )  # fmt: skip


def _autoscaler(one: Object, serving: Serving) -> None:
    spec = one["spec"]
    spec["scaleTargetRef"]["name"] = object_name(serving.name)
    spec["minReplicas"], spec["maxReplicas"] = serving.min_replicas, serving.max_replicas
    target = spec["metrics"][0]["resource"]["target"]
    target["averageUtilization"] = serving.target_cpu_percent


def _disruption(one: Object, serving: Serving) -> None:
    one["spec"]["selector"]["matchLabels"][INSTANCE] = serving.name


def _labels(labels: dict[str, str], pods: Any, serving: Serving) -> None:
    """The pods' labels; their mark changes with anything in them, so that a rollout can be told."""
    version = FOLLOWED if serving.follow else str(serving.version)
    labels |= {INSTANCE: serving.name, AGENT: serving.name, VERSION: version}
    content = json.dumps([pods, labels, "" if serving.follow else serving.digest], sort_keys=True)
    labels[ROLLOUT] = hashlib.sha256(content.encode()).hexdigest()[:16]


def _pod(pod: Object, serving: Serving) -> None:
    (container,) = pod["containers"]
    container["image"] = serving.image
    container["imagePullPolicy"] = serving.pull_policy
    container["args"] = [
        f"--store={serving.store}",
        *_which(serving),
        f"--name={serving.name}",
        "--host=0.0.0.0",  # by itself the server listens on loopback, where no Service finds it
        f"--port={PORT}",
        f"--threads={serving.threads}",
        f"--keys={KEYS}" if serving.keys else "--open",
        *([f"--grpc-port={GRPC_PORT}"] if serving.grpc else []),
        *([f"--tls-cert={TLS}/tls.crt", f"--tls-key={TLS}/tls.key"] if serving.tls else []),
    ]
    threads = {"OMP_NUM_THREADS", "RAYON_NUM_THREADS"}
    for variable in container["env"]:
        if variable["name"] in threads:
            variable["value"] = str(serving.threads)
    given = _variables(serving)
    taken = {variable["name"] for variable in given}
    container["env"] = [one for one in container["env"] if one["name"] not in taken] + given
    amount = {"cpu": serving.cpu, "memory": serving.memory}
    container["resources"] = {"requests": dict(amount), "limits": dict(amount)}
    container["readinessProbe"]["httpGet"]["path"] = f"/v2/models/{serving.name}/ready"
    for spread in pod["topologySpreadConstraints"]:
        spread["labelSelector"]["matchLabels"][INSTANCE] = serving.name
    _volume(pod, container, serving)
    _keys(pod, container, serving)
    _ports(pod, container, serving)
    if serving.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in serving.pull_secrets]
    if serving.service_account:
        pod["serviceAccountName"] = serving.service_account
    if serving.node_selector:
        pod["nodeSelector"] = dict(serving.node_selector)
    if serving.tolerations:
        pod["tolerations"] = [dict(one) for one in serving.tolerations]


def _which(serving: Serving) -> list[str]:
    """What the server is told to serve; where it follows the store, nothing that a version changes."""
    if serving.follow:
        return [f"--agent={serving.name}", "--follow"]
    return [
        f"--agent={serving.label}",
        *([f"--digest={serving.digest}"] if serving.digest else []),
    ]


def _variables(serving: Serving) -> list[Object]:
    plain: list[Object] = [
        {"name": name, "value": value}
        for name, value in sorted(serving.env.items())
        if name not in serving.secrets
    ]
    secret: list[Object] = [
        {
            "name": name,
            "valueFrom": {"secretKeyRef": {"name": one["secret"], "key": one["key"]}},
        }
        for name, one in sorted(serving.secrets.items())
    ]
    # Each server tries challengers on its share of the traffic: all together must seldom be wrong.
    servers: list[Object] = [{"name": "BERTWORKS_SERVERS", "value": str(serving.max_replicas)}]
    return plain + secret + (servers if serving.tries else [])


def _volume(pod: Object, container: Object, serving: Serving) -> None:
    (store,) = (one for one in pod["volumes"] if one["name"] == "store")
    (mounted,) = (one for one in container["volumeMounts"] if one["name"] == "store")
    if serving.claim is None:
        pod["volumes"].remove(store)
        container["volumeMounts"].remove(mounted)
        return
    store["persistentVolumeClaim"]["claimName"] = serving.claim
    mounted["mountPath"] = serving.mount
    mounted["readOnly"] = not serving.tries


def _keys(pod: Object, container: Object, serving: Serving) -> None:
    (keys,) = (one for one in pod["volumes"] if one["name"] == "keys")
    if serving.keys is None:
        pod["volumes"].remove(keys)
        mounts = container["volumeMounts"]
        container["volumeMounts"] = [one for one in mounts if one["name"] != "keys"]
        return
    keys["secret"]["secretName"] = serving.keys


def _ports(pod: Object, container: Object, serving: Serving) -> None:
    """gRPC's port; and with TLS the certificate, and the scheme of the probes."""
    if serving.grpc:
        grpc = {"name": "grpc", "containerPort": GRPC_PORT, "protocol": "TCP"}
        container["ports"].append(grpc)
    if serving.tls is None:
        return
    container["ports"][0]["name"] = port_name(serving)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):  # No certificate is checked.
        container[probe]["httpGet"] |= {"port": port_name(serving), "scheme": "HTTPS"}
    # Not optional: without a certificate no server starts. No subPath: a renewed one comes through.
    pod["volumes"].append({"name": "tls", "secret": {"secretName": serving.tls}})
    mount = {"name": "tls", "mountPath": TLS, "readOnly": True}
    container["volumeMounts"].append(mount)


@cache
def _load(kind: Kind, file: str) -> str:
    """A file of k8s/serving as JSON: of the checkout, else as installed with this package."""
    import yaml

    name = f"{kind}/{file}.yaml"
    checkout = Path(__file__).resolve().parents[2] / "k8s" / "serving" / name
    if checkout.is_file():
        text = checkout.read_text("utf-8")
    else:
        packaged = resources.files("components.deploy").joinpath("serving").joinpath(name)
        try:
            text = packaged.read_text("utf-8")
        except FileNotFoundError:
            raise ArtifactError(
                f"The manifest k8s/serving/{name} was not installed.",
                "Install bertworks again, from its wheel or its checkout.",
            ) from None
    # As JSON, YAML's aliases become copies of their own, and each caller parses its own object.
    return json.dumps(yaml.safe_load(text))
