"""Turns the spec's `resources` into settings of a KFP task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertworks.spec import AgentSpec


def apply_resources(task: Any, name: str, spec: AgentSpec, sections: Mapping[str, str]) -> None:
    """Sets image, CPU, memory, GPU, node selector, time-out and plain environment of one task.

    Args:
        task: The KFP task.
        name: The task's name in the DAG; its step's own settings replace the defaults.
        spec: The agent spec.
        sections: Each step's part of it as JSON.
    """
    resources, step = spec.resources, name.removesuffix("-bundle")
    own = resources.steps.get(step)  # type: ignore[call-overload]
    chosen = resources.default
    if own is not None:
        chosen = chosen.model_copy(
            update={name: getattr(own, name) for name in own.model_fields_set}
        )
    task.set_container_image(resources.image)
    if chosen.cpu:
        task.set_cpu_request(chosen.cpu).set_cpu_limit(chosen.cpu)
    if chosen.memory:
        task.set_memory_request(chosen.memory).set_memory_limit(chosen.memory)
    if chosen.gpu:
        task.set_accelerator_type(chosen.gpu_type).set_accelerator_limit(chosen.gpu)
    if chosen.retries:
        task.set_retry(num_retries=chosen.retries, backoff_duration="30s", backoff_factor=2.0)
    for name, value in sorted(chosen.env.items()):
        task.set_env_variable(name, value)
    if chosen.node_selector or chosen.timeout_minutes:
        from kfp import kubernetes

        for label, value in sorted(chosen.node_selector.items()):
            kubernetes.add_node_selector(task, label, value)
        if chosen.timeout_minutes:
            kubernetes.set_timeout(task, chosen.timeout_minutes * 60)
