"""What is to be said of a box: one place in a DAG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from pipelines.dag import Dag

Kind = Literal["agent", "retrain"]
KINDS: tuple[Kind, ...] = ("agent", "retrain")


class Output(NamedTuple):
    """An output of a box."""

    box: str
    name: str


class Secret(NamedTuple):
    """A variable of a box's pod that a Kubernetes secret holds; the pod starts without it as well."""

    variable: str
    secret: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Box:
    """One place in a DAG.

    Attributes:
        name: The task's name, in the DAG, logs, records and reports: "evaluate-bundle".
        runs: The step, a folder in components/; the name where nothing is said. A step that several
            boxes run has a parameter `task`, which is given the box's name.
        section: Makes the settings that the step gets.
        takes: Parameter of the step to where it comes from, nearest first: the first of these whose
            box the DAG has. Where it has none of them, the DAG is refused.
        after: Boxes of which nothing is taken but which must have ended well.
        there: Whether a DAG has it.
        workers: In how many pods it runs at once, each with a number `shard`; who takes its output takes
            that of all.
        trains: It writes checkpoints, and goes on from them.
        cached: Whether its answer may be taken from an earlier run: all that it reads is in the
            cache's key.
        requests: CPU and memory that its pod asks for where the spec says nothing.
        seconds: What it takes at least on a quiet machine of two cores, start and all: what a run with
            `minutes` holds back for it.
        varies: How long it takes hangs on rows and settings, and tells nothing of the machine.
        ahead: Modules that it imports when at work, beyond those that its step's module does.
        known_as: Output to what the report calls it, where that is not the output's name.
        goes_on: By kind of DAG, the answer of the step that lets those run which depend on it. In
            other kinds they always run.
        refuses: Its failure may be an answer (`GateRefused`), and not a fault.
        closes: It runs when all else is over, however that ended.
        secrets: What its pod gets from secrets, beyond what the spec's resources say.
        environment: What its pod's environment has below what these say.
        row: The line of the drawing in which it stands at least; else that of what it follows.
        agent: In the DAG of a dialogue, which agent's DAG it is of; see `within`.
        image: The field of the spec's `resources` that names its pod's image where no GPU is asked for.
        task: What its step is told that it is, where that has a parameter `task`; its name by default.
    """

    name: str
    runs: str = ""
    section: Callable[[Any], Mapping[str, object]]
    takes: Mapping[str, Sequence[Output]] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    there: Callable[[Any], bool] = lambda dag: True
    workers: Callable[[Any], int] = lambda dag: 1
    trains: bool = False
    cached: Callable[[Any], bool] = lambda dag: True
    requests: tuple[str, str] = ("500m", "2Gi")
    seconds: float = 1.5
    varies: bool = False
    ahead: tuple[str, ...] = ()
    known_as: Mapping[str, str] = field(default_factory=dict)
    goes_on: Mapping[Kind, str] = field(default_factory=dict)
    refuses: bool = False
    closes: bool = False
    secrets: Callable[[Any], Sequence[Secret]] = lambda dag: ()
    environment: Callable[[Any], Mapping[str, str]] = lambda dag: {}
    row: int = 0
    agent: str = ""
    task: str = ""
    image: str = "image"

    @property
    def step(self) -> str:
        """The step's name: that of its folder in components/."""
        return self.runs or self.name

    @cached_property
    def component(self) -> Any:
        """The step's KFP component."""
        return getattr(import_module(f"components.{self.step}.component"), self.step)

    @property
    def imports(self) -> list[str]:
        """The modules that it needs at work."""
        return [f"components.{self.step}.step", *self.ahead]


def within(box: Box, dag: Dag, agent: str, row: int) -> Box:
    """A box of an agent's DAG as it stands in the DAG of a dialogue, beside those of others.

    It is told what it would be told where the agent is made alone, so that caches know it again.

    Args:
        box: It, as the table has it.
        dag: The agent's own.
        agent: What the agent is for, which the box's name begins with: "understanding-finetune".
        row: Where the agent's first line is drawn.
    """

    def placed(name: str) -> str:
        return f"{agent}-{name}"

    return replace(
        box,
        name=placed(box.name),
        runs=box.step,
        task=box.name,
        agent=agent,
        row=row + box.row,
        section=lambda _: box.section(dag),
        takes={
            parameter: tuple(Output(placed(one.box), one.name) for one in sources)
            for parameter, sources in box.takes.items()
        },
        after=tuple(map(placed, box.after)),
        there=lambda _: box.there(dag),
        workers=lambda _: box.workers(dag),
        cached=lambda _: box.cached(dag),
        secrets=lambda _: box.secrets(dag),
        environment=lambda _: box.environment(dag),
    )
