"""Alert rules and the dashboard ask for what the servers and kube-state-metrics export, no more."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import prometheus_client
import pytest
import yaml

from bertworks.serving.exchange import Exchange
from bertworks.serving.identity import BundleIdentity
from bertworks.serving.meters import Meters, Turned
from bertworks.serving.observation import counting, drifting
from bertworks.serving.observation.tallies import Tally
from components.deploy import manifests
from components.deploy.settings import Serving

FOLDER = Path(__file__).resolve().parents[2] / "k8s/monitoring"
# kube-state-metrics: its stable metrics that are used, and the labels that they bear.
STATE_METRICS = {
    "kube_deployment_status_replicas_available": {"deployment"},
    "kube_deployment_spec_replicas": {"deployment"},
    "kube_deployment_status_condition": {"deployment", "condition", "status"},
    "kube_pod_container_status_restarts_total": {"pod", "container", "uid"},
    "kube_horizontalpodautoscaler_status_current_replicas": {"horizontalpodautoscaler"},
    "kube_horizontalpodautoscaler_spec_max_replicas": {"horizontalpodautoscaler"},
    "kube_horizontalpodautoscaler_spec_min_replicas": {"horizontalpodautoscaler"},
}
# What Prometheus and the operator add to each series.
ADDED = {"namespace", "pod", "job", "instance", "service", "container", "endpoint"}
FUNCTIONS = {
    "rate", "increase", "sum", "max", "count", "time", "histogram_quantile", "by", "on", "and",
    "label_values", "or", "group_left",
}  # fmt: skip


@pytest.fixture(scope="module")
def rendered():
    told = subprocess.run(
        ["kubectl", "kustomize", FOLDER], capture_output=True, text=True, check=True
    )
    return {one["kind"]: one for one in yaml.safe_load_all(told.stdout)}


@pytest.fixture(scope="module")
def exported():
    """Metric to its labels: what our meters put into Prometheus' registry, and the process' own.

    the server shows the same registry at /metrics (tests/deploy/test_served.py reads it there).
    """
    meters = Meters("monitored")
    meters.serves(BundleIdentity("a" * 64, 1, 1.0, 0.025), "onnxruntime")
    for answers in ([{}], [{}, {}]):
        meters.ended(Exchange("v1", "monitored", answers=answers))
    for meter in (*counting._registered(), *drifting._gauges()):
        if isinstance(meter, Tally):
            meter.add(tuple("x" for _ in meter._labels))
        elif meter._labelnames:
            meter.labels(*("x" for _ in meter._labelnames))
    Turned(lambda: 0)
    found = {"up": set()}
    for family in prometheus_client.REGISTRY.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def expressions(rendered):
    for group in rendered["PrometheusRule"]["spec"]["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    board = json.loads(rendered["ConfigMap"]["data"]["dashboard.json"])
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["definition"]


def metrics_of(expression):
    """Metric names with the labels that are selected on; and the labels that are grouped by."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    grouped = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", bare)
    labels = {one.strip() for group in grouped for one in group.split(",")} - {"le"}
    bare = re.sub(r"\b(?:by|on)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"\[[^]]*\]", " ", bare)
    found = []
    for name, selected in re.findall(r"([a-z_][a-z0-9_]*)\s*(\{[^}]*\})?", bare):
        if name not in FUNCTIONS:
            found.append((name, set(re.findall(r"([a-z_]+)\s*(?:=~|!=|!~|=)", selected))))
    return found, labels


def test_every_metric_and_label_that_is_asked_for_exists(rendered, exported):
    known = {**exported, **STATE_METRICS}
    asked = dict(expressions(rendered))
    assert len(asked) >= 20
    for title, expression in asked.items():
        if title == "agent" or title == "namespace":
            expression = re.sub(r",\s*\w+\)$", ")", expression)
        found, grouped = metrics_of(expression)
        assert found, title
        for name, selected in found:
            assert name in known, f"{title}: {name} is not exported"
            missing = (selected | grouped) - known[name] - ADDED - {"le"}
            assert not missing, f"{title}: {name} has no label {missing}"


def test_the_reader_of_expressions_finds_what_is_wrong(exported):
    found, labels = metrics_of('sum by (a, b) (rate(x_total{c="d e{", f=~"g"}[5m])) > 0.5')
    assert found == [("x_total", {"c", "f"})] and labels == {"a", "b"}
    assert "bertworks_requests_total" in exported and "x_total" not in exported
    assert exported["bertworks_request_seconds_bucket"] == {"model_name", "rows", "le"}


def test_expressions_are_balanced_and_outcomes_are_those_that_are_counted(rendered):
    outcomes = set()
    for title, expression in expressions(rendered):
        bare = re.sub(r'"[^"]*"', "", expression)
        for left, right in ("()", "{}", "[]"):
            assert bare.count(left) == bare.count(right), title
        outcomes |= set(re.findall(r'outcome="(\w+)"', expression))
    assert outcomes <= {"answered", "refused", "failed"} and "failed" in outcomes


def test_alerts_say_what_and_what_to_do(rendered):
    rules = [
        rule for group in rendered["PrometheusRule"]["spec"]["groups"] for rule in group["rules"]
    ]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "description"}
        text = "".join(rule["annotations"].values())
        assert text.count("{{") == text.count("}}")


def test_monitors_find_the_servers(rendered):
    """By the labels and the port's name that the serving manifests bear."""
    serving = Serving("mood", 1, "", "/bertworks/models", "i:1")
    top, service = manifests.render(serving, "deployment", "runs")[:2]
    monitor = rendered["ServiceMonitor"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    ports = [one["name"] for one in service["spec"]["ports"]]
    # Of the two there is one, by whether the servers speak TLS.
    assert [one["port"] for one in monitor["endpoints"]] == [*ports, "https"]
    assert monitor["endpoints"][1]["scheme"] == "https"
    secure = manifests.render(replace(serving, tls="t"), "deployment", "runs")[1]
    assert [one["name"] for one in secure["spec"]["ports"]] == ["https"]
    assert monitor["jobLabel"] in service["metadata"]["labels"]
    predictor = manifests.render(serving, "kserve", "runs")[0]["spec"]["predictor"]
    monitor = rendered["PodMonitor"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= predictor["labels"].items()
    assert [one["port"] for one in monitor["podMetricsEndpoints"]] == [
        *(one["name"] for one in predictor["containers"][0]["ports"]),
        "https",
    ]
    names = [one["containers"][0]["name"] for one in (predictor, top["spec"]["template"]["spec"])]
    restarts = next(
        rule["expr"]
        for rule in rendered["PrometheusRule"]["spec"]["groups"][0]["rules"]
        if rule["alert"] == "BertworksRestarts"
    )
    assert all(name in restarts for name in names)


def test_the_dashboard_is_whole(rendered):
    config = rendered["ConfigMap"]
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    board = json.loads(config["data"]["dashboard.json"])
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
