"""The DAG of a dialogue: those of its agents side by side, and what makes a dialogue of them.

    understanding-ingest -> … -> understanding-gate      matching-ingest -> … -> matching-gate
                                        |                                              |
    prepare-dialogue ---------> measure-understanding -> [learn-policy] -------> add-matching
                                                                                       |
                                               register-dialogue <- gate-dialogue <- judge-policy

An agent's boxes are those of `pipelines.boxes`, under its name; what waits for nothing runs in parallel.
Each box of the dialogue's own writes the whole dialogue anew, and the next takes the nearest before it.
A retraining begins with compare-dialogue, and ends with notify.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from bertworks.data.sources.fingerprints import UNSEEN
from bertworks.spec.dialogue import DialogueSpec
from pipelines.box import Box, Kind, Output, within
from pipelines.boxes import TABLE as OF_AGENT
from pipelines.boxes import never, retrains
from pipelines.dag import AnyDag, Dag, pipeline_name, section_of
from pipelines.graph import Graph
from pipelines.provenance import DIGITS, Provenance, provenance_of
from pipelines.sections import Settings, plain, recipe
from pipelines.site import Site

UNDERSTANDING, MATCHING = "understanding", "matching"


@dataclass(frozen=True)
class DialogueDag:
    """The making of a dialogue.

    Attributes:
        spec: The dialogue's spec.
        site: Where it runs.
        agents: What each agent is for, to its DAG.
        kind: The training, or the retraining: what follows compare-dialogue then runs only where it says
            "changed". Its agents are made as in a training; what has not changed comes from the cache.
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
        if self.kind != "retrain":
            return Graph((*found, *own))
        first = [box for box in RETRAINING if not box.closes]
        follow = [_behind(box, first) for box in (*found, *own)]
        return Graph((*first, *follow, *(box for box in RETRAINING if box.closes)))

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

    @cached_property
    def made_of(self) -> dict[str, str]:
        """Place of each source, file and spec to what tells its content."""
        prints = dict(self.site.fingerprints)
        # As text: the order of its keys is that of asking.
        said = self.spec.model_dump_json(
            exclude={"description", "resources", "track"}, exclude_defaults=True
        )
        prints["spec"] = hashlib.sha256(said.encode()).hexdigest()[:DIGITS]
        for name, dag in self.agents.items():
            prints |= {f"{name}.{place}": one for place, one in dag.site.fingerprints.items()}
            prints[f"{name}.spec"] = recipe(dag.spec)
        return dict(sorted(prints.items()))

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
        **({"store": dag.site.store} if retrains(dag) else {}),
    }


def _gate(dag: DialogueDag) -> Settings:
    return {**_stored(dag), "gates": plain(dag.spec.gates), **_challenge(dag)}


def _register(dag: DialogueDag) -> Settings:
    return {**_compare(dag), **_challenge(dag)}


def _compare(dag: DialogueDag) -> Settings:
    return {**_stored(dag), "made_of": dag.made_of}


def _stored(dag: DialogueDag) -> Settings:
    return {"name": dag.spec.name, "store": dag.site.store}


def _challenge(dag: DialogueDag) -> Settings:
    return {"retrain": True} if retrains(dag) else {}


def _nothing(dag: Any) -> Settings:
    return {}


def _by_others(dag: DialogueDag) -> bool:
    """Whether a policy is judged beside what kept dialogues or the model store have now."""
    return dag.spec.judge.sessions is not None or retrains(dag)


def _behind(box: Box, first: Sequence[Box]) -> Box:
    """A box that begins a training, behind those that begin a retraining."""
    return box if box.takes else replace(box, after=(*box.after, *(one.name for one in first)))


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
        cached=lambda dag: not _by_others(dag),
        requests=("500m", "1Gi"),
        known_as={"judged": "judgement"},
        varies=True,
    ),
    Box(
        name="gate-dialogue",
        runs="gate_dialogue",
        section=_gate,
        takes={"dialogue": TALKS, "judged": JUDGED},
        cached=lambda dag: not retrains(dag),
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

RETRAINING = (
    Box(
        name="compare-dialogue",
        runs="compare_dialogue",
        section=_compare,
        cached=never,
        goes_on={"retrain": "changed"},
        requests=("100m", "512Mi"),
    ),
    Box(
        name="notify",
        section=_stored,
        cached=never,
        requests=("100m", "256Mi"),
        closes=True,
    ),
)
