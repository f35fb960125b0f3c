"""One DAG: the boxes that a spec asks for at one place, and what each of them is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import bertworks
from bertworks.spec import AgentSpec
from bertworks.spec.cluster import Resources
from bertworks.spec.track import Track
from pipelines.box import KINDS, Box, Kind
from pipelines.boxes import TABLE
from pipelines.graph import Graph
from pipelines.provenance import Provenance, provenance_of
from pipelines.sections import as_json
from pipelines.site import Kubeflow, Site


class Declared(Protocol):
    """What every spec says, be it an agent's or a dialogue's."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def resources(self) -> Resources: ...
    @property
    def track(self) -> Track: ...
    def model_dump(self, *, mode: str, by_alias: bool) -> dict[str, Any]: ...


class AnyDag(Protocol):
    """What whoever wires and runs a DAG asks of it: `Dag`, or `pipelines.dialogue.DialogueDag`."""

    @property
    def spec(self) -> Declared: ...
    @property
    def site(self) -> Site: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def name(self) -> str: ...
    @property
    def graph(self) -> Graph: ...
    @property
    def boxes(self) -> tuple[Box, ...]: ...
    @property
    def provenance(self) -> Provenance: ...

    def owner(self, box: Box) -> AnyDag:
        """The DAG whose spec says what a box's pod gets."""
        ...

    def sections(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class Dag:
    """The training of an agent, or its retraining.

    Attributes:
        spec: The agent spec.
        site: Where it runs.
        kind: "agent" for the training, "retrain".
        table: All boxes that there could be.
    """

    spec: AgentSpec
    site: Site
    kind: Kind = "agent"
    table: tuple[Box, ...] = TABLE

    @property
    def name(self) -> str:
        """What the pipeline is called."""
        return pipeline_name(self.spec.name, self.kind)

    @cached_property
    def graph(self) -> Graph:
        """The boxes that are there; what is switched off leaves none."""
        return Graph(tuple(box for box in self.table if box.there(self)))

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The boxes that are there, in running order."""
        return self.graph.boxes

    def owner(self, box: Box) -> AnyDag:
        """Itself: it has no other agents' boxes."""
        return self

    @cached_property
    def provenance(self) -> Provenance:
        """What it is made of."""
        return provenance_of(self.spec, self.site.fingerprints)

    def sections(self) -> dict[str, str]:
        """Each box's part of the spec, as JSON: the settings, and what tells the code."""
        return {box.name: section_of(box, self) for box in self.boxes}


def section_of(box: Box, dag: AnyDag) -> str:
    """A box's part of the spec, as JSON."""
    said: dict[str, Any] = {"bertworks": bertworks.__version__, **dag.site.stamp(box)}
    settings: Mapping[str, object] = box.section(dag)
    return as_json({**said, "settings": settings})


def pipeline_name(agent: str, kind: Kind) -> str:
    """What an agent's pipeline of a kind is called, on KFP and in the names of runs and schedules."""
    return agent if kind == "agent" else f"{agent}-{kind}"


def steps_at_work(spec: AgentSpec) -> dict[str, tuple[str, str]]:
    """The steps that a spec has a use for on a cluster, as `requests` gives them."""
    there = {box.step for kind in KINDS for box in Dag(spec, Kubeflow(), kind).boxes}
    return {step: asked for step, asked in requests().items() if step in there}


def requests() -> dict[str, tuple[str, str]]:
    """Step to the CPU and memory that its pods ask for where the spec says nothing.

    As much as the examples need on two CPUs. Requests alone: no limit that nobody wrote may throttle a
    step or end it.
    """
    found: dict[str, tuple[str, str]] = {}
    for box in TABLE:
        found.setdefault(box.step, box.requests)
    return found
