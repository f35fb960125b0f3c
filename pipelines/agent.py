"""The DAG that makes an agent, read like the diagram on the wall.

ingest -> validate -> … -> gate -> register -> [deploy]
          (pipelines/challenge.py)
"""

from collections.abc import Mapping
from typing import Any

from kfp import dsl

from bertworks.spec import AgentSpec
from components.deploy.component import deploy
from components.ingest.component import ingest
from pipelines import challenge
from pipelines.resources import apply_resources


def task_names(spec: AgentSpec) -> list[str]:
    """The boxes of a run on this machine, which deploys nothing, in the order in which they run."""
    return ["ingest", *challenge.task_names(spec)]


def build(spec: AgentSpec, sections: Mapping[str, str], *, cluster: bool = True) -> Any:
    """The KFP pipeline of a spec.

    Args:
        spec: The agent spec.
        sections: Each step's part of it as JSON, from `pipelines.sections`.
        cluster: Whether tasks get their pods' settings, and the agent is deployed where the spec says
            so; a run on this machine has no use for either.
    """

    @dsl.pipeline(name=spec.name, description=spec.description or None)
    def agent() -> None:
        rows = ingest(section=sections["ingest"])
        tasks = {"ingest": rows} | challenge.make_version(
            spec,
            sections,
            examples=rows.outputs["examples"],
            history=rows.outputs["examples"],
            corpus=rows.outputs["corpus"],
            base=rows.outputs["base"],
        )
        if not cluster:
            return
        if spec.serve.deploy.enabled:
            tasks["deploy"] = deploy(
                section=sections["deploy"], registered=tasks["register"].outputs["registered"]
            )
            tasks["deploy"].set_caching_options(False)
        for name, task in tasks.items():
            apply_resources(task, name, spec, sections)

    return agent
