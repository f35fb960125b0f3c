"""Do the steps fit on a node: GPUs, CPU, memory, selectors, taints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bertworks.spec.cluster import NodeMatch, Toleration
from pipelines.cluster.doctor.checks.base import (
    Case,
    Finding,
    Need,
    Reader,
    bytes_text,
    counted,
    listed,
    number_text,
    quantity,
)

ZERO = Decimal(0)
ENDED = ("Succeeded", "Failed")


@dataclass
class Node:
    """A node that may take pods.

    Attributes:
        used: What its pods have asked for; None where pods may not be listed.
        why_not: Why it takes no pods at all; empty: it does.
    """

    name: str
    labels: Mapping[str, str]
    taints: Sequence[Mapping[str, Any]]
    allocatable: Mapping[str, Decimal]
    used: Mapping[str, Decimal] | None
    images: frozenset[str]
    why_not: str = ""

    def free(self, resource: str) -> Decimal:
        """What is left; all of it where the pods are not known."""
        used = self.used.get(resource, ZERO) if self.used is not None else ZERO
        return max(ZERO, self.allocatable.get(resource, ZERO) - used)


def nodes(reader: Reader) -> list[Node]:
    """The cluster's nodes.

    Raises:
        kubernetes.client.ApiException: Nodes may not be listed.
    """
    used = _used(reader)
    return [_node(item, used) for item in reader.list("/api/v1/nodes")]


def check(case: Case) -> Iterator[Finding]:
    """GPUs by type, then CPU and memory, of every step."""
    there = nodes(case.reader)
    usable = [node for node in there if not node.why_not]
    broken = [f"{node.name} ({node.why_not})" for node in there if node.why_not]
    if not usable:
        yield Finding(
            "nodes",
            "error",
            f"no node takes pods: {listed(broken) or 'there is none'}",
            "kubectl get nodes",
        )
        return
    text = f"{counted(len(usable), 'node')} for pods"
    if broken:
        yield Finding(
            "nodes", "warning", f"{text}; not: {listed(broken)}", "kubectl describe node NAME"
        )
    else:
        yield Finding("nodes", "ok", text)
    grows = _autoscaled(case.reader)
    for need in case.needs:
        if need.settings.gpu:
            yield _gpu(need, usable, grows)
    yield from _fit(case.needs, usable, grows)


def _gpu(need: Need, usable: Sequence[Node], grows: str) -> Finding:
    topic, kind, count = f"GPU of {need.step}", need.settings.gpu_type, need.settings.gpu
    having = [node for node in usable if node.allocatable.get(kind, ZERO) > 0]
    lacking = "warning" if grows else "error"
    hint = f" ({grows} may add one)" if grows else ""
    if not having:
        others = sorted(
            {
                name
                for node in usable
                for name, amount in node.allocatable.items()
                if "gpu" in name.lower() and amount > 0
            }
        )
        offered = f"; offered: {', '.join(others)}" if others else ""
        if empty := [node.name for node in usable if kind in node.allocatable]:
            offered = (
                f": {listed(empty)} has 0 of it, as with a device plugin that does not run{offered}"
            )
        return Finding(
            topic,
            lacking,  # type: ignore[arg-type]
            f"no node offers {kind}{offered}{hint}",
            "Add GPU nodes with their device plugin, set resources.steps."
            f"{need.step}.gpu_type, or run it without: gpu: 0.",
        )
    fitting = [node for node in having if not refusal(need, node)]
    if not fitting:
        why = sorted({refusal(need, node) for node in having})
        return Finding(
            topic,
            lacking,  # type: ignore[arg-type]
            f"{kind} on {counted(len(having), 'node')}, none takes the step: {listed(why, 3)}{hint}",
            f"Give resources.steps.{need.step} the tolerations or the node_selector of those nodes.",
        )
    if all(node.allocatable[kind] < count for node in fitting):
        most = max(node.allocatable[kind] for node in fitting)
        return Finding(
            topic,
            lacking,  # type: ignore[arg-type]
            f"{count} {kind} in one pod, and no node has more than {number_text(most)}{hint}",
            f"Lower resources.steps.{need.step}.gpu.",
        )
    total = sum((node.allocatable[kind] for node in fitting), ZERO)
    free = sum((node.free(kind) for node in fitting), ZERO)
    where = counted(len(fitting), "node")
    if any(node.used is None for node in fitting):
        unknown = "(how many are free is not known: no permission to list pods)"
        return Finding(topic, "ok", f"{count} {kind}: {number_text(total)} on {where} {unknown}")
    text = f"{count} {kind}: {number_text(free)} of {number_text(total)} free on {where}"
    if all(node.free(kind) < count for node in fitting):
        return Finding(
            topic, "warning", f"{text}: the step would wait", "Wait, or end what holds them."
        )
    return Finding(topic, "ok", text)


def _fit(needs: Sequence[Need], usable: Sequence[Node], grows: str) -> Iterator[Finding]:
    """CPU and memory: one line for the steps that fit, one for each that does not."""
    largest: Need | None = None
    good = True
    for need in needs:
        if largest is None or (need.memory, need.cpu) > (largest.memory, largest.cpu):
            largest = need
        fitting = [node for node in usable if not refusal(need, node)]
        asks = f"{need.step} asks for {number_text(need.cpu)} CPU and {bytes_text(need.memory)}"
        if not fitting:
            why = sorted({refusal(need, node) for node in usable})
            good = False
            yield Finding(
                "CPU and memory",
                "warning" if grows else "error",
                f"no node takes {need.step}: {listed(why, 3)}",
                f"Change node_selector, affinity or tolerations of resources.steps.{need.step}.",
            )
            continue
        # Where no node has the GPUs, the line about them says so.
        able = [node for node in fitting if _has_gpus(node, need)] or fitting
        if not any(_holds(node.allocatable, need) for node in able):
            best = max(able, key=lambda node: node.allocatable.get("memory", ZERO))
            good = False
            yield Finding(
                "CPU and memory",
                "warning" if grows else "error",
                f"{asks}, more than any node has (largest: {_size(best)})",
                f"Lower resources.steps.{need.step}, or add larger nodes.",
            )
    if good and largest is not None:
        asks = (
            f"largest step ({largest.step}: {number_text(largest.cpu)} CPU, "
            f"{bytes_text(largest.memory)})"
        )
        fitting = [node for node in usable if not refusal(largest, node)]
        free = [node for node in fitting if _holds_now(node, largest)]
        if free:
            yield Finding(
                "CPU and memory", "ok", f"{asks} fits, now on {counted(len(free), 'node')}"
            )
        else:
            yield Finding(
                "CPU and memory",
                "warning",
                f"{asks} fits a node, but not beside what runs there now: it would wait",
                "Wait, or end what holds the memory: kubectl top nodes",
            )


def refusal(need: Need, node: Node) -> str:
    """Why a node does not take a step's pod; empty: it does."""
    for label, value in need.selector.items():
        if node.labels.get(label) != value:
            return f"label {label}={value} is missing"
    for rule in need.settings.affinity:
        if rule.weight is None and not _matches(rule, node.labels):
            return f"affinity {rule.key} {rule.operator} {','.join(rule.values)}".rstrip()
    for taint in node.taints:
        if taint.get("effect") != "PreferNoSchedule" and not any(
            _tolerates(one, taint) for one in need.tolerations
        ):
            value = f"={taint['value']}" if taint.get("value") else ""
            return f"taint {taint['key']}{value}:{taint['effect']} is not tolerated"
    return ""


