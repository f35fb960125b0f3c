"""What pods mount and are given: the volume, secrets, quotas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bertworks.spec.cluster import SecretKey
from pipelines.cluster.doctor.checks.base import (
    Case,
    Finding,
    Reader,
    bytes_text,
    not_checked,
    number_text,
    quantity,
)

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
APPLY = "kubectl apply -k k8s/base (or the overlay that fits) creates it"


def check_classes(case: Case) -> Iterator[Finding]:
    """Whether a claim that names no storage class would get one."""
    classes = _classes(case.reader)
    default = [name for name, one in classes.items() if one.default]
    name = case.resources.volume.claim
    if default:
        yield Finding(
            "storage classes", "ok", f"{', '.join(classes)}; default: {', '.join(default)}"
        )
    elif name and _claim_of(case, name) is None:
        yield Finding(
            "storage classes",
            "warning",
            f"none is the default (there is: {', '.join(classes) or 'none'}): a claim must name one",
            "Set storageClassName in k8s/base/volume.yaml, or make one the default: kubectl annotate "
            f"storageclass NAME {DEFAULT_CLASS}=true",
        )
    else:
        yield Finding("storage classes", "ok", f"{', '.join(classes) or 'none'}; no default")


def check_volume(case: Case) -> Iterator[Finding]:
    """The claim that outlives the pods."""
    name = case.resources.volume.claim
    if name is None:
        yield Finding("volume", "ok", "none is used: all is in buckets")
        return
    claim = _claim_of(case, name)
    if claim is None:
        yield Finding(
            "volume",
            "error",
            f"the claim {name} is not in {case.namespace}: no pod of a run can start",
            f"{APPLY}; or name another one: resources.volume.claim",
        )
        return
    yield _claim(name, claim, case.reader)


@dataclass(frozen=True)
class StorageClass:
    """What makes volumes.

    Attributes:
        default: For claims that name none.
        late: A volume is made with the first pod that mounts it.
    """

    default: bool
    late: bool


def _classes(reader: Reader) -> dict[str, StorageClass]:
    return {
        item["metadata"]["name"]: StorageClass(
            (item["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true",
            item.get("volumeBindingMode") == "WaitForFirstConsumer",
        )
        for item in reader.list("/apis/storage.k8s.io/v1/storageclasses")
    }


def _claim_of(case: Case, name: str) -> Any | None:
    path = f"/api/v1/namespaces/{case.namespace}/persistentvolumeclaims/{name}"
    return case.reader.find(path)


def _binds_late(reader: Reader, chosen: str | None) -> bool | None:
    """Whether a class makes its volumes with the first pod; None where that may not be read."""
    from kubernetes.client import ApiException

    try:
        found = _classes(reader).get(chosen or "")
    except ApiException:
        return None
    return found is not None and found.late


def _claim(name: str, claim: Mapping[str, Any], reader: Reader) -> Finding:
    spec, status = claim["spec"], claim.get("status") or {}
    modes = spec.get("accessModes") or []
    phase = status.get("phase", "Pending")
    chosen = spec.get("storageClassName")
    if phase == "Lost":
        return Finding(
            "volume", "error", f"{name} has lost its volume", "Restore it, or make another."
        )
    if phase == "Pending":
        late = _binds_late(reader, chosen)
        if late:
            return Finding("volume", "ok", f"{name} is made with the first pod ({chosen})")
        unknown = "; whether it is made with the first pod was not checked: no permission to read "
        return Finding(
            "volume",
            "warning" if late is None else "error",
            f"{name} is not bound (storage class {chosen or 'none'})"
            f"{unknown + 'storage classes' if late is None else ''}",
            f"kubectl describe pvc {name} -n {claim['metadata']['namespace']} says why",
        )
    size = (status.get("capacity") or {}).get("storage")
    text = f"{name}: bound, {size or 'size unknown'}, {', '.join(modes)}"
    if "ReadWriteMany" in modes:
        return Finding("volume", "ok", text)
    if "ReadWriteOnce" in modes:
        count = _node_count(reader)
        if count == 1:
            return Finding("volume", "ok", text)
        return Finding(
            "volume",
            "warning",
            f"{text}: pods can mount it on one node at a time ({count or 'several'} nodes), so that "
            "a step on another node waits for ever",
            "Use a class with ReadWriteMany (NFS, Filestore, EFS, CephFS), or keep the steps on one "
            "node with node_selector",
        )
    return Finding(
        "volume",
        "error",
        f"{text}: several pods must write to it",
        "Make the claim ReadWriteMany, or ReadWriteOnce on a cluster of one node",
    )


def _node_count(reader: Reader) -> int | None:
    from kubernetes.client import ApiException

    try:
        items = reader.list("/api/v1/nodes")
    except ApiException:
        return None
    return sum(not (item.get("spec") or {}).get("unschedulable") for item in items)


def check_secrets(case: Case) -> Iterator[Finding]:
    """Secrets and their keys are there; values are never shown."""
    from kubernetes.client import ApiException

    wanted = dict(_references(case))
    pulls = case.resources.image_pull_secrets
    if not wanted and not pulls:
        yield Finding("secrets", "ok", "the spec names none" if case.spec else "none by default")
        return
    secrets, unread = {}, {}
    for name in sorted({s.secret for s in wanted.values()} | {*pulls}):
        try:
            secrets[name] = _secret(case, name)
        except ApiException as error:
            unread[name] = error
    for name, refused in unread.items():
        yield not_checked("secrets", refused, f"{name}: ")
    good = []
    for where, one in wanted.items():
        if one.secret in unread:
            continue
        secret = secrets[one.secret]
        make = (
            f"kubectl create secret generic {one.secret} -n {case.namespace} "
            f"--from-literal={one.key}=..."
        )
        if secret is None:
            text = f"{one.secret} is not in {case.namespace} (for {where})"
            yield Finding("secrets", "error", text, make)
        elif one.key not in secret.values:
            has = ", ".join(sorted(secret.values)) or "none"
            yield Finding(
                "secrets",
                "error",
                f"{one.secret} has no key {one.key!r} (for {where}); it has: {has}",
                f"Add it: kubectl edit secret {one.secret} -n {case.namespace}; or name another key.",
            )
        elif not secret.values[one.key]:
            text = f"{one.secret}: the value of {one.key} is empty (for {where})"
            yield Finding("secrets", "warning", text, "Set it.")
        else:
            good.append(f"{one.secret}/{one.key}")
    for name in pulls:
        if name in unread:
            continue
        secret = secrets[name]
        if secret is None:
            yield Finding(
                "secrets",
                "error",
                f"{name} is not in {case.namespace} (for resources.image_pull_secrets)",
                f"kubectl create secret docker-registry {name} -n {case.namespace} ...",
            )
        elif not secret.type.startswith("kubernetes.io/docker"):
            yield Finding(
                "secrets",
                "error",
                f"{name} is of type {secret.type or None}, not kubernetes.io/dockerconfigjson",
                "Make it with kubectl create secret docker-registry.",
            )
        else:
            good.append(name)
    if good:
        yield Finding("secrets", "ok", f"there: {', '.join(sorted(set(good)))}")


def _references(case: Case) -> Iterator[tuple[str, SecretKey]]:
    for name, one in case.resources.default.secrets.items():
        yield f"resources.default.secrets.{name}", one
    for step, settings in case.resources.steps.items():
        for name, one in settings.secrets.items():
            yield f"resources.steps.{step}.secrets.{name}", one
    if case.spec and case.spec.retrain.webhook:
        yield "retrain.webhook", case.spec.retrain.webhook


@dataclass(frozen=True)
class Secret:
    """A secret, its values still in base64."""

    type: str
    values: Mapping[str, str]


def _secret(case: Case, name: str) -> Secret | None:
    found = case.reader.find(f"/api/v1/namespaces/{case.namespace}/secrets/{name}")
    return None if found is None else Secret(found.get("type") or "", found.get("data") or {})


def check_quotas(case: Case) -> Iterator[Finding]:
    """Quotas that would keep a step's pod from starting."""
    quotas = case.reader.list(f"/api/v1/namespaces/{case.namespace}/resourcequotas")
    problems = [finding for quota in quotas for finding in _quota(case, quota)]
    yield from problems
    if not problems:
        names = ", ".join(quota["metadata"]["name"] for quota in quotas)
        yield Finding("quotas", "ok", f"room for a step in {names}" if names else "none")


