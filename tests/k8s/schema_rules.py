"""Rules about form: Kubernetes' own schemas, and the parts of foreign kinds that are used here."""

import json
import re
from collections.abc import Iterator

import kubernetes_validate
from manifest import Manifest, called, matches, name, of_kind, pods
from rendering import KUBERNETES

FOREIGN = {
    "serving.kserve.io/v1beta1": {"InferenceService"},
    "monitoring.coreos.com/v1": {"ServiceMonitor", "PodMonitor", "PrometheusRule"},
}
# Fields of KServe's predictor beside those of a pod (pkg/apis/serving/v1beta1/predictor.go and
# component.go of KServe 0.15 and later).
PREDICTOR = {
    "minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "scaleMetricType", "autoScaling",
    "containerConcurrency", "timeout", "canaryTrafficPercent", "logger", "batcher", "labels",
    "annotations", "deploymentStrategy", "model", "workerSpec",
}  # fmt: skip


def schema_valid(items: list[Manifest]) -> Iterator[str]:
    """Every object fits the schema of its kind; unknown fields are refused."""
    for item in items:
        if item["kind"] in FOREIGN.get(item["apiVersion"], ()):
            continue
        try:
            kubernetes_validate.validate(item, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{called(item)}: {'.'.join(map(str, error.path))}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError:
            yield f"{called(item)}: no such kind in Kubernetes {KUBERNETES}: {item['apiVersion']}"


def inference_services_valid(items: list[Manifest]) -> Iterator[str]:
    """KServe's InferenceService: a predictor that is a valid pod, and its few fields beside that."""
    for service in of_kind(items, "InferenceService"):
        where, spec = called(service), service["spec"]
        if strange := set(spec) - {"predictor", "transformer", "explainer"}:
            yield f"{where}: unknown fields {sorted(strange)}"
        predictor = spec["predictor"]
        own = {key: value for key, value in predictor.items() if key in PREDICTOR}
        pod = {key: value for key, value in predictor.items() if key not in PREDICTOR}
        made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "predictor"}, "spec": pod}
        for problem in schema_valid([made]):
            yield f"{where}: predictor {problem}"
        if ("model" in predictor) == bool(predictor.get("containers")):
            yield f"{where}: needs a model or containers, not both"
        names = [container["name"] for container in predictor.get("containers", [])]
        if names and "kserve-container" not in names:
            yield f"{where}: KServe runs the container kserve-container, not {names}"
        if own.get("minReplicas", 1) > own.get("maxReplicas", own.get("minReplicas", 1)):
            yield f"{where}: minReplicas above maxReplicas"
        if len(name(service)) > 53:
            yield f"{where}: KServe adds -predictor; its host names end at 63 characters"


def monitors_resolve(items: list[Manifest]) -> Iterator[str]:
    """Monitors select services, or pods, of the set by their labels, and a port that has that name."""
    services = [
        (s["metadata"].get("labels", {}), [p.get("name") for p in s["spec"]["ports"]])
        for s in of_kind(items, "Service")
    ]
    running = [
        (pod.labels, [p.get("name") for c in pod.containers for p in c.get("ports", [])])
        for pod in pods(items)
        if pod.owner["kind"] != "Job"
    ]
    for monitor in of_kind(items, "ServiceMonitor", "PodMonitor"):
        kind, spec = monitor["kind"], monitor["spec"]
        watched = services if kind == "ServiceMonitor" else running
        asked = spec.get("endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints", [])
        if not asked:
            yield f"{called(monitor)}: no endpoints"
        # What KServe adds to its pods cannot be seen here.
        selector = {"matchLabels": spec["selector"].get("matchLabels", {})}
        chosen = [ports for labels, ports in watched if matches(selector, labels)]
        if watched and not chosen:
            yield f"{called(monitor)}: selects nothing"
        for endpoint in asked:
            # Servers that speak TLS have the port https in the place of http (serve.deploy.tls).
            either = {endpoint.get("port"), "http" if endpoint.get("port") == "https" else None}
            if any(not either & {*ports} for ports in chosen):
                yield f"{called(monitor)}: no port {endpoint.get('port')} on what it selects"


def alerts_valid(items: list[Manifest]) -> Iterator[str]:
    """Alert rules: named, with an expression, a severity and words for the person on call."""
    for rules in of_kind(items, "PrometheusRule"):
        alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]
        names = [rule.get("alert") or rule.get("record") for rule in alerts]
        for twice in sorted({str(n) for n in names if names.count(n) > 1}):
            yield f"{called(rules)}: {twice} is there twice"
        for rule in alerts:
            where = f"{called(rules)} {rule.get('alert') or rule.get('record')}"
            if ("alert" in rule) == ("record" in rule):
                yield f"{where}: needs alert or record"
            expression = str(rule.get("expr", ""))
            if not expression.strip() or any(
                expression.count(a) != expression.count(b) for a, b in ("()", "[]", "{}")
            ):
                yield f"{where}: expression {expression!r}"
            if "for" in rule and not re.fullmatch(r"(\d+(ms|[smhdwy]))+", rule["for"]):
                yield f"{where}: for: {rule['for']}"
            if "alert" in rule:
                if not rule.get("labels", {}).get("severity"):
                    yield f"{where}: no severity"
                for key in ("summary", "description"):
                    if not rule.get("annotations", {}).get(key):
                        yield f"{where}: no {key}"


def dashboards_valid(items: list[Manifest]) -> Iterator[str]:
    """Grafana dashboards: JSON with a title, a fixed uid, and panels that ask something."""
    for config in of_kind(items, "ConfigMap"):
        for key, text in config.get("data", {}).items():
            if not key.endswith(".json"):
                continue
            where = f"{called(config)} {key}"
            try:
                board = json.loads(text)
            except json.JSONDecodeError as error:
                yield f"{where}: not JSON: {error}"
                continue
            for wanted in ("title", "uid", "panels"):
                if not board.get(wanted):
                    yield f"{where}: no {wanted}"
            ids = [panel.get("id") for panel in board.get("panels", [])]
            if len(ids) != len(set(ids)):
                yield f"{where}: two panels of one id"
            for panel in board.get("panels", []):
                asks = [target.get("expr") for target in panel.get("targets", [])]
                if panel.get("type") not in ("row", "text") and not (asks and all(asks)):
                    yield f"{where}: panel {panel.get('title')} asks nothing"
