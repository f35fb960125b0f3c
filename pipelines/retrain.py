"""The DAG that retrains an agent when there is something new, read like the diagram on the wall.

ingest -> compare -+- unchanged: the run ends well
                   +- changed -> validate -> … -> gate -> register -+- promoted -> [deploy]
                                 (pipelines/challenge.py)           +- kept, refused: it ends well
and, however it ends: notify
"""

from collections.abc import Mapping
from typing import Any

from kfp import dsl

from bertworks.retraining.webhook import URL
from bertworks.spec import AgentSpec
from bertworks.spec_cluster import SecretKey
from components.compare.component import compare
from components.deploy.component import deploy
from components.ingest.component import ingest
from components.notify.component import notify
from pipelines import challenge
from pipelines.resources import apply_resources

# They read the sources and the store, which others change, or tell what happened in this very run.
NEVER_CACHED = ("ingest", "compare", "gate", "register", "deploy", "notify")


def task_names(spec: AgentSpec) -> list[str]:
    """The boxes of a run on this machine, which deploys nothing, in the order in which they run."""
    return ["ingest", "compare", *branch(spec), "notify"]


def branch(spec: AgentSpec) -> list[str]:
    """The boxes that are skipped when nothing is new."""
    return challenge.task_names(spec)


def build(spec: AgentSpec, sections: Mapping[str, str], *, cluster: bool = True) -> Any:
    """The KFP pipeline that retrains the agent of a spec.

    Args:
        spec: The agent spec.
        sections: Each step's part of it as JSON, from `pipelines.sections`.
        cluster: Whether tasks get their pods' settings, and the agent is deployed where the spec says
            so; a run on this machine has no use for either.
    """
    own = {name.removesuffix("-retrain"): part for name, part in sorted(sections.items())}

    @dsl.pipeline(name=f"{spec.name}-retrain", description=spec.description or None)
    def retrain() -> None:
        tasks = {"notify": notify(section=own["notify"])}
        with dsl.ExitHandler(tasks["notify"], name="retrain"):
            tasks["ingest"] = rows = ingest(section=own["ingest"])
            tasks["compare"] = found = compare(
                section=own["compare"],
                examples=rows.outputs["examples"],
                base=rows.outputs["base"],
            )
            with dsl.If(found.outputs["Output"] == "changed", name="changed"):
                tasks |= challenge.make_version(
                    spec,
                    own,
                    examples=found.outputs["merged"],
                    history=found.outputs["history"],
                    corpus=rows.outputs["corpus"],
                    base=found.outputs["initial"],
                )
                if cluster and spec.serve.deploy.enabled:
                    registered = tasks["register"]
                    with dsl.If(registered.outputs["Output"] == "promoted", name="promoted"):
                        tasks["deploy"] = deploy(
                            section=own["deploy"], registered=registered.outputs["registered"]
                        )
        for name, task in tasks.items():
            if cluster:
                apply_resources(task, name, spec, own)
            if name in NEVER_CACHED:
                task.set_caching_options(False)
        if cluster and spec.retrain.webhook:
            _tell_webhook(tasks["notify"], spec.retrain.webhook)

    return retrain


def _tell_webhook(task: Any, hook: SecretKey) -> None:
    """Gives the notify step the webhook's URL; without the secret it still records the outcome."""
    from kfp import kubernetes

    kubernetes.use_secret_as_env(task, hook.secret, {hook.key: URL}, optional=True)
