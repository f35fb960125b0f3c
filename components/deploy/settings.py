"""What is served, and how: the settings that a rollout is made from, and put back from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from bertworks.errors import SpecError
from bertworks.spec.cluster import SecretKey, Serve, Toleration, Volume
from components.contract import StepSection

Kind = Literal["kserve", "deployment"]


class Section(StepSection):
    """What the server and its pods need of the spec.

    Attributes:
        store: URI or path of the model store, as pods see it.
    """

    name: str
    serve: Serve
    store: str
    volume: Volume
    image_pull_policy: str
    image_pull_secrets: list[str]
    service_account: str | None
    env: dict[str, str]
    secrets: dict[str, SecretKey]
    node_selector: dict[str, str]
    tolerations: list[Toleration]


@dataclass(frozen=True)
class Serving:
    """One version of one agent, as it is to serve. Equal settings give equal manifests.

    Attributes:
        name: The agent.
        version: Its number in the store.
        digest: The bundle's digest; the server refuses another one.
        store: URI or path of the model store, as the pods see it.
        image: The server's image.
        threads: CPU threads of one forward pass.
        cpu: Request and limit of one replica.
        memory: Request and limit of one replica.
        keys: The secret that holds the keys of those who may ask; None: everybody may.
        min_replicas: Replicas at least.
        max_replicas: Replicas at most.
        target_cpu_percent: CPU use at which the autoscaler adds a replica.
        timeout_minutes: By when it must be ready.
        claim: The volume's claim; None where the store is a bucket.
        mount: Where the pods see the volume.
        pull_policy: Of the image.
        pull_secrets: Names of secrets for the image's registry.
        service_account: For buckets that go by the pod's identity; its token is not mounted.
        env: Plain settings, for the bucket.
        secrets: Variable to {secret, key}, for the bucket.
        node_selector: Labels of the nodes that may run it.
        tolerations: Taints that it accepts, as Kubernetes has them.
        follow: Whether the servers take up the store's champion by themselves, so that a new version
            changes no pod.
        tries: Whether they try challengers too, and write what that came to into the store.
        grpc: Whether they answer over gRPC too.
        tls: The secret with their certificate and its key; None: no TLS.
    """

    name: str
    version: int
    digest: str
    store: str
    image: str
    threads: int = 1
    cpu: str = "1"
    memory: str = "1Gi"
    keys: str | None = "bertworks-keys"
    min_replicas: int = 2
    max_replicas: int = 6
    target_cpu_percent: int = 70
    timeout_minutes: int = 10
    claim: str | None = "bertworks"
    mount: str = "/bertworks"
    pull_policy: str = "IfNotPresent"
    pull_secrets: list[str] = field(default_factory=list)
    service_account: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[dict[str, str | int]] = field(default_factory=list)
    follow: bool = False
    tries: bool = False
    grpc: bool = False
    tls: str | None = None

    @property
    def label(self) -> str:
        """The version as people say it: sentiment/3."""
        return f"{self.name}/{self.version}"

    def as_dict(self) -> dict[str, object]:
        """For the record that is kept on the cluster; holds names of secrets, no secret."""
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Serving:
        """Reads a record back; what another version of bertworks added is left out."""
        known = {one.name for one in fields(cls)}
        return cls(**{key: value for key, value in kept.items() if key in known})


def settings_of(
    section: Section, version: int, digest: str, namespace: str | None = None
) -> Serving:
    """The settings that the deploy step's section of a spec asks for.

    Args:
        section: The deploy step's.
        version: The registered version.
        digest: Its bundle's digest.
        namespace: Where the volume is, as far as that is known.

    Raises:
        SpecError: The pods could not reach the store.
    """
    serve, deploy, volume = section.serve, section.serve.deploy, section.volume
    bucket = "://" in section.store
    if not bucket:
        _check_volume(section.store, volume, deploy.namespace, namespace)
    cpus = max(1, math.ceil(_cpus(deploy.cpu)))
    return Serving(
        name=section.name,
        version=version,
        digest=digest,
        store=section.store,
        image=deploy.image,
        # A container sees every core of its node: without a number it would start threads for all.
        threads=min(serve.threads or cpus, cpus),
        cpu=deploy.cpu,
        memory=deploy.memory,
        keys=deploy.keys,
        min_replicas=deploy.min_replicas,
        max_replicas=deploy.max_replicas,
        target_cpu_percent=deploy.target_cpu_percent,
        timeout_minutes=deploy.timeout_minutes,
        claim=None if bucket else volume.claim,
        mount=volume.mount,
        pull_policy=section.image_pull_policy,
        pull_secrets=list(section.image_pull_secrets),
        # What the steps use to reach a bucket. With a volume the server needs none of it.
        service_account=section.service_account if bucket else None,
        env=dict(section.env) if bucket else {},
        secrets={name: one.model_dump() for name, one in section.secrets.items()} if bucket else {},
        node_selector=dict(section.node_selector),
        tolerations=[_toleration(one) for one in section.tolerations],
        follow=serve.followed,
        tries=serve.canary is not None,
        grpc=serve.grpc_port is not None,
        tls=deploy.tls,
    )


def _check_volume(store: str, volume: Volume, wanted: str | None, own: str | None) -> None:
    if volume.claim is None:
        raise SpecError(
            f"The model store {store} is a path, but there is no volume: "
            "`resources.volume.claim` is null.",
            "Set `resources.store` to a bucket (s3://…, gs://…), or name the volume's claim.",
        )
    mount = volume.mount.rstrip("/")
    if store != mount and not store.startswith(f"{mount}/"):
        raise SpecError(
            f"The model store {store} is not on the volume, which pods see at {mount}.",
            f"Set `resources.store` to a path under {mount}, or to a bucket (s3://…, gs://…).",
        )
    if wanted and own and wanted != own:
        raise SpecError(
            f"`serve.deploy.namespace` is {wanted}, but the volume {volume.claim} is in {own}: "
            "a claim cannot be mounted from another namespace.",
            "Leave the namespace out, or keep the models in a bucket (`resources.store`).",
        )


def _cpus(quantity: str) -> float:
    try:
        if quantity.endswith("m"):
            return int(quantity[:-1]) / 1000
        return float(quantity)
    except ValueError:
        raise SpecError(
            f"`serve.deploy.cpu` must be a number of CPUs. Received: {quantity!r}",
            "Write for example 2, 0.5 or 500m.",
        ) from None


def _toleration(one: Toleration) -> dict[str, str | int]:
    """The spec's toleration as Kubernetes spells it."""
    kept = one.model_dump(exclude_none=True)
    seconds = kept.pop("seconds", None)
    return kept if seconds is None else {**kept, "tolerationSeconds": seconds}
