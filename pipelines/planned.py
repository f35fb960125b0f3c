"""From a spec that was read to its DAG: on this machine, for a cluster, and out of a run's plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from bertworks.spec import AgentSpec
from bertworks.spec.dialogue import DialogueSpec
from bertworks.spec.file import DialogueFile, SpecFile
from pipelines.box import Kind
from pipelines.dag import AnyDag, Dag
from pipelines.dialogue import DialogueDag
from pipelines.site import Laptop

Baseline = Callable[[str, dict[str, str]], str]
"""From an agent's name and its sources' fingerprints to the statistics of its last run, or "none"."""


def dag_here(loaded: SpecFile | DialogueFile, kind: Kind, store: str, baseline: Baseline) -> AnyDag:
    """The DAG of a spec on this machine.

    Args:
        loaded: The spec, as read.
        kind: The training, or the retraining.
        store: The model store.
        baseline: Finds statistics to compare with.

    Raises:
        SourceError: A source cannot be looked at.
        DataError: An agent has too few rows to learn from.
        EnvironmentFault: A dialogue is to learn a policy, and what learns is not installed.
    """
    if isinstance(loaded, DialogueFile):
        from bertworks.data.sources.fingerprints import of_file

        spec = loaded.spec
        if spec.dialogue.learn.enabled:
            from bertworks.dialogue.learner import learner

            learner()  # before hours of training, not after
        prints = {
            one.place: of_file(one.uri, one.sha256, loaded.folder, ".".join(one.key))
            for one in spec.files
            if not one.grows
        }
        site = Laptop(store, prints, str(loaded.folder))
        agents = {
            name: _agent_here(one, "agent", store, baseline) for name, one in loaded.agents.items()
        }
        return DialogueDag(spec, site, agents, kind)
    return _agent_here(loaded, kind, store, baseline)


def _agent_here(loaded: SpecFile, kind: Kind, store: str, baseline: Baseline) -> Dag:
    from bertworks.data.rows.enough import check_enough
    from bertworks.data.sources.fingerprints import fingerprints
    from bertworks.storage.store import Store

    # What is learned in a retraining are the champion's rows, too.
    alone = kind == "agent" or Store(store).champion(loaded.spec.name) is None
    check_enough(loaded.spec, loaded.folder, alone=alone)
    prints = fingerprints(loaded.spec, loaded.folder)
    site = Laptop.of(loaded, store, prints, baseline(loaded.spec.name, prints))
    return Dag(loaded.spec, site, kind)


def to_json(dag: AnyDag) -> dict[str, Any]:
    """What a DAG on this machine is made anew from, by `of_json`."""
    said = {
        "kind": dag.kind,
        "spec": dag.spec.model_dump(mode="json", by_alias=True),
        "site": asdict(dag.site),
    }
    if isinstance(dag, DialogueDag):
        said["agents"] = {name: to_json(one) for name, one in dag.agents.items()}
    return said


def of_json(said: Mapping[str, Any]) -> Dag | DialogueDag:
    """The DAG that `to_json` wrote."""
    site = Laptop(**said["site"])
    if "agents" not in said:
        return Dag(AgentSpec.model_validate(said["spec"]), site, said["kind"])
    agents = {}
    for name, one in said["agents"].items():
        agent = of_json(one)
        assert isinstance(agent, Dag)
        agents[name] = agent
    return DialogueDag(DialogueSpec.model_validate(said["spec"]), site, agents, said["kind"])
