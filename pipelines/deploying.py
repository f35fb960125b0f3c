"""The deploy step's part of a spec."""

from __future__ import annotations

from bertworks.spec import AgentSpec
from components.deploy.settings import Section


def deploy_section(spec: AgentSpec, store: str) -> Section:
    """What the deploy step, and `bertworks deploy`, need of a spec.

    The server's pods get the environment, secrets, node selector and tolerations that the spec's
    resources give the step `deploy`; the first two only where the model store is a bucket.

    Args:
        spec: The agent spec.
        store: URI or path of the model store, as pods see it.
    """
    resources = spec.resources
    own = resources.of("deploy")
    return Section(
        name=spec.name,
        serve=spec.serve,
        store=store,
        volume=resources.volume,
        image_pull_policy=resources.image_pull_policy,
        image_pull_secrets=list(resources.image_pull_secrets),
        service_account=resources.service_account,
        env=own.env,
        secrets=own.secrets,
        node_selector=own.node_selector,
        tolerations=own.tolerations,
    )
