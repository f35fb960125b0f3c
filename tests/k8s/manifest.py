"""What the rules read from a manifest: names, pods, containers, quantities."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Manifest = dict[str, Any]

# Kinds with a pod template, and the way to it.
TEMPLATES = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
CLUSTER_SCOPED = {"Namespace", "PriorityClass", "ClusterRole", "ClusterRoleBinding", "StorageClass"}
SUFFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
SUFFIXES |= {"m": Decimal("0.001"), "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@dataclass(frozen=True)
class Pod:
    """The pods that one object makes."""

    owner: Manifest
    labels: dict[str, str]
    spec: Manifest

    @property
    def containers(self) -> list[Manifest]:
        return [*self.spec.get("initContainers", []), *self.spec.get("containers", [])]


def called(item: Manifest) -> str:
    """Kind and name, for messages."""
    return f"{item.get('kind')}/{item.get('metadata', {}).get('name')}"


def name(item: Manifest) -> str:
    return str(item["metadata"]["name"])


def of_kind(items: list[Manifest], *kinds: str) -> list[Manifest]:
    return [item for item in items if item["kind"] in kinds]


def pods(items: list[Manifest]) -> Iterator[Pod]:
    """Every pod that the objects make; KServe's predictor is a pod specification too."""
    for item in items:
        if item["kind"] == "Pod":
            yield Pod(item, item["metadata"].get("labels", {}), item["spec"])
        elif item["kind"] in TEMPLATES:
            template = item
            for key in TEMPLATES[item["kind"]]:
                template = template[key]
            yield Pod(item, template.get("metadata", {}).get("labels", {}), template["spec"])
        elif item["kind"] == "InferenceService":
            predictor = item["spec"]["predictor"]
            own = {**item["metadata"].get("labels", {}), **predictor.get("labels", {})}
            yield Pod(item, own, predictor)


def quantity(text: str | int | float) -> Decimal:
    """A Kubernetes quantity as a number.

    Raises:
        ValueError: Not one.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([a-zA-Z]{0,2})", str(text))
    if found is None or found[2] not in SUFFIXES:
        raise ValueError(f"not a quantity: {text!r}")
    return Decimal(found[1]) * SUFFIXES[found[2]]


def matches(selector: Manifest | None, labels: dict[str, str]) -> bool:
    """Whether a label selector (matchLabels, matchExpressions) selects these labels."""
    if selector is None:
        return False
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", []):
        value, values = labels.get(rule["key"]), rule.get("values", [])
        kept = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not kept[rule["operator"]]:
            return False
    return True