def _quota(case: Case, quota: Mapping[str, Any]) -> Iterator[Finding]:
    name = quota["metadata"]["name"]
    hard = (quota.get("status") or {}).get("hard") or (quota.get("spec") or {}).get("hard") or {}
    used = (quota.get("status") or {}).get("used") or {}
    fix = f"Raise it: kubectl edit resourcequota {name} -n {case.namespace}; or ask for less."
    for resource, asked, step in _demands(case):
        if resource not in hard:
            continue
        limit, taken = quantity(hard[resource]), quantity(used.get(resource, 0))
        amount = bytes_text if "memory" in resource else number_text
        if asked > limit:
            text = (
                f"{name}: {step} asks for {amount(asked)} {resource}, the quota is {amount(limit)}"
            )
            yield Finding("quotas", "error", text, fix)
        elif asked > limit - taken:
            yield Finding(
                "quotas",
                "warning",
                f"{name}: {step} asks for {amount(asked)} {resource}, of {amount(limit)} "
                f"{amount(taken)} are taken: its pod would be refused until some end",
                fix,
            )
    stated = sorted(key for key in hard if key in ("limits.cpu", "limits.memory"))
    without = [n.step for n in case.needs if not (n.settings.cpu and n.settings.memory)]
    if stated and without:
        yield Finding(
            "quotas",
            "error",
            f"{name} bounds {' and '.join(stated)}: pods without limits are refused, and the spec "
            f"sets none for {without[0]}"
            + (f" and {len(without) - 1} more" if without[1:] else ""),
            "Set resources.default.cpu and .memory; Kubeflow's own pods need a LimitRange then.",
        )


def _demands(case: Case) -> Iterator[tuple[str, Decimal, str]]:
    """(quota's resource, the most that one step asks for, the step)."""
    if not case.needs:
        return
    # Besides the step's own: KFP's driver, which may be a pod as well.
    yield "pods", Decimal(2), "a step with its driver"
    for resource in ("requests.memory", "memory"):
        most = max(case.needs, key=lambda need: need.memory)
        yield resource, most.memory, most.step
    for resource in ("requests.cpu", "cpu"):
        most = max(case.needs, key=lambda need: need.cpu)
        yield resource, most.cpu, most.step
    for need in case.needs:
        if need.settings.gpu:
            yield f"requests.{need.settings.gpu_type}", Decimal(need.settings.gpu), need.step
