"""Can the images be pulled: on the nodes already, or known to their registry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from pipelines.cluster.doctor.checks.base import Case, Finding, Level, Need, listed
from pipelines.cluster.doctor.checks.nodes import Node, nodes, refusal

DOCKER_HUB = "docker.io"
ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
SECONDS = (3, 5)
MISSING = "has no such image"
NODES_ONLY = (
    "Where only the nodes reach the registry, let one pull it: kubectl run look --image=IMAGE "
    "--restart=Never."
)


@dataclass(frozen=True)
class Image:
    """A reference, taken apart as container runtimes do it.

    Attributes:
        reference: A tag, or a digest with its "sha256:".
    """

    registry: str
    repository: str
    reference: str

    @classmethod
    def parse(cls, text: str) -> Image:
        """Of NAME[:TAG][@DIGEST], with Docker Hub's defaults."""
        name, _, digest = text.partition("@")
        first, slash, rest = name.partition("/")
        if slash and ("." in first or ":" in first or first == "localhost"):
            registry, path = first, rest
        else:
            registry, path = DOCKER_HUB, name if slash else f"library/{name}"
        path, _, tag = path.partition(":")
        return cls(registry, path, digest or tag or "latest")

    def __str__(self) -> str:
        sign = "@" if ":" in self.reference else ":"
        return f"{self.registry}/{self.repository}{sign}{self.reference}"


def check(case: Case) -> Iterator[Finding]:
    """Each image of the steps, and of the server where the DAG deploys."""
    users: dict[str, list[Need]] = {}
    for need in case.needs:
        users.setdefault(need.image, []).append(need)
    serving = None
    if case.spec is not None and case.spec.serve.deploy.enabled:
        serving = case.spec.serve.deploy.image
        users.setdefault(serving, [])
    from kubernetes.client import ApiException

    try:
        there: Sequence[Node] | None = [node for node in nodes(case.reader) if not node.why_not]
    except ApiException:
        there = None
    for name, needs in sorted(users.items()):
        yield _image(case, name, needs, there)


def _image(case: Case, name: str, needs: Sequence[Need], there: Sequence[Node] | None) -> Finding:
    image = Image.parse(name)
    policy, topic = case.resources.image_pull_policy, f"image {name}"
    where: list[Node] = []
    candidates: list[Node] = []
    if there is not None:
        candidates = [
            node
            for node in there
            if not needs or any(not refusal(need, node) and _has_gpus(need, node) for need in needs)
        ]
        where = [node for node in candidates if str(image) in {normal(n) for n in node.images}]
        if where and len(where) == len(candidates) and policy != "Always":
            return Finding(topic, "ok", f"on every node that takes the steps ({len(where)})")
    some = f"on {listed([node.name for node in where], 3)}, not on the others; " if where else ""
    if policy == "Never":
        lack = some or "on no node; "
        return Finding(
            topic,
            "warning" if where else "error",
            f"{lack}image_pull_policy is Never",
            "Load it: kind load docker-image, or resources.image_pull_policy: IfNotPresent.",
        )
    known, said = registry_has(image)
    if known:
        return Finding(topic, "ok", f"{some}its registry has it")
    nowhere = some or ("" if there is None else "on no node, and ")
    if said != MISSING and case.resources.image_pull_secrets:
        pulled = listed(case.resources.image_pull_secrets)
        level: Level = "ok" if where else "warning"
        fix = "" if where else "Pull it once with the same name and password to be sure."
        return Finding(topic, level, f"{some}pulled with {pulled}, which is not tried here", fix)
    if known is None:
        # Nobody knows of it: as good as not there, unless only the nodes reach its registry.
        level = "ok" if where else "warning" if there is None else "error"
        text = f"{nowhere}its registry could not be asked from here ({said})"
        fix = f"{_fix(image)} {NODES_ONLY}" if level != "ok" else ""
        return Finding(topic, level, text, fix)
    return Finding(
        topic, "warning" if where else "error", f"{nowhere}{image.registry} {said}", _fix(image)
    )


def _fix(image: Image) -> str:
    return (
        "Build it (make images) and push it to a registry of yours, then name that under "
        "resources.image and gpu_image; with kind: kind load docker-image "
        f"{image.repository}:{image.reference}. A private registry needs "
        "resources.image_pull_secrets."
    )


def _has_gpus(need: Need, node: Node) -> bool:
    return not need.settings.gpu or node.allocatable.get(need.settings.gpu_type, 0) > 0


def normal(name: str) -> str:
    """A name from a node's list in full: some runtimes leave Docker Hub's parts out."""
    return str(Image.parse(name))


def registry_has(image: Image) -> tuple[bool | None, str]:
    """Whether a registry has an image that anyone may pull; None where it could not be asked."""
    import requests

    host = "registry-1.docker.io" if image.registry == DOCKER_HUB else image.registry
    name = host.partition(":")[0]
    near = name in ("localhost", "127.0.0.1") or name.startswith("kind-registry")
    url = (
        f"{'http' if near else 'https'}://{host}/v2/{image.repository}/manifests/{image.reference}"
    )
    headers = {"Accept": ACCEPT}
    try:
        answer = requests.head(url, headers=headers, timeout=SECONDS, allow_redirects=True)
        if answer.status_code == 401:
            token = _anonymous_token(answer.headers.get("WWW-Authenticate", ""), image)
            if token:
                headers["Authorization"] = f"Bearer {token}"
                answer = requests.head(url, headers=headers, timeout=SECONDS, allow_redirects=True)
    except (requests.RequestException, ValueError) as error:
        return None, type(error).__name__
    if answer.status_code == 200:
        return True, ""
    if answer.status_code in (401, 403):
        return False, "has no such image that anyone may pull"
    if answer.status_code == 404:
        return False, MISSING
    return None, f"HTTP {answer.status_code}"


def _anonymous_token(challenge: str, image: Image) -> str | None:
    """A token for everybody, where the registry gives one (RFC 6750, Docker's token service)."""
    import requests

    if not challenge.lower().startswith("bearer "):
        return None
    said = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = said.get("realm", "")
    if urlsplit(realm).scheme != "https":
        return None
    query = {"service": said.get("service", ""), "scope": f"repository:{image.repository}:pull"}
    answer = requests.get(f"{realm}?{urlencode(query)}", timeout=SECONDS)
    if answer.status_code != 200:
        return None
    body = answer.json()
    return str(body.get("token") or body.get("access_token") or "") or None
