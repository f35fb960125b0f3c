"""Findings, the case that is examined, and a reader of the Kubernetes API for the doctor's checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal
from urllib.parse import urlencode

from bertworks.spec import AgentSpec
from bertworks.spec.cluster import Resources, StepResources, Toleration
from pipelines.dag import requests, steps_at_work

Level = Literal["ok", "warning", "error", "skipped"]
SYSTEM_NAMESPACE = "kubeflow"
SECONDS = (4, 8)
PAGE = 500


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    Attributes:
        topic: What was looked at.
        level: "skipped" stands for not checked at all, as without a kubeconfig; the text says why.
        text: What is so.
        fix: What to do; empty where nothing is to be done.
    """

    topic: str
    level: Level
    text: str
    fix: str = ""


def not_checked(topic: str, error: Exception, what: str = "") -> Finding:
    """What could not be looked at is a warning: it may be missing. Each check stands alone."""
    from pipelines.cluster.kube.client import why

    fault = why(error)
    if getattr(error, "status", None) == 403:
        said = fault.message.partition("403: ")[2] or "no permission"
        fix = "Ask for the right to read it, to have it checked."
        return Finding(topic, "warning", f"{what}not checked: {said[:200]}", fix)
    return Finding(topic, "warning", f"{what}not checked: {fault.message.rstrip('.')}", fault.fix)


@dataclass(frozen=True)
class Need:
    """What one step's pod asks for."""

    step: str
    cpu: Decimal
    memory: Decimal
    settings: StepResources
    resources: Resources

    @property
    def image(self) -> str:
        """The image it runs."""
        shared = self.resources.gpu_image if self.settings.gpu else self.resources.image
        return self.settings.image or shared

    @property
    def retries(self) -> int:
        """How often it is tried again after a preemption."""
        from pipelines.resources import RETRIES_ON_SPOT

        if self.settings.retries is not None:
            return self.settings.retries
        return RETRIES_ON_SPOT if self.settings.spot else 0

    @property
    def selector(self) -> dict[str, str]:
        """The labels a node must have."""
        spot = self.resources.spot.node_selector if self.settings.spot else {}
        return {**spot, **self.settings.node_selector}

    @property
    def tolerations(self) -> list[Toleration]:
        """The taints it accepts."""
        given = [*self.settings.tolerations]
        if self.settings.spot:
            given += self.resources.spot.tolerations
        if self.settings.gpu:
            gpu = self.settings.gpu_type
            given.append(Toleration(key=gpu, operator="Exists", effect="NoSchedule"))
        return given


@dataclass
class Case:
    """What is examined.

    Attributes:
        spec: None: what every spec needs by default.
        namespace: Of the runs.
        reader: Of the Kubernetes API.
        forwards: Whether KFP is reached by a port-forward of our own.
    """

    spec: AgentSpec | None
    namespace: str
    reader: Reader
    forwards: bool = False

    @cached_property
    def resources(self) -> Resources:
        """The spec's, or the defaults."""
        return self.spec.resources if self.spec else Resources()

    @cached_property
    def needs(self) -> list[Need]:
        """What the steps' pods ask for; steps that the spec switches off are left out."""
        steps = requests() if self.spec is None else steps_at_work(self.spec)
        return [_need(step, asked, self.resources) for step, asked in steps.items()]


def _need(step: str, asked: tuple[str, str], resources: Resources) -> Need:
    settings = resources.of(step)
    cpu, memory = asked
    return Need(
        step=step,
        cpu=quantity(settings.cpu or cpu),
        memory=quantity(settings.memory or memory),
        settings=settings,
        resources=resources,
    )


@dataclass
class Reader:
    """Raw JSON from the Kubernetes API: newer servers send what the client's models do not know.

    Attributes:
        api: A `kubernetes.client.ApiClient`.
    """

    api: Any

    def get(self, path: str, **query: str) -> Any:
        """One GET.

        Raises:
            kubernetes.client.ApiException: The server refused, or it is not there.
        """
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path)

    def find(self, path: str) -> Any | None:
        """One GET; None where it is not there."""
        from kubernetes.client import ApiException

        try:
            return self.get(path)
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def list(self, path: str) -> list[Any]:
        """All items of a list."""
        found: list[Any] = []
        token = ""
        while True:
            more = {"continue": token} if token else {}
            page = self.get(path, limit=str(PAGE), **more)
            found += page.get("items") or []
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return found

    def may(self, attributes: Mapping[str, str], user: str | None = None) -> bool:
        """Whether we, or another user, may do something, by an access review."""
        kind = "SubjectAccessReview" if user else "SelfSubjectAccessReview"
        spec: dict[str, object] = {"resourceAttributes": dict(attributes)}
        if user:
            groups = ["system:serviceaccounts", "system:authenticated"]
            if user.startswith("system:serviceaccount:"):
                groups.append(f"system:serviceaccounts:{user.split(':')[2]}")
            spec |= {"user": user, "groups": groups}
        answer = self._call(
            "POST",
            f"/apis/authorization.k8s.io/v1/{kind.lower()}s",
            {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec},
        )
        return bool(answer["status"].get("allowed"))

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        return self.api.call_api(
            path,
            method,
            header_params={"Accept": "application/json", "Content-Type": "application/json"},
            body=body,
            auth_settings=["BearerToken"],
            response_type="object",
            _return_http_data_only=True,
            _request_timeout=SECONDS,
        )


def quantity(text: Any) -> Decimal:
    """An amount as Kubernetes writes it ("500m", "4Gi"), as a number."""
    from kubernetes.utils.quantity import parse_quantity

    return Decimal(parse_quantity(str(text)))


def bytes_text(amount: Decimal) -> str:
    """Bytes for people: 4Gi."""
    for unit, size in (("Ti", 2**40), ("Gi", 2**30), ("Mi", 2**20)):
        if amount >= size:
            return f"{float(amount / size):.3g}{unit}"
    return f"{amount:.0f}"


def number_text(amount: Decimal) -> str:
    """A count or CPUs for people: 1, 0.5."""
    return f"{float(amount):.3g}"


def counted(count: int, noun: str) -> str:
    """A count with its noun: 1 node, 2 nodes."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(words: Sequence[str], most: int = 5) -> str:
    """At most so many words, then how many more."""
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more} more" if more > 0 else "")
