"""Rules about access: roles, accounts, secrets, quotas."""

import re
from collections.abc import Iterator

from manifest import CLUSTER_SCOPED, Manifest, called, name, of_kind, pods

GRANTING = {"escalate", "bind", "impersonate"}
SECRETIVE = re.compile(r"(password|passwd|token|secret|credential|(access|api|private)_?key)", re.I)


def roles_are_narrow(items: list[Manifest]) -> Iterator[str]:
    """No wildcards, no verbs that widen rights, secrets only by name, nothing cluster-wide."""
    for role in of_kind(items, "Role", "ClusterRole"):
        for rule in role["rules"]:
            for key in ("apiGroups", "resources", "verbs", "nonResourceURLs", "resourceNames"):
                if any("*" in value for value in rule.get(key, [])):
                    yield f"{called(role)}: wildcard in {key}"
            if granted := GRANTING & set(rule["verbs"]):
                yield f"{called(role)}: {sorted(granted)}"
            if "secrets" in rule.get("resources", []) and not rule.get("resourceNames"):
                yield f"{called(role)}: all secrets of the namespace"
            if "pods/exec" in rule.get("resources", []):
                yield f"{called(role)}: commands in any pod"
            # A name cannot be known before an object is made, nor does it limit a list.
            if rule.get("resourceNames") and {"create", "list", "watch"} & set(rule["verbs"]):
                yield f"{called(role)}: resourceNames do not work with create, list, watch"
    for item in of_kind(items, "ClusterRole", "ClusterRoleBinding"):
        yield f"{called(item)}: rights in every namespace"


def bindings_resolve(items: list[Manifest]) -> Iterator[str]:
    """Bindings name a role and accounts of the same namespace that are there."""
    roles = {name(role) for role in of_kind(items, "Role")}
    accounts = {(name(a), a["metadata"].get("namespace")) for a in of_kind(items, "ServiceAccount")}
    bound = set()
    for binding in of_kind(items, "RoleBinding"):
        bound.add(binding["roleRef"]["name"])
        if binding["roleRef"]["kind"] == "Role" and binding["roleRef"]["name"] not in roles:
            yield f"{called(binding)}: no role {binding['roleRef']['name']}"
        for subject in binding["subjects"]:
            if (subject["name"], subject.get("namespace")) not in accounts:
                yield f"{called(binding)}: no account {subject}"
    for role in sorted(roles - bound):
        yield f"Role/{role}: bound to nobody"


def no_secrets(items: list[Manifest]) -> Iterator[str]:
    """No secret's value: not as a Secret, not in an environment variable, not in a config map."""
    for secret in of_kind(items, "Secret"):
        if secret.get("data") or secret.get("stringData"):
            yield f"{called(secret)}: carries values"
    for pod in pods(items):
        for container in pod.containers:
            for variable in container.get("env", []):
                if SECRETIVE.search(variable["name"]) and variable.get("value"):
                    yield f"{called(pod.owner)}: plain value of {variable['name']}"
    for config in of_kind(items, "ConfigMap"):
        for key in config.get("data", {}):
            if SECRETIVE.search(key):
                yield f"{called(config)}: key {key}"


def servers_have_no_token(items: list[Manifest]) -> Iterator[str]:
    """Pods that bertworks describes itself never speak to the API server."""
    silent = {
        name(account)
        for account in of_kind(items, "ServiceAccount")
        if account.get("automountServiceAccountToken") is False
    }
    for pod in pods(items):
        own = pod.spec.get("automountServiceAccountToken")
        if own is True or (own is None and pod.spec.get("serviceAccountName") not in silent):
            yield f"{called(pod.owner)}: gets an API token"


def quota_spares_kubeflow(items: list[Manifest]) -> Iterator[str]:
    """No quota or limit range that would stop pods which state no CPU and memory."""
    for quota in of_kind(items, "ResourceQuota"):
        scoped = quota["spec"].get("scopes") or quota["spec"].get("scopeSelector")
        for resource in quota["spec"]["hard"]:
            if resource in ("cpu", "memory") or re.match(
                r"(requests|limits)\.(cpu|memory|ephemeral-storage)$", resource
            ):
                if not scoped:
                    yield f"{called(quota)}: {resource} stops pods that do not state it"
            elif "/" in resource and not resource.startswith(("requests.", "count/")):
                yield f"{called(quota)}: {resource}: extended resources only as requests.NAME"
    for limits in of_kind(items, "LimitRange"):
        for limit in limits["spec"]["limits"]:
            if limit["type"] in ("Container", "Pod"):
                yield f"{called(limits)}: changes Kubeflow's own pods"


def one_namespace(items: list[Manifest]) -> Iterator[str]:
    """All in one namespace; cluster-wide only the namespace itself, never enforcing a standard."""
    spaces = {i["metadata"].get("namespace") for i in items if i["kind"] not in CLUSTER_SCOPED}
    if len(spaces) > 1:
        yield f"several namespaces: {sorted(map(str, spaces))}"
    for item in items:
        if item["kind"] in CLUSTER_SCOPED - {"Namespace"}:
            yield f"{called(item)}: cluster-wide"
    for space in of_kind(items, "Namespace"):
        if name(space) not in spaces:
            yield f"{called(space)}: nothing is in it"
        labels = space["metadata"].get("labels", {})
        if "pod-security.kubernetes.io/enforce" in labels:
            yield f"{called(space)}: enforcing would stop Kubeflow's own pods"
        for mode in ("warn", "audit"):
            if labels.get(f"pod-security.kubernetes.io/{mode}") != "restricted":
                yield f"{called(space)}: does not {mode}"
