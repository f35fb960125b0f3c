"""Rules about names, labels, and references between objects."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from manifest import Manifest, called, matches, name, of_kind, pods

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
PORT = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
KEY_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
WANTED = ("app.kubernetes.io/name", "app.kubernetes.io/managed-by")
Labels = dict[str, Any]


def names_valid(items: list[Manifest]) -> Iterator[str]:
    """Names are DNS names of the kind that each place asks for; no two objects share one."""
    seen: Counter[str] = Counter()
    for item in items:
        group = item["apiVersion"].split("/")[0] if "/" in item["apiVersion"] else ""
        seen[f"{group} {called(item)} {item['metadata'].get('namespace')}"] += 1
        rule = {"Service": SERVICE, "Namespace": LABEL}.get(item["kind"], SUBDOMAIN)
        # The names of these become labels of pods.
        short = item["kind"] in ("Deployment", "Job", "StatefulSet", "InferenceService")
        if not rule.fullmatch(name(item)) or (short and len(name(item)) > 63):
            yield f"{called(item)}: not a valid name"
    for pod in pods(items):
        for container in pod.containers:
            if not LABEL.fullmatch(container["name"]):
                yield f"{called(pod.owner)}: container name {container['name']}"
            for port in container.get("ports", []):
                if "name" in port and not PORT.fullmatch(port["name"]):
                    yield f"{called(pod.owner)}: port name {port['name']}"
        for volume in pod.spec.get("volumes", []):
            if not LABEL.fullmatch(volume["name"]):
                yield f"{called(pod.owner)}: volume name {volume['name']}"
    for twice, count in seen.items():
        if count > 1:
            yield f"{twice}: {count} times"


def labels_valid(items: list[Manifest]) -> Iterator[str]:
    """Labels are valid, and every object has the recommended ones."""
    for item in items:
        labels = item["metadata"].get("labels", {})
        for key in WANTED:
            # The namespace is Kubeflow's: only its Pod Security labels are ours to set.
            if key not in labels and item["kind"] != "Namespace":
                yield f"{called(item)}: no label {key}"
        yield from (f"{called(item)}: {problem}" for problem in _labels(labels))
        for key in item["metadata"].get("annotations", {}):
            if not _key_valid(key):
                yield f"{called(item)}: annotation {key}"
    for pod in pods(items):
        yield from (f"{called(pod.owner)} pods: {problem}" for problem in _labels(pod.labels))
        for key in ("app.kubernetes.io/name", "app.kubernetes.io/component"):
            if key not in pod.labels:
                yield f"{called(pod.owner)} pods: no label {key}"


def _labels(labels: Labels) -> Iterator[str]:
    for key, value in labels.items():
        if not _key_valid(key):
            yield f"label key {key}"
        if not isinstance(value, str) or not VALUE.fullmatch(value):
            yield f"label {key}: value {value!r}"


def _key_valid(key: str) -> bool:
    prefix, slash, last = key.rpartition("/")
    return bool(KEY_NAME.fullmatch(last)) and (not slash or bool(SUBDOMAIN.fullmatch(prefix)))


def selectors_match(items: list[Manifest]) -> Iterator[str]:
    """Selectors select what they are meant for."""
    every = list(pods(items))
    for pod in every:
        own = pod.owner["spec"].get("selector") if pod.owner["kind"] != "Job" else None
        if own is not None and not matches(own, pod.labels):
            yield f"{called(pod.owner)}: its selector does not match its own pods"
        for spread in pod.spec.get("topologySpreadConstraints", []):
            if not matches(spread["labelSelector"], pod.labels):
                yield f"{called(pod.owner)}: spreads other pods than its own"
        affinity = pod.spec.get("affinity", {}).get("podAntiAffinity", {})
        for term in [
            *affinity.get("requiredDuringSchedulingIgnoredDuringExecution", []),
            *(
                term["podAffinityTerm"]
                for term in affinity.get("preferredDuringSchedulingIgnoredDuringExecution", [])
            ),
        ]:
            if not matches(term["labelSelector"], pod.labels):
                yield f"{called(pod.owner)}: keeps away from other pods than its own"
    for budget in of_kind(items, "PodDisruptionBudget"):
        if not any(matches(budget["spec"]["selector"], pod.labels) for pod in every):
            yield f"{called(budget)}: protects no pod"
        if ("minAvailable" in budget["spec"]) == ("maxUnavailable" in budget["spec"]):
            yield f"{called(budget)}: needs minAvailable or maxUnavailable, not both"
    for service in of_kind(items, "Service"):
        yield from _service(service, [p for p in every if _selects(service, p.labels)])
    for scaler in of_kind(items, "HorizontalPodAutoscaler"):
        yield from _autoscaler(scaler, items)


def _selects(service: Manifest, labels: Labels) -> bool:
    selector = service["spec"].get("selector")
    return bool(selector) and matches({"matchLabels": selector}, labels)


def _service(service: Manifest, chosen: list[Any]) -> Iterator[str]:
    if not chosen:
        yield f"{called(service)}: selects no pod"
    for port in service["spec"]["ports"]:
        target = port.get("targetPort", port["port"])
        for pod in chosen:
            there = [p for c in pod.spec["containers"] for p in c.get("ports", [])]
            if not any(target in (p.get("name"), p["containerPort"]) for p in there):
                yield f"{called(service)}: targetPort {target} is no port of {called(pod.owner)}"


def _autoscaler(scaler: Manifest, items: list[Manifest]) -> Iterator[str]:
    spec, target = scaler["spec"], scaler["spec"]["scaleTargetRef"]
    found = [i for i in items if i["kind"] == target["kind"] and name(i) == target["name"]]
    if not found or found[0]["apiVersion"] != target["apiVersion"]:
        yield f"{called(scaler)}: scales {target['kind']}/{target['name']}, which is not there"
    elif "replicas" in found[0]["spec"]:
        yield f"{called(found[0])}: states replicas, which are the autoscaler's"
    if spec.get("minReplicas", 1) > spec["maxReplicas"]:
        yield f"{called(scaler)}: minReplicas above maxReplicas"
    if not spec.get("metrics"):
        yield f"{called(scaler)}: no metric"


def references_exist(items: list[Manifest]) -> Iterator[str]:
    """Claims, config maps and accounts that pods name are there."""
    claims = {name(item) for item in of_kind(items, "PersistentVolumeClaim")}
    configs = {name(item): item.get("data", {}) for item in of_kind(items, "ConfigMap")}
    accounts = {name(item) for item in of_kind(items, "ServiceAccount")} | {None, "default"}
    for pod in pods(items):
        where = called(pod.owner)
        if (account := pod.spec.get("serviceAccountName")) not in accounts:
            yield f"{where}: account {account}"
        for volume in pod.spec.get("volumes", []):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim is not None and claim not in claims:
                yield f"{where}: claim {claim}"
            config = volume.get("configMap", {}).get("name")
            if config is not None and config not in configs:
                yield f"{where}: config map {config}"
        for container in pod.containers:
            for source in container.get("envFrom", []):
                if "configMapRef" in source and source["configMapRef"]["name"] not in configs:
                    yield f"{where}: config map {source['configMapRef']['name']}"
            for variable in container.get("env", []):
                wanted = variable.get("valueFrom", {}).get("configMapKeyRef")
                if wanted and wanted["key"] not in configs.get(wanted["name"], {}):
                    yield f"{where}: key {wanted['key']} of config map {wanted['name']}"
