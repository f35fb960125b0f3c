"""The names of steps' pods, which KFP does not tell: rebuilt from Argo's names of its nodes."""

from __future__ import annotations

from typing import Any

from pipelines.cluster.runs.declared import RunStep

TRIES_AT_MOST = 50
TRIES_OF_GROUPS = 4


def find_pods(steps: list[RunStep], named: dict[str, list[Any]]) -> None:
    """Names the steps' pods, and counts the attempts.

    KFP does not say whose the pods are; but a pod's name ends with the hash of its node's name, and
    those can be built. Which were tried is told by the nodes inside each "executor", and, by some
    versions, by a list of the attempts that failed.
    """
    boxes = named.get("executor", [])
    failed = {
        pod.rpartition("-")[2]: pod
        for task in boxes
        if task.executor_detail
        for pod in task.executor_detail.failed_main_jobs or []
    }
    inside = {
        (child.pod_name or "").rpartition("-")[2]
        for task in boxes
        for child in task.child_tasks or []
    }
    for step in steps:
        workflow, executors, counted = _executors(step, named)
        if not executors or not step.attempts:
            continue
        hashes = [
            str(node_hash(f"{node}({number})"))
            for node in executors
            for number in range(TRIES_AT_MOST)
        ]
        tried = [one for one in hashes if one in inside or one in failed]
        if not tried:
            last = hashes[-TRIES_AT_MOST] if counted else str(node_hash(executors[-1]))
            tried = [last]
        elif step.state != "failed" and not inside.intersection(tried):
            tried.append(hashes[hashes.index(tried[-1]) + 1])  # the one after those that failed
        step.pods = [failed.get(one) or f"{workflow}-{step.template}-{one}" for one in tried]
        step.attempts = len(tried)


def _executors(step: RunStep, named: dict[str, list[Any]]) -> tuple[str, list[str], bool]:
    """(workflow, Argo's names of the step's executors, are their attempts counted?), as far as told.

    Argo counts the attempts of what has a retry rule: "executor(0)". A rule among the controller's
    defaults, as KFP installs one, holds for groups as well: "run(0).root(0).finetune(0).executor(0)";
    each attempt of the group has an executor of its own.
    """
    workflow, found, counted = "", [], False
    for box in named.get(step.task, []):
        for child in box.child_tasks or []:
            name, _, digits = (child.pod_name or "").rpartition("-")
            if not name:
                continue
            node = ".".join((name, "root", *step.path, "executor"))
            if digits == str(node_hash(node)):
                return name, [node], "retry-" in step.template
            around = ".".join(f"{one}(0)" for one in (name, "root", *step.path[:-1]))
            for number in range(TRIES_OF_GROUPS):
                group = f"{around}.{step.path[-1]}({number})"
                if digits == str(node_hash(group)):
                    workflow, counted = name, True
                    found.append(f"{group}.executor")
    return workflow, found, counted


def node_hash(name: str) -> int:
    """FNV-1a with 32 bits (Fowler, Noll, Vo), with which Argo makes ids and pod names of node names."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value
