"""The table of boxes: each place in the DAGs that make and remake an agent, one line of records each.

    ingest -> [compare] -> validate -> transform -> [pretrain] -> finetune -> evaluate
                                                                     |           |
       [prune] <-----------------------------------------------------+           |
          |                                                                      |
       quantize -> evaluate-bundle -> gate <-------------------------------------+
                                       |
                                    register -> [deploy]            however it ends: [notify]

The training of an agent has all but compare and notify. A retraining has these as well: what follows
compare runs only where it says "changed", and deploy only where register says "promoted".

All else derives from this table, by `pipelines.dag`: the Kubeflow pipelines, each step's section, the
local runner, the pods' settings, the caches' rules and the report's picture. A new step is a folder in
components/, a section of the spec, and a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from bertworks.retraining.webhook import URL
from bertworks.sources.fingerprints import UNSEEN
from pipelines import sections as of

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
        trains: It writes checkpoints, and goes on from them.
        cached: Whether its answer may be taken from an earlier run: all that it reads is in the
            cache's key.
        requests: CPU and memory that its pod asks for where the spec says nothing.
        ahead: Modules that it imports when at work, beyond those that its step's module does.
        known_as: Output to what the report calls it, where that is not the output's name.
        goes_on: By kind of DAG, the answer of the step that lets those run which depend on it. In
            other kinds they always run.
        refuses: Its failure may be an answer (`GateRefused`), and not a fault.
        closes: It runs when all else is over, however that ended.
        secrets: What its pod gets from secrets, beyond what the spec's resources say.
        row: The line of the drawing in which it stands at least; else that of what it follows.
    """

    name: str
    runs: str = ""
    section: Callable[[Dag], dict[str, Any]]
    takes: Mapping[str, Sequence[Output]] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    there: Callable[[Dag], bool] = lambda dag: True
    trains: bool = False
    cached: Callable[[Dag], bool] = lambda dag: True
    requests: tuple[str, str] = ("500m", "2Gi")
    ahead: tuple[str, ...] = ()
    known_as: Mapping[str, str] = field(default_factory=dict)
    goes_on: Mapping[Kind, str] = field(default_factory=dict)
    refuses: bool = False
    closes: bool = False
    secrets: Callable[[Dag], Sequence[Secret]] = lambda dag: ()
    row: int = 0

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


def never(dag: Dag) -> bool:
    """For what reads or changes what others change, or tells what happened in this very run."""
    return False


def retrains(dag: Dag) -> bool:
    """In a retraining only."""
    return dag.kind == "retrain"


def _ingest_cached(dag: Dag) -> bool:
    return not retrains(dag) and UNSEEN not in dag.site.fingerprints.values()


def _validate_cached(dag: Dag) -> bool:
    return dag.site.foreseen or dag.spec.validate_.baseline in ("auto", "none")


def _gate_cached(dag: Dag) -> bool:
    return not retrains(dag) and (dag.site.foreseen or not dag.spec.gates.beat_champion)


def _webhook(dag: Dag) -> list[Secret]:
    hook = dag.spec.retrain.webhook
    return [Secret(URL, hook.secret, hook.key)] if hook else []


READ, BASE = Output("ingest", "examples"), Output("ingest", "base")
ROWS = (Output("compare", "merged"), READ)
HISTORY = (Output("compare", "history"), READ)
CORPUS = (Output("ingest", "corpus"),)
START = (Output("compare", "initial"), BASE)
TOKENS = (Output("transform", "tokens"),)
TEACHER = (Output("finetune", "model"),)
MODEL = (Output("prune", "pruned"), *TEACHER)
BUNDLE = (Output("quantize", "bundle"),)
MODEL_METRICS = (Output("evaluate", "metrics"),)
BUNDLE_METRICS = (Output("evaluate-bundle", "metrics"),)
DECISION = (Output("gate", "decision"),)

TABLE = (
    Box(
        name="ingest",
        section=of.ingest,
        cached=_ingest_cached,
    ),
    Box(
        name="compare",
        section=of.compare,
        takes={"examples": (READ,), "base": (BASE,)},
        there=retrains,
        cached=never,
        goes_on={"retrain": "changed"},
        known_as={"merged": "examples"},
    ),
    Box(
        name="validate",
        section=of.validate,
        takes={"examples": ROWS, "base": START},
        cached=_validate_cached,
        requests=("500m", "3Gi"),
    ),
    Box(
        name="transform",
        section=of.parts("task", "transform", "base"),
        takes={"examples": ROWS, "corpus": CORPUS, "base": START},
        after=("validate",),
        requests=("500m", "3Gi"),
        ahead=("components.transform.pipeline",),
    ),
    Box(
        name="pretrain",
        section=of.parts("task", "pretrain", "base"),
        takes={"tokens": TOKENS, "base": START},
        there=lambda dag: dag.spec.pretrain.enabled,
        trains=True,
        requests=("1", "4Gi"),
        ahead=("bertworks.training.mlm",),
        known_as={"model": "pretrained"},
    ),
    Box(
        name="finetune",
        section=of.parts("task", "metric", "finetune"),
        takes={"tokens": TOKENS, "initial": (Output("pretrain", "model"), *START)},
        trains=True,
        requests=("1", "4Gi"),
        ahead=("bertworks.training.finetuning",),
    ),
    Box(
        name="evaluate",
        section=of.evaluate_model,
        takes={"agent": TEACHER, "examples": ROWS, "tokens": TOKENS},
        requests=("500m", "3Gi"),
        ahead=("bertworks.encoder.model",),
        known_as={"metrics": "model_metrics"},
    ),
    Box(
        name="prune",
        section=of.parts("task", "metric", prune="compress.prune"),
        takes={"model": TEACHER, "tokens": TOKENS},
        there=lambda dag: dag.spec.compress.prune.enabled,
        trains=True,
        requests=("1", "4Gi"),
        ahead=("bertworks.compression.prune",),
        row=1,
    ),
    Box(
        name="quantize",
        section=of.quantize,
        takes={"model": MODEL, "tokens": TOKENS},
        requests=("1", "3Gi"),
        ahead=("bertworks.encoder.model",),
        row=1,
    ),
    Box(
        name="evaluate-bundle",
        runs="evaluate",
        section=of.parts("task", "metric", "evaluate"),
        takes={"agent": BUNDLE, "examples": ROWS, "tokens": TOKENS},
        requests=("500m", "3Gi"),
        ahead=("bertworks.encoder.model",),
        known_as={"metrics": "bundle_metrics"},
    ),
    Box(
        name="gate",
        section=of.gate,
        takes={
            "bundle": BUNDLE,
            "bundle_metrics": BUNDLE_METRICS,
            "model_metrics": MODEL_METRICS,
            "examples": ROWS,
        },
        cached=_gate_cached,
        requests=("250m", "1Gi"),
        refuses=True,
    ),
    Box(
        name="register",
        section=of.register,
        takes={
            "bundle": BUNDLE,
            "decision": DECISION,
            "metrics": BUNDLE_METRICS,
            "model": TEACHER,
            "examples": HISTORY,
        },
        cached=never,
        requests=("100m", "512Mi"),
        goes_on={"retrain": "promoted"},
    ),
    Box(
        name="deploy",
        section=of.deploy,
        takes={"registered": (Output("register", "registered"),)},
        there=lambda dag: dag.site.deploys and dag.spec.serve.deploy.enabled,
        cached=never,
        requests=("100m", "512Mi"),
    ),
    Box(
        name="notify",
        section=of.notify,
        there=retrains,
        cached=never,
        requests=("100m", "256Mi"),
        closes=True,
        secrets=_webhook,
    ),
)
