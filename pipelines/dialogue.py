"""The DAG of a dialogue: those of its agents side by side, and what makes a dialogue of them.

    understanding-ingest -> … -> understanding-gate      matching-ingest -> … -> matching-gate
                                        |                                              |
    prepare-dialogue ---------> measure-understanding -> [learn-policy] -------> add-matching
                                                                                       |
                                               register-dialogue <- gate-dialogue <- judge-policy

An agent's boxes are those of `pipelines.boxes`, under its name; what waits for nothing runs in parallel.
Each box of the dialogue's own writes the whole dialogue anew, and the next takes the nearest before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from bertworks.data.sources.fingerprints import UNSEEN
from bertworks.spec.dialogue import DialogueSpec
from pipelines.box import Box, Kind, Output, within
from pipelines.boxes import TABLE as OF_AGENT
from pipelines.boxes import never
from pipelines.dag import AnyDag, Dag, pipeline_name, section_of
from pipelines.graph import Graph
from pipelines.provenance import Provenance, provenance_of
from pipelines.sections import Settings, plain
from pipelines.site import Site

UNDERSTANDING, MATCHING = "understanding", "matching"


@dataclass(frozen=True)
class DialogueDag:
    """The making of a dialogue.

    Attributes:
        spec: The dialogue's spec.
        site: Where it runs.
        agents: What each agent is for, to its DAG.
        kind: As of the training of an agent.
    """

    spec: DialogueSpec
    site: Site
    agents: Mapping[str, Dag] = field(default_factory=dict)
    kind: Kind = "agent"

    @property
    def name(self) -> str:
        """What the pipeline is called."""
        return pipeline_name(self.spec.name, self.kind)

    @cached_property
    def graph(self) -> Graph:
        """The boxes that are there: the agents', and the dialogue's own."""
        found = []
        for place, (name, dag) in enumerate(self.agents.items()):
            table = [within(box, dag, name, 2 * place) for box in OF_AGENT if not box.closes]
            found += [box for box in table if box.there(self)]
        own = [replace(box, row=2 * len(self.agents)) for box in TABLE if box.there(self)]
        return Graph((*found, *own))

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The boxes that are there, in running order."""
        return self.graph.boxes

    @cached_property
    def provenance(self) -> Provenance:
        """What it is made of: its agents' data, too."""
        prints = dict(self.site.fingerprints)
        for name, dag in self.agents.items():
            prints |= {f"{name}.{place}": one for place, one in dag.site.fingerprints.items()}
        return provenance_of(self.spec, prints)

    def owner(self, box: Box) -> AnyDag:
        """An agent's own DAG for its boxes; this one for the others."""
        return self.agents[box.agent] if box.agent else self

    def sections(self) -> dict[str, str]:
        """Each box's part of its spec, as JSON."""
        return {box.name: section_of(box, self.owner(box)) for box in self.boxes}


def _prepare(dag: DialogueDag) -> Settings:
    spec = dag.spec
    return {
        "name": spec.name,
        "description": spec.description,
        "dialogue": spec.dialogue.model_dump_json(),
        "spec_folder": dag.site.folder,
        "fingerprints": dict(sorted(dag.site.fingerprints.items())),
    }


def _judge(dag: DialogueDag) -> Settings:
    kept = dag.spec.judge.sessions
    return {
        "judge": plain(dag.spec.judge),
        "sessions": None if kept is None else dag.site.seen(kept),
    }


def _gate(dag: DialogueDag) -> Settings:
    return {"name": dag.spec.name, "store": dag.site.store, "gates": plain(dag.spec.gates)}


def _register(dag: DialogueDag) -> Settings:
    return {"name": dag.spec.name, "store": dag.site.store}


def _nothing(dag: Any) -> Settings:
    return {}


def _judged_by_logs(dag: DialogueDag) -> bool:
    return dag.spec.judge.sessions is not None


PREPARED = (Output("prepare-dialogue", "dialogue"),)
HEARD = (Output("measure-understanding", "heard"), *PREPARED)
LEARNED = (Output("learn-policy", "learned"), *HEARD)
TALKS = (Output("add-matching", "matched"), *LEARNED)
JUDGED = (Output("judge-policy", "judged"),)

TABLE = (
    Box(
        name="prepare-dialogue",
        runs="prepare_dialogue",
        section=_prepare,
        # Known by the fingerprints of its files, unless only the pod can read one of them.
        cached=lambda dag: UNSEEN not in dag.site.fingerprints.values(),
        requests=("250m", "512Mi"),
    ),
    Box(
        name="measure-understanding",
        runs="measure_understanding",
        section=_nothing,
        takes={
            "dialogue": PREPARED,
            "understanding": (Output(f"{UNDERSTANDING}-quantize", "bundle"),),
            "examples": (Output(f"{UNDERSTANDING}-ingest", "examples"),),
        },
        after=(f"{UNDERSTANDING}-gate",),
        there=lambda dag: UNDERSTANDING in dag.agents,
        requests=("500m", "2Gi"),
    ),
    Box(
        name="learn-policy",
        runs="learn_policy",
        section=_nothing,
        takes={"dialogue": HEARD},
        there=lambda dag: dag.spec.dialogue.learn.enabled,
        requests=("1", "2Gi"),
        trains=True,
        image="dialogue_image",
        seconds=10.0,
        varies=True,
    ),
    Box(
        name="add-matching",
        runs="add_matching",
        section=_nothing,
        takes={
            "dialogue": LEARNED,
            "matching": (Output(f"{MATCHING}-quantize", "bundle"),),
            "examples": (Output(f"{MATCHING}-ingest", "examples"),),
        },
        after=(f"{MATCHING}-gate",),
        there=lambda dag: MATCHING in dag.agents,
        requests=("500m", "2Gi"),
    ),
    Box(
        name="judge-policy",
        runs="judge_policy",
        section=_judge,
        takes={"dialogue": TALKS},
        cached=lambda dag: not _judged_by_logs(dag),
        requests=("500m", "1Gi"),
        known_as={"judged": "judgement"},
        varies=True,
    ),
    Box(
        name="gate-dialogue",
        runs="gate_dialogue",
        section=_gate,
        takes={"dialogue": TALKS, "judged": JUDGED},
        requests=("250m", "512Mi"),
        refuses=True,
    ),
    Box(
        name="register-dialogue",
        runs="register_dialogue",
        section=_register,
        takes={
            "dialogue": TALKS,
            "decision": (Output("gate-dialogue", "decision"),),
            "judged": JUDGED,
        },
        cached=never,
        requests=("100m", "512Mi"),
    ),
)
