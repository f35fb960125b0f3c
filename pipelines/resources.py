"""Turns the spec's `resources` into settings of a KFP task.

KFP passes most of them on in the pod's spec; what its API does not know shapes the rest:

- No fsGroup: steps run as user and group 10001, for which the volume must be writable.
- No request for ephemeral storage, and a volume of its own would belong to root: the scratch disk is an
  emptyDir of the node, with a limit.
- Several required node affinity terms are alternatives to Kubernetes, so all required rules go into one.
- Argo's `maxDuration` bounds all tries of a step together, from the first start on (an hour unless
  said otherwise, and the pod is ended then), so it is set beyond every training.
- A mounted claim's volume is named as the claim, and so are secrets': `scratch` and `shm` are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bertworks import failures
from bertworks.spec.cluster import NodeMatch, Resources, StepResources
from bertworks.storage.checkpoints import ROOT as CHECKPOINTS
from components import tracked
from components.launch import BOX, TIMEOUT

if TYPE_CHECKING:
    from pipelines.box import Box
    from pipelines.dag import AnyDag

USER = 10001  # that the images run as
RETRIES_ON_SPOT = 5
RETRY_WINDOW = "2592000s"  # 30 days
POD_MARGIN_SECONDS = 300
SHARED_MEMORY_OF_SEVERAL_GPUS = "1Gi"


@dataclass(frozen=True)
class Places:
    """Where pods keep what outlives them: folders on the volume, or URIs.

    Attributes:
        store: The model store.
        checkpoints: What a step that was cut off goes on from; None: nowhere.
        failures: Why steps failed, see `bertworks.failures`.
    """

    store: str
    checkpoints: str | None
    failures: str


def places(resources: Resources) -> Places:
    """The places that the spec names, else folders on the volume.

    Without a volume the reasons of failures are kept beside the store.
    """
    volume = resources.volume
    if volume.claim is not None:
        return Places(
            store=resources.store or f"{volume.mount}/models",
            checkpoints=resources.checkpoints or f"{volume.mount}/checkpoints",
            failures=f"{volume.mount}/failures",
        )
    store = str(resources.store)  # the spec has checked that it is there
    beside = store.rstrip("/").rpartition("/")[0]
    return Places(store, resources.checkpoints, f"{beside}/failures")


def apply_resources(task: Any, box: Box, dag: AnyDag) -> None:
    """Gives one task its image, resources, place, retries, environment, volume and labels.

    Args:
        task: The KFP task.
        box: What it is the task of.
        dag: The DAG that it stands in.
    """
    resources = dag.spec.resources
    chosen = resources.of(box.step)
    _set_image(task, chosen, resources, box)
    _set_amounts(task, chosen, box)
    _set_nodes(task, chosen, resources)
    _set_retries(task, chosen)
    _set_environment(task, chosen, box, dag)
    _set_volumes(task, chosen, resources)
    _set_tracking(task, dag)
    _set_labels(task, box, dag)
    _set_secrets(task, box, dag)


def _set_image(task: Any, chosen: StepResources, resources: Resources, box: Box) -> None:
    from kfp import kubernetes

    shared = resources.gpu_image if chosen.gpu else getattr(resources, box.image)
    task.set_container_image(chosen.image or shared)
    kubernetes.set_image_pull_policy(task, resources.image_pull_policy)
    if resources.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(resources.image_pull_secrets))
    kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)


def _set_amounts(task: Any, chosen: StepResources, box: Box) -> None:
    cpu, memory = box.requests
    if chosen.cpu:
        task.set_cpu_limit(chosen.cpu)
    if chosen.memory:
        task.set_memory_limit(chosen.memory)
    task.set_cpu_request(chosen.cpu or cpu)
    task.set_memory_request(chosen.memory or memory)
    if chosen.gpu:
        task.set_accelerator_type(chosen.gpu_type).set_accelerator_limit(chosen.gpu)


def _set_nodes(task: Any, chosen: StepResources, resources: Resources) -> None:
    """Which nodes the pod may run on."""
    from kfp import kubernetes

    spot = resources.spot if chosen.spot else None
    selector = {**(spot.node_selector if spot else {}), **chosen.node_selector}
    for label, value in sorted(selector.items()):
        kubernetes.add_node_selector(task, label, value)
    for taint in [*(spot.tolerations if spot else []), *chosen.tolerations]:
        kubernetes.add_toleration(
            task,
            key=taint.key,
            operator=taint.operator,
            value=taint.value,
            effect=taint.effect,
            toleration_seconds=taint.seconds,
        )
    if chosen.gpu:
        # What Kubernetes' ExtendedResourceToleration does where it is switched on.
        kubernetes.add_toleration(task, key=chosen.gpu_type, operator="Exists", effect="NoSchedule")
    if required := [rule for rule in chosen.affinity if rule.weight is None]:
        kubernetes.add_node_affinity(task, match_expressions=[_expression(r) for r in required])
    for rule in chosen.affinity:
        if rule.weight is not None:
            kubernetes.add_node_affinity(
                task, match_expressions=[_expression(rule)], weight=rule.weight
            )


def _expression(rule: NodeMatch) -> dict[str, str | list[str]]:
    return {"key": rule.key, "operator": rule.operator, "values": list(rule.values)}


def _set_retries(task: Any, chosen: StepResources) -> None:
    """Retries and time-out. Which failures are tried again, `bertworks.failures` sees to."""
    from kfp import kubernetes

    retries = chosen.retries
    if retries is None:
        retries = RETRIES_ON_SPOT if chosen.spot else 0
    if retries:
        task.set_retry(
            num_retries=retries,
            backoff_duration=f"{chosen.backoff_seconds}s",
            backoff_factor=2.0,
            backoff_max_duration=RETRY_WINDOW,
        )
    if chosen.timeout_minutes:
        seconds = chosen.timeout_minutes * 60
        task.set_env_variable(TIMEOUT, str(seconds))
        kubernetes.set_timeout(task, seconds + POD_MARGIN_SECONDS)


def _set_environment(task: Any, chosen: StepResources, box: Box, dag: AnyDag) -> None:
    from kfp import kubernetes

    kept = places(dag.spec.resources)
    values = {**box.environment(dag), **chosen.env}
    values[failures.ROOT] = kept.failures
    if box.agent:  # several boxes of the DAG run its step: which one it is
        values[BOX] = box.name
    if box.trains and kept.checkpoints:
        values[CHECKPOINTS] = kept.checkpoints
    if chosen.ephemeral_storage:
        values = {"TMPDIR": "/tmp", "BERTWORKS_DOWNLOADS": "/tmp/downloads", **values}
    for name, value in sorted(values.items()):
        task.set_env_variable(name, value)
    for name, reference in sorted(chosen.secrets.items()):
        kubernetes.use_secret_as_env(task, reference.secret, {reference.key: name})
    kubernetes.use_field_path_as_env(task, failures.RUN, "metadata.labels['pipeline/runid']")
    kubernetes.use_field_path_as_env(
        task, failures.NODE, "metadata.annotations['workflows.argoproj.io/node-name']"
    )


def _set_tracking(task: Any, dag: AnyDag) -> None:
    """In the environment, so that another server leaves the caches of the steps whole."""
    track = dag.spec.track
    if track.mlflow is not None:
        task.set_env_variable(tracked.SERVER, track.mlflow)
        task.set_env_variable(tracked.EXPERIMENT, track.experiment or dag.spec.name)
        task.set_env_variable(tracked.NAME, dag.spec.name)


def _set_volumes(task: Any, chosen: StepResources, resources: Resources) -> None:
    from kfp import kubernetes

    # Every step mounts the volume: any of them may have a reason of failure to leave.
    if resources.volume.claim:
        kubernetes.mount_pvc(task, resources.volume.claim, resources.volume.mount)
    if chosen.ephemeral_storage:
        kubernetes.empty_dir_mount(task, "scratch", "/tmp", size_limit=chosen.ephemeral_storage)
    shared = chosen.shared_memory
    if shared is None and chosen.gpu > 1:
        shared = SHARED_MEMORY_OF_SEVERAL_GPUS
    if shared:
        kubernetes.empty_dir_mount(task, "shm", "/dev/shm", medium="Memory", size_limit=shared)


def _set_labels(task: Any, box: Box, dag: AnyDag) -> None:
    from kfp import kubernetes

    labels = {
        "app.kubernetes.io/name": "bertworks",
        "app.kubernetes.io/instance": dag.provenance.agent,
        "app.kubernetes.io/component": box.name,
        **dag.provenance.labels(),
    }
    for key, value in labels.items():
        kubernetes.add_pod_label(task, key, value)


def _set_secrets(task: Any, box: Box, dag: AnyDag) -> None:
    """Without one the pod starts all the same."""
    from kfp import kubernetes

    for variable, secret, key in box.secrets(dag):
        kubernetes.use_secret_as_env(task, secret, {key: variable}, optional=True)
