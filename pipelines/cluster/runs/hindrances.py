"""What keeps a run's steps, and what ended a pod that failed by no fault of its step."""

from __future__ import annotations

import re

from bertworks.errors import EnvironmentFault
from pipelines.cluster.kfp.connection import Connection
from pipelines.cluster.runs.logs import lines
from pipelines.cluster.runs.pods import CONTAINER, Pod, all_pods, short


def hindrances(connection: Connection, run_id: str) -> dict[str, str]:
    """Step, or pod of KFP's own, to what keeps it: it does not start, or fails by no fault of its own.

    Raises:
        EnvironmentFault: There is no kubeconfig, or it does not let us look.
    """
    found: dict[str, str] = {}
    others: dict[str, list[Pod]] = {}
    for pod in all_pods(connection, run_id):
        if pod.waits:
            found[pod.step or pod.node] = f"waits: {pod.waits} {_remedy(pod)}"
        else:
            others.setdefault(pod.step or pod.node, []).append(pod)
    for node, pods in others.items():
        # A step's own failure is its reason, which is asked for at the end.
        failed = [
            pod
            for pod in pods
            if pod.phase == "Failed" and (pod.broken or pod.killed or not pod.step)
        ]
        if failed and pods[-1].phase != "Succeeded" and node not in found:
            times = f" {len(failed)} times" if len(failed) > 1 else ""
            try:
                why_ = cause(connection, failed[-1]).partition("\n")[0]
            except EnvironmentFault as error:
                why_ = f"its log cannot be read: {error.message}"
            found[node] = f"failed{times}: {short(why_)}"
    return found


def cause(connection: Connection, pod: Pod) -> str:
    """Why a pod failed, as far as it shows: what ended it, its last fatal line, the end of its log.

    Raises:
        EnvironmentFault: Its log may not be read.
    """
    if pod.killed:
        return pod.killed
    container = pod.broken or CONTAINER
    text = pod.said
    if not text:
        log = "".join(lines(connection, pod.name, follow=False, tail=200, container=container))
        # klog of KFP's driver and launcher; logfmt of Argo's containers.
        fatal = re.findall(r"^F\d{4} .*?\] (.*)$|level=(?:fatal|error) .*?msg=(.*)$", log, re.M)
        kept = [line for line in log.splitlines() if line.strip()][-3:]
        said = next((a or b for a, b in fatal[::-1]), " | ".join(kept))
        text = said.strip('"').replace('\\"', '"')
    return f"{short(text, 600) or 'its log is empty'}{_advice(text)}"


def _advice(text: str) -> str:
    if re.search(r"forbidden|cannot (?:create|get|patch|list) resource", text):
        return (
            "\n  fix: Give the run's service account its rights (kubectl apply -k k8s/base), or name "
            "another one: resources.service_account; `bertworks doctor` lists what is missing."
        )
    if re.search(
        r"NoSuchBucket|bucket.*(?:not exist|not found)|(?:open|access).*bucket", text, re.I
    ):
        return (
            "\n  fix: Make the bucket of KFP's pipeline root (the ConfigMap kfp-launcher, and "
            "mlpipeline-minio-artifact for its password), or name one that is there."
        )
    return ""


def _remedy(pod: Pod) -> str:
    if "Image" in pod.waits.split(":")[0]:
        return "(is the image in the registry, and resources.image right? image_pull_secrets?)"
    if pod.waits.startswith("Unschedulable") and pod.step:
        return f"(no node fits: see resources.steps.{pod.step}; `bertworks doctor` lists nodes)"
    return f"(kubectl describe pod {pod.name})"
