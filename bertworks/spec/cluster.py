"""The parts of the agent spec that are for a cluster: pods, places, serving, times.

A run on this machine ignores them, but for `serve`'s port, batch and threads.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from bertworks import __version__
from bertworks.quantities import (
    DNS_LABEL,
    Cpu,
    EnvName,
    Image,
    LabelKey,
    LabelValue,
    Memory,
    ResourceName,
    Text,
    memory_bytes,
)
from bertworks.quantities import DNS_NAME as KUBERNETES_NAME
from bertworks.secrets import masked, secret_in
from bertworks.spec.access import Access
from bertworks.spec.audit import Audit
from bertworks.spec.limits import Limits
from bertworks.spec.observing import Observing
from bertworks.spec.page import Page
from bertworks.spec.review import Review
from bertworks.spec.section import Section, StepName
from bertworks.spec.upgrades import Canary, Follow, Shadow


class SecretKey(Section):
    """One value of a Kubernetes secret, by reference: the value itself never enters a spec."""

    secret: str = Field(pattern=KUBERNETES_NAME, description="The secret's name.")
    key: str = Field(pattern="^[-._a-zA-Z0-9]+$", description="The key in it.")


class Toleration(Section):
    """A taint that pods accept, as in Kubernetes."""

    key: LabelKey | None = Field(
        None, description="The taint's key; None with Exists: every taint."
    )
    operator: Literal["Equal", "Exists"] = "Equal"
    value: LabelValue | None = Field(None, description="The taint's value, for Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    seconds: int | None = Field(None, ge=0, description="For NoExecute: how long it is accepted.")

    @model_validator(mode="after")
    def _as_kubernetes_has_it(self) -> Toleration:
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("`value` goes with operator Equal; leave it out with Exists.")
        if self.operator == "Equal" and self.key is None:
            raise ValueError(
                "`key` is needed with operator Equal; use Exists to accept every taint."
            )
        if self.seconds is not None and self.effect != "NoExecute":
            raise ValueError("`seconds` goes with effect NoExecute.")
        return self


class NodeMatch(Section):
    """One rule of node affinity. All required rules must hold; preferred ones add their weights."""

    key: LabelKey = Field(description="The node's label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = "In"
    values: list[LabelValue] = Field([], description="For In and NotIn; one number for Gt and Lt.")
    weight: int | None = Field(
        None, ge=1, le=100, description="Preferred with this weight; None: required."
    )

    @model_validator(mode="after")
    def _values_fit(self) -> NodeMatch:
        if (self.operator in ("Exists", "DoesNotExist")) == bool(self.values):
            raise ValueError(
                f"`values` is needed with In, NotIn, Gt, Lt and must be empty with Exists and "
                f"DoesNotExist. Received: {self.operator} with {self.values}"
            )
        number = len(self.values) == 1 and re.fullmatch("-?[0-9]+", self.values[0])
        if self.operator in ("Gt", "Lt") and not number:
            raise ValueError(
                f"`values` must be one whole number with {self.operator}. Received: {self.values}"
            )
        return self


# Set on every pod by bertworks or KFP; a spec that set them too would break retries or records.
OWN_VARIABLES = (
    "BERTWORKS_BOX", "BERTWORKS_CHECKPOINTS", "BERTWORKS_FAILURES", "BERTWORKS_NODE",
    "BERTWORKS_TIMEOUT", "KFP_RUN_ID", "KFP_POD_NAME", "KFP_POD_UID",
)  # fmt: skip
_SECRET_NAME = re.compile(
    r"(^|_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?)"
    r"(_ID)?$",
    re.IGNORECASE,
)


class StepResources(Section):
    """What one step's pod asks for. Local runs ignore it."""

    image: Image | None = Field(
        None,
        description="None: resources.gpu_image with GPUs, else resources.image (learn_policy: "
        "dialogue_image).",
    )
    cpu: Cpu | None = Field(
        None,
        description="CPU request and limit, e.g. 2 or 500m. None: a request without a limit, by step "
        "(`bertworks spec explain` shows it).",
    )
    memory: Memory | None = Field(
        None,
        description="Memory request and limit, e.g. 8Gi; /dev/shm counts towards it. None: a request "
        "without a limit, by step.",
    )
    gpu: int = Field(
        0, ge=0, description="GPUs; several train data-parallel. Their taint is tolerated."
    )
    gpu_type: ResourceName = Field("nvidia.com/gpu", description="Resource name of the GPU.")
    ephemeral_storage: Memory | None = Field(
        None,
        description="Scratch disk of the node at /tmp, at most so large, e.g. 20Gi; it lives as long "
        "as the pod. Temporary files and downloads go there.",
    )
    shared_memory: Memory | None = Field(
        None,
        description="Size of /dev/shm, e.g. 2Gi; it is memory of the pod. None: 1Gi with several "
        "GPUs, which talk through it, else what the cluster gives (mostly 64Mi).",
    )
    node_selector: dict[LabelKey, LabelValue] = {}
    tolerations: list[Toleration] = []
    affinity: list[NodeMatch] = []
    spot: bool = Field(
        False, description="May run on nodes that are taken away (resources.spot says which)."
    )
    retries: int | None = Field(
        None,
        ge=0,
        le=10,
        description="Tries after a preemption; None: 5 with spot, else 0. A step that fails by itself "
        "is not run again: a retry ends at once with the same message.",
    )
    backoff_seconds: int = Field(
        30, ge=1, le=3600, description="Wait before the first retry; it doubles."
    )
    timeout_minutes: int | None = Field(
        None,
        ge=1,
        description="How long the step may work, each try by itself; then it fails. Its pod, fetching "
        "of the image included, may live 5 minutes longer.",
    )
    env: dict[EnvName, Text] = Field({}, description="Plain settings; secrets go by reference.")
    secrets: dict[EnvName, SecretKey] = Field(
        {}, description="Environment variables taken from Kubernetes secrets."
    )

    @field_validator("env")
    @classmethod
    def _holds_no_secrets(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if _SECRET_NAME.search(name) or secret_in(value):
                raise ValueError(
                    f"{name} looks like a secret, and a spec is copied into records and compiled "
                    f"pipelines: name a Kubernetes secret instead, `secrets: {{{name}: {{secret: "
                    "NAME, key: KEY}}`. Received: a value"
                )
        return env

    @model_validator(mode="after")
    def _variables_are_free(self) -> StepResources:
        names = {*self.env, *self.secrets}
        if taken := sorted(names & set(OWN_VARIABLES)):
            raise ValueError(f"`env` and `secrets` may not set what bertworks sets: {taken}")
        if twice := sorted(set(self.env) & set(self.secrets)):
            raise ValueError(f"`env` and `secrets` both set: {twice}")
        return self

    @model_validator(mode="after")
    def _shared_memory_fits(self) -> StepResources:
        whole, shared = self.memory, self.shared_memory
        if whole and shared and memory_bytes(shared) >= memory_bytes(whole):
            raise ValueError(
                "`shared_memory` is a part of `memory` and must be less. "
                f"Received: {shared} of {whole}"
            )
        return self


class Spot(Section):
    """How this cluster marks the nodes that may be taken away. Steps with `spot: true` use it."""

    node_selector: dict[LabelKey, LabelValue] = {}
    tolerations: list[Toleration] = []


# Names and places in a pod that KFP, Argo and the settings above use.
_POD_VOLUMES = (
    "scratch", "shm", "kfp-launcher", "kfp-workspace", "ca-bundle", "ca-secret", "var-run-argo",
    "tmp-dir-argo", "argo-staging", "gcs-scratch", "s3-scratch", "minio-scratch",
    "dot-local-scratch", "dot-cache-scratch", "dot-config-scratch",
)  # fmt: skip
_POD_PATHS = (
    "/tmp", "/dev", "/proc", "/sys", "/etc", "/usr", "/var", "/opt", "/home", "/gcs", "/s3",
    "/minio", "/.local", "/.cache", "/.config", "/kfp-launcher", "/kfp-workspace", "/argo",
)  # fmt: skip


class Volume(Section):
    """The volume that outlives the pods: models, checkpoints, reasons of failures.

    Where pods run on several nodes it must be ReadWriteMany.
    """

    claim: str | None = Field(
        "bertworks",
        pattern=DNS_LABEL,
        description="Name of the PersistentVolumeClaim; None where all is in buckets.",
    )
    mount: str = Field("/bertworks", pattern="^(/[-.\\w]+)+$", description="Where pods see it.")

    @field_validator("claim")
    @classmethod
    def _name_is_free(cls, claim: str | None) -> str | None:
        if claim in _POD_VOLUMES:
            raise ValueError(f"pods have a volume of that name already. Received: {claim!r}")
        return claim

    @field_validator("mount")
    @classmethod
    def _path_is_free(cls, mount: str) -> str:
        if ".." in mount or f"/{mount.split('/')[1]}" in _POD_PATHS:
            raise ValueError(f"that path has another use in pods. Received: {mount!r}")
        return mount


class Resources(Section):
    """Resources for all steps, and for single ones."""

    image: Image = Field(f"bertworks/pipeline:{__version__}", description="Image of the steps.")
    gpu_image: Image = Field(
        f"bertworks/pipeline-gpu:{__version__}", description="Image of steps that ask for GPUs."
    )
    dialogue_image: Image = Field(
        f"bertworks/dialogue:{__version__}",
        description="Image of the step that learns policies of dialogues.",
    )
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    image_pull_secrets: list[Annotated[str, Field(pattern=KUBERNETES_NAME)]] = []
    service_account: str = Field(
        "bertworks-pipeline",
        pattern=KUBERNETES_NAME,
        description="Kubernetes service account of the runs.",
    )
    volume: Volume = Field(default_factory=Volume)
    store: str | None = Field(
        None, description="URI of the model store as pods see it; None: models/ on the volume."
    )
    checkpoints: str | None = Field(
        None, description="Folder or bucket for checkpoints; None: checkpoints/ on the volume."
    )
    spot: Spot = Field(default_factory=Spot)
    default: StepResources = Field(default_factory=StepResources)
    steps: dict[StepName, StepResources] = Field(
        {},
        description="By step; what is not set here is taken from `default`, field by field. "
        "`evaluate` is also what the bundle's evaluation gets.",
    )

    def of(self, step: str) -> StepResources:
        """What a step's pod asks for: its own settings, else those of `default`, field by field."""
        own = self.steps.get(step)
        if own is None:
            return self.default
        return self.default.model_copy(
            update={name: getattr(own, name) for name in own.model_fields_set}
        )

    def _checked(self, step: StepName) -> StepResources:
        try:
            return StepResources.model_validate(self.of(step).model_dump())
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ValueError(
                f"`steps.{step}` with what it takes from `default`: {reason}"
            ) from None

    @field_validator("store", "checkpoints")
    @classmethod
    def _holds_no_password(cls, place: str | None) -> str | None:
        if place and secret_in(place):
            raise ValueError(
                "credentials do not belong in a spec: the drivers take them from variables, see "
                f"`secrets`. Received: {masked(place)}"
            )
        return place

    @model_validator(mode="after")
    def _places_are_seen_by_pods(self) -> Resources:
        for name in ("store", "checkpoints"):
            place, mount = getattr(self, name), self.volume.mount
            if place is None or "://" in place:
                continue
            if self.volume.claim is None or not f"{place}/".startswith(f"{mount}/"):
                raise ValueError(
                    f"`{name}` must be a URI or a folder on the volume, below {mount}: pods see "
                    f"nothing else. Received: {place!r}"
                )
        if self.volume.claim is None and self.store is None:
            raise ValueError("`store` is needed where there is no volume: give a bucket's URI.")
        steps = [self.default, *map(self._checked, self.steps)]
        lasting = self.volume.claim is not None or self.checkpoints is not None
        if any(step.spot for step in steps) and not lasting:
            raise ValueError(
                "`checkpoints` is needed for steps with spot: true where there is no volume: "
                "give a bucket's URI."
            )
        return self


class Deploy(Section):
    """The serving side on the cluster; `bertworks deploy` applies it."""

    enabled: bool = Field(False, description="Also a step of the DAG, after register.")
    kind: Literal["auto", "kserve", "deployment"] = Field(
        "auto", description="auto: an InferenceService where the cluster has KServe."
    )
    namespace: str | None = Field(None, description="None: the namespace of the run.")
    image: Image = Field(f"bertworks/serving:{__version__}", description="Image of the server.")
    cpu: Cpu = Field("1", description="CPU request and limit of one replica.")
    memory: Memory = Field("1Gi", description="Memory request and limit of one replica.")
    keys: str | None = Field(
        "bertworks-keys",
        pattern=KUBERNETES_NAME,
        description="The secret that holds the file of `bertworks keys`; until it is there, every "
        "request is refused. None: whoever reaches the Service may ask.",
    )
    tls: str | None = Field(
        None,
        pattern=KUBERNETES_NAME,
        description="The secret with tls.crt and tls.key (kubernetes.io/tls): HTTPS and gRPC over TLS. "
        "None: what is before the Service ends TLS, if anything does.",
    )
    min_replicas: int = Field(2, ge=1)
    max_replicas: int = Field(6, ge=1)
    target_cpu_percent: int = Field(70, ge=1, le=100, description="Where the autoscaler adds one.")
    timeout_minutes: int = Field(
        10, ge=1, description="Not ready by then: the version before is put back."
    )

    @model_validator(mode="after")
    def _replicas_fit(self) -> Deploy:
        if self.max_replicas < self.min_replicas:
            raise ValueError(
                f"`max_replicas` must be at least `min_replicas`. "
                f"Received: {self.max_replicas} < {self.min_replicas}"
            )
        return self


class Serve(Section):
    """How the bundle is served; the part under `deploy` is for the cluster."""

    port: int = Field(
        8080, ge=1, le=65535, description="On this machine; in a pod it is always 8080."
    )
    grpc_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="For gRPC; None: none is offered. In a pod, and at its Service, it is always 8081.",
    )
    max_batch: int = Field(32, ge=1, description="Rows that one forward pass takes, at most.")
    threads: int | None = Field(None, ge=1, description="CPU threads; None: all that may be used.")
    limits: Limits = Field(default_factory=Limits)
    page: Page = Field(default_factory=Page)
    observing: Observing = Field(default_factory=Observing)
    access: Access = Field(default_factory=Access)
    audit: Audit = Field(default_factory=Audit)
    review: Review = Field(default_factory=Review)
    follow: Follow | None = Field(
        None, description="Takes up the store's champion by itself; None: serves one version."
    )
    canary: Canary | None = Field(
        None, description="New versions answer a share of the requests before they are promoted."
    )
    shadow: Shadow | None = Field(
        None, description="New versions answer a share of the requests behind the clients' back."
    )
    deploy: Deploy = Field(default_factory=Deploy)

    @property
    def followed(self) -> bool:
        """Whether deployed servers follow the store: where they try challengers they must."""
        return self.follow is not None or self.tried

    @property
    def tried(self) -> bool:
        """Whether new versions are tried on live traffic before anybody makes them the champion."""
        return self.canary is not None or self.shadow is not None


class Schedule(Section):
    """When the agent is retrained on the cluster. Local runs ignore it."""

    cron: str | None = Field(None, description='Five fields, e.g. "0 3 * * 1".')
    timezone: str = Field("UTC", description="IANA name, e.g. Europe/Berlin.")
    catch_up: bool = Field(False, description="Also run for the times that were missed.")
    max_concurrency: int = Field(1, ge=1, le=10, description="Runs at the same time, at most.")