def _tolerates(toleration: Toleration, taint: Mapping[str, Any]) -> bool:
    if toleration.effect and toleration.effect != taint.get("effect"):
        return False
    if toleration.operator == "Exists":
        return not toleration.key or toleration.key == taint["key"]
    return toleration.key == taint["key"] and (toleration.value or "") == (taint.get("value") or "")


def _matches(rule: NodeMatch, labels: Mapping[str, str]) -> bool:
    value = labels.get(rule.key)
    if rule.operator in ("Gt", "Lt"):
        try:
            difference = int(value or "") - int(rule.values[0])
        except ValueError:
            return False
        return difference > 0 if rule.operator == "Gt" else difference < 0
    return {
        "In": value in rule.values,
        "NotIn": value not in rule.values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[rule.operator]


def _holds(amounts: Mapping[str, Decimal], need: Need) -> bool:
    return amounts.get("cpu", ZERO) >= need.cpu and amounts.get("memory", ZERO) >= need.memory


def _has_gpus(node: Node, need: Need) -> bool:
    asked = need.settings.gpu
    return not asked or node.allocatable.get(need.settings.gpu_type, ZERO) >= asked


def _holds_now(node: Node, need: Need) -> bool:
    """CPU and memory are free; GPUs have a line of their own."""
    return node.free("cpu") >= need.cpu and node.free("memory") >= need.memory


def _size(node: Node) -> str:
    amounts = node.allocatable
    return (
        f"{node.name} with {number_text(amounts.get('cpu', ZERO))} CPU and "
        f"{bytes_text(amounts.get('memory', ZERO))}"
    )


def _node(item: Mapping[str, Any], used: Mapping[str, Mapping[str, Decimal]] | None) -> Node:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    name = item["metadata"]["name"]
    ready = next(
        (c["status"] for c in status.get("conditions") or [] if c["type"] == "Ready"), "True"
    )
    why_not = "cordoned" if spec.get("unschedulable") else "" if ready == "True" else "not ready"
    return Node(
        name=name,
        labels=item["metadata"].get("labels") or {},
        taints=spec.get("taints") or [],
        allocatable={k: quantity(v) for k, v in (status.get("allocatable") or {}).items()},
        used=None if used is None else used.get(name, {}),
        images=frozenset(
            n for image in status.get("images") or [] for n in image.get("names") or []
        ),
        why_not=why_not,
    )


def _used(reader: Reader) -> dict[str, dict[str, Decimal]] | None:
    """By node, what the pods that have not ended ask for; None where pods may not be listed."""
    from kubernetes.client import ApiException

    try:
        pods = reader.list("/api/v1/pods")
    except ApiException as error:
        if error.status in (401, 403):
            return None
        raise
    used: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for pod in pods:
        node = (pod.get("spec") or {}).get("nodeName")
        if node and (pod.get("status") or {}).get("phase") not in ENDED:
            for name, amount in _asked(pod["spec"]).items():
                used[node][name] += amount
    return used


def _asked(spec: Mapping[str, Any]) -> dict[str, Decimal]:
    """A pod's requests: the containers' sum or the largest init container's, as the scheduler counts."""
    total: dict[str, Decimal] = defaultdict(Decimal)
    first: dict[str, Decimal] = defaultdict(Decimal)
    for container in spec.get("containers") or []:
        for name, amount in _requests(container).items():
            total[name] += amount
    for container in spec.get("initContainers") or []:
        for name, amount in _requests(container).items():
            if container.get("restartPolicy") == "Always":  # a sidecar
                total[name] += amount
            else:
                first[name] = max(first[name], amount)
    return {name: max(total[name], first[name]) for name in {*total, *first}}


def _requests(container: Mapping[str, Any]) -> dict[str, Decimal]:
    resources = container.get("resources") or {}
    given = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: quantity(amount) for name, amount in given.items()}


def _autoscaled(reader: Reader) -> str:
    """What adds nodes on demand, as far as it shows; empty: nothing seen."""
    from kubernetes.client import ApiException

    try:
        groups = {group["name"] for group in reader.get("/apis").get("groups") or []}
        if "karpenter.sh" in groups:
            return "Karpenter"
        status = "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status"
        return "the cluster autoscaler" if reader.find(status) else ""
    except ApiException:
        return ""
