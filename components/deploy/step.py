"""Puts the version that was just registered behind the agent's server, and waits until it serves."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from bertworks.contracts.registered import REGISTERED
from bertworks.storage import artifacts
from bertworks.storage.artifacts import open_artifact
from components.contract import StepResult
from components.deploy import deployment, present
from components.deploy.cluster import Cluster, own_namespace
from components.deploy.settings import Section as Section  # as run_step looks for it
from components.deploy.settings import settings_of
from components.deploy.view import page


def run(
    section: Section, *, registered: Path, deployed: Path, cluster: Cluster | None = None
) -> StepResult:
    """Rolls the version out; the one before is put back when it does not become ready.

    Args:
        section: name, serve, store, volume, image_pull_policy, image_pull_secrets, service_account,
            env, secrets, node_selector, tolerations.
        registered: Registered artifact.
        deployed: Where the deployed artifact goes.
        cluster: Where to deploy; None: the cluster that this step runs in.

    Raises:
        EnvironmentFault: Not ready in time, no permission, a conflict, or no cluster.
        SpecError: The settings cannot be served.
    """
    kept = open_artifact(registered, "registered")
    facts = REGISTERED.read(kept)
    own = cluster.namespace if cluster else own_namespace()
    serving = settings_of(section, facts.version, facts.digest, own)
    where = cluster or Cluster.from_pod(section.serve.deploy.namespace)
    kind = present.choose_kind(where, serving.name, section.serve.deploy.kind)
    done = deployment.deploy(where, serving, kind, say=_say)

    told = {
        "name": serving.name,
        "version": serving.version,
        "digest": serving.digest,
        "kind": done.kind,
        "namespace": done.namespace,
        "image": serving.image,
        "url": done.url,
        "previous": done.previous,
        "ready": done.ready,
        "seconds": done.seconds,
        "answer": asdict(done.answer) if done.answer else None,
    }
    with artifacts.write(
        deployed, kind="deployed", producer="deploy", parents={"registered": kept}, metadata=told
    ) as folder:
        artifacts.write_json(folder / "deployed.json", told)
        (folder / "view.html").write_text(page(told), encoding="utf-8")
    metrics = {"version": serving.version, "ready": done.ready, "seconds": done.seconds}
    return StepResult(metrics, html="view.html")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
