"""The DAG of a dialogue: those of its agents side by side, and what makes a dialogue of them.

    compare-dialogue, and then:

    understanding-ingest -> … -> understanding-gate      matching-ingest -> … -> matching-gate
                                        |                                              |
    prepare-dialogue ---------> measure-understanding -> [learn-policy] -------> add-matching
                                                                                       |
                                               register-dialogue <- gate-dialogue <- judge-policy

An agent's boxes are those of `pipelines.boxes`, under its name; what waits for nothing runs in parallel.
Each box of the dialogue's own writes the whole dialogue anew, and the next takes the nearest before it.
compare-dialogue looks at what there is before anything is read, and register-dialogue keeps what it
found: a retraining goes on only where something is new. It ends with notify.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import bertworks
from bertworks.data.sources.fingerprints import UNSEEN, sources_of
from bertworks.spec import AgentSpec
from bertworks.spec.cluster import StepResources
from bertworks.spec.dialogue import MATCHING, UNDERSTANDING, DialogueSpec
from pipelines.box import Box, Kind, Output, Secret, within
from pipelines.boxes import TABLE as OF_AGENT
from pipelines.boxes import never, retrains
from pipelines.dag import AnyDag, Dag, pipeline_name, section_of
from pipelines.graph import Graph
from pipelines.provenance import DIGITS, Provenance, provenance_of
from pipelines.sections import Settings, plain
from pipelines.site import Site


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
        first, *own = (box for box in TABLE if box.there(self))
        rest = []
        for place, (name, dag) in enumerate(self.agents.items()):
            table = [within(box, dag, name, 2 * place) for box in OF_AGENT if not box.closes]
            rest += [box for box in table if box.there(self)]
        rest += [replace(box, row=2 * len(self.agents)) for box in own]
        return Graph((first, *(_behind(box, first) for box in rest)))

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
        """Place of each source, file and spec to what tells its content, or to UNSEEN."""
        prints = dict(self.site.fingerprints)
        prints["spec"] = _made_by(self.spec)
        for name, dag in self.agents.items():
            prints |= {f"{name}.{place}": one for place, one in dag.site.fingerprints.items()}
            prints[f"{name}.spec"] = _made_by(dag.spec)
        return dict(sorted(prints.items()))

    def owner(self, box: Box) -> AnyDag:
        """An agent's own DAG for its boxes; this one for the others."""
        return self.agents[box.agent] if box.agent else self

    def sections(self) -> dict[str, str]:
        """Each box's part of its spec, as JSON."""
        return {box.name: section_of(box, self.owner(box)) for box in self.boxes}


_NOT_MADE_BY = {
    "agents", "description", "resources", "retrain", "schedule", "serve", "track", "validate_",
}  # fmt: skip


def _made_by(spec: AgentSpec | DialogueSpec) -> str:
    """Tells apart what a spec has made of its sources: of which columns, how, by which release."""
    # As text: the order of its keys is that of asking. What a dialogue sets in its agents' specs stands
    # in those.
    said = spec.model_dump_json(exclude=_NOT_MADE_BY, exclude_defaults=True)
    return hashlib.sha256(f"{bertworks.__version__} {said}".encode()).hexdigest()[:DIGITS]


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
    return {**_stored(dag), **_challenge(dag)}


def _compare(dag: DialogueDag) -> Settings:
    """What is known by now, and where the rest is to be looked at."""
    known = {place: one for place, one in dag.made_of.items() if one != UNSEEN}
    files = {
        one.place: {"key": ".".join(one.key), "uri": one.uri}
        for one in dag.spec.files
        if dag.site.fingerprints.get(one.place) == UNSEEN
    }
    sources, bases = {}, {}
    for name, agent in _looked_at(dag).items():
        unseen = {place for place, one in agent.site.fingerprints.items() if one == UNSEEN}
        for place, source in sources_of(agent.spec).items():
            if place in unseen:
                said = source.model_dump(mode="json", include={"uri", "sha256", "format"})
                sources[f"{name}.{place}"] = said
        if "base" in unseen:
            bases[f"{name}.base"] = plain(agent.spec.base)
    looked_at = {"files": files, "sources": sources, "bases": bases}
    return {
        **_stored(dag),
        "made_of": known,
        **({**looked_at, "spec_folder": dag.site.folder} if any(looked_at.values()) else {}),
        **_challenge(dag),
    }


def _looked_at(dag: DialogueDag) -> dict[str, Dag]:
    """The agents of whose sources something is looked at when the DAG runs."""
    return {
        name: agent
        for name, agent in dag.agents.items()
        if UNSEEN in agent.site.fingerprints.values()
    }


def _readers(dag: DialogueDag) -> list[StepResources]:
    """What the pods get that read what compare-dialogue looks at: it must get in, too."""
    own = [dag.spec.resources.of("prepare_dialogue")]
    agents = [agent.spec.resources.of("ingest") for agent in _looked_at(dag).values()]
    return [*(own if UNSEEN in dag.site.fingerprints.values() else []), *agents]


def _their_secrets(dag: DialogueDag) -> list[Secret]:
    own = dag.spec.resources.of("compare_dialogue")
    found: dict[str, Secret] = {}
    for reader in _readers(dag):
        for name, one in sorted(reader.secrets.items()):
            if name not in own.secrets and name not in own.env:
                found.setdefault(name, Secret(name, one.secret, one.key))
    return list(found.values())


def _their_environment(dag: DialogueDag) -> dict[str, str]:
    own, found = dag.spec.resources.of("compare_dialogue"), dict[str, str]()
    taken = {*own.secrets, *(one.variable for one in _their_secrets(dag))}
    for reader in reversed(_readers(dag)):
        found |= {name: value for name, value in reader.env.items() if name not in taken}
    return found


def _stored(dag: DialogueDag) -> Settings:
    return {"name": dag.spec.name, "store": dag.site.store}


def _challenge(dag: DialogueDag) -> Settings:
    return {"retrain": True} if retrains(dag) else {}


def _nothing(dag: Any) -> Settings:
    return {}


def _by_others(dag: DialogueDag) -> bool:
    """Whether a policy is judged beside what kept dialogues or the model store have now."""
    return dag.spec.judge.sessions is not None or retrains(dag)


def _behind(box: Box, first: Box) -> Box:
    """A box, behind the first one where it would wait for none."""
    return box if box.takes or box.closes else replace(box, after=(*box.after, first.name))


PREPARED = (Output("prepare-dialogue", "dialogue"),)
HEARD = (Output("measure-understanding", "heard"), *PREPARED)
LEARNED = (Output("learn-policy", "learned"), *HEARD)
TALKS = (Output("add-matching", "matched"), *LEARNED)
JUDGED = (Output("judge-policy", "judged"),)

TABLE = (
    Box(
        name="compare-dialogue",
        runs="compare_dialogue",
        section=_compare,
        cached=never,
        goes_on={"retrain": "changed"},
        requests=("100m", "512Mi"),
        secrets=_their_secrets,
        environment=_their_environment,
    ),
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
            "comparison": (Output("compare-dialogue", "comparison"),),
        },
        cached=never,
        requests=("100m", "512Mi"),
    ),
    Box(
        name="notify",
        section=_stored,
        there=retrains,
        cached=never,
        requests=("100m", "256Mi"),
        closes=True,
    ),
)
