"""Rules about pods: the restricted Pod Security Standard, resources, images, probes.

The standard: https://kubernetes.io/docs/concepts/security/pod-security-standards/ (v1.36, restricted,
which includes baseline).
"""

import re
from collections.abc import Iterator

from manifest import Manifest, Pod, called, pods, quantity

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
SECCOMP = {"RuntimeDefault", "Localhost"}
SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
}  # fmt: skip


def restricted(items: list[Manifest]) -> Iterator[str]:
    """The restricted Pod Security Standard."""
    for pod in pods(items):
        for problem in _pod_level(pod):
            yield f"{called(pod.owner)}: {problem}"
        for container in pod.containers:
            for problem in _container_level(pod, container):
                yield f"{called(pod.owner)} container {container['name']}: {problem}"


def _pod_level(pod: Pod) -> Iterator[str]:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(key):
            yield f"{key} is set"
    for volume in pod.spec.get("volumes", []):
        if strange := set(volume) - {"name"} - VOLUMES:
            yield f"volume {volume['name']} is of a type that is not allowed: {sorted(strange)}"
    context = pod.spec.get("securityContext", {})
    if context.get("runAsUser") == 0:
        yield "runs as user 0"
    for sysctl in context.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']} is not safe"


def _container_level(pod: Pod, container: Manifest) -> Iterator[str]:
    whole, own = pod.spec.get("securityContext", {}), container.get("securityContext", {})
    if own.get("privileged"):
        yield "is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation must be false"
    if own.get("runAsNonRoot", whole.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot must be true"
    if own.get("runAsUser") == 0:
        yield "runs as user 0"
    profile = own.get("seccompProfile", whole.get("seccompProfile", {})).get("type")
    if profile not in SECCOMP:
        yield f"seccompProfile must be RuntimeDefault or Localhost, not {profile}"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "must drop ALL capabilities"
    if added := set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"adds capabilities: {sorted(added)}"
    if own.get("procMount", "Default") != "Default":
        yield "procMount must be Default"
    if own.get("seLinuxOptions", {}).get("user") or own.get("seLinuxOptions", {}).get("role"):
        yield "may not set the SELinux user or role"
    for port in container.get("ports", []):
        if port.get("hostPort"):
            yield "uses a hostPort"


def read_only_root(items: list[Manifest]) -> Iterator[str]:
    """Root file systems are read-only (stricter than the standard)."""
    for pod in pods(items):
        for container in pod.containers:
            if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
                yield f"{called(pod.owner)} container {container['name']}: root is writable"


def requests_fit_limits(items: list[Manifest]) -> Iterator[str]:
    """CPU and memory are requested and limited, requests are not above limits."""
    for pod in pods(items):
        for container in pod.containers:
            where = f"{called(pod.owner)} container {container['name']}"
            requests = container.get("resources", {}).get("requests", {})
            limits = container.get("resources", {}).get("limits", {})
            for resource in ("cpu", "memory"):
                if resource not in requests or resource not in limits:
                    yield f"{where}: {resource} needs a request and a limit"
            for resource, asked in requests.items():
                if resource in limits and quantity(asked) > quantity(limits[resource]):
                    yield f"{where}: requests {resource} {asked} above the limit {limits[resource]}"
            for resource in limits:
                extended = "/" in resource
                if extended and requests.get(resource, limits[resource]) != limits[resource]:
                    yield f"{where}: {resource}: request and limit must be equal"


def images_pinned(items: list[Manifest]) -> Iterator[str]:
    """Images carry a digest, or a tag other than latest."""
    for pod in pods(items):
        for container in pod.containers:
            image = str(container.get("image", ""))
            tag = re.search(r"(?:@sha256:[0-9a-f]{64}|:[\w][\w.-]{0,127})$", image)
            if tag is None or tag[0] == ":latest":
                yield f"{called(pod.owner)} container {container['name']}: image {image!r}"


def servers_probed(items: list[Manifest]) -> Iterator[str]:
    """Long-running containers have startup, readiness and liveness probes, on ports they have."""
    for pod in pods(items):
        if pod.owner["kind"] in ("Job", "CronJob"):
            continue
        for container in pod.spec["containers"]:
            where = f"{called(pod.owner)} container {container['name']}"
            ports = {p.get("name") for p in container.get("ports", [])}
            ports |= {p["containerPort"] for p in container.get("ports", [])}
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = container.get(kind)
                if probe is None:
                    yield f"{where}: no {kind}"
                elif (http := probe.get("httpGet")) and http["port"] not in ports:
                    yield f"{where}: {kind} asks port {http['port']}, which it does not have"


def mounts_exist(items: list[Manifest]) -> Iterator[str]:
    """Every mount has its volume, every volume is mounted, no two mounts share a path."""
    for pod in pods(items):
        volumes = [volume["name"] for volume in pod.spec.get("volumes", [])]
        used = set()
        for container in pod.containers:
            paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            if len(paths) != len(set(paths)):
                yield f"{called(pod.owner)} container {container['name']}: a path mounted twice"
            for mount in container.get("volumeMounts", []):
                used.add(mount["name"])
                if mount["name"] not in volumes:
                    yield f"{called(pod.owner)}: mounts {mount['name']}, which is no volume"
        for unused in sorted(set(volumes) - used):
            yield f"{called(pod.owner)}: volume {unused} is mounted nowhere"
        if len(volumes) != len(set(volumes)):
            yield f"{called(pod.owner)}: two volumes of one name"


def bounded_jobs(items: list[Manifest]) -> Iterator[str]:
    """Jobs end, and go away."""
    for item in items:
        if item["kind"] == "Job":
            for key in ("activeDeadlineSeconds", "ttlSecondsAfterFinished", "backoffLimit"):
                if key not in item["spec"]:
                    yield f"{called(item)}: no {key}"
